//! In front of a service that is called: a policy as a layer.

mod call;
mod http;
mod judge;
mod layer;
mod replay;

pub use http::{ErrorVerdict, HttpJudge, Unsure};
pub use judge::{Judge, JudgeFn, judge_fn};
pub use layer::{PolicyLayer, PolicyService};
pub use replay::{Cloned, IfEmpty, Never, Replay};
