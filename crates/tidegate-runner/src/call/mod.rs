//! One record's calls: its steps in their inferred order, each through the policy of its service.

mod answer;
mod http;
mod idempotency;
mod outcome;
mod record;

pub use http::BadService;
pub(crate) use http::{Service, preview};
pub(crate) use outcome::{Death, End, Unfinished, Worked};
pub(crate) use record::{Bell, Work, work_on};
