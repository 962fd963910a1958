//! Scopes: children that cannot outlive them, failures that cannot be lost.

mod child;
mod defer;
mod deliver;
mod drive;
mod error;
mod gather;
mod handle;
mod isolated;
mod opts;
mod outcome;
mod refused;
mod shield;
#[cfg(feature = "tracing")]
mod spans;
mod supervise;
mod task;
#[cfg(test)]
mod tests;
mod timer;
#[cfg(feature = "tokio-util")]
mod token;

pub use defer::Deferred;
pub use drive::scope;
pub use error::{Failures, ScopeError};
pub use gather::Gather;
pub use handle::Scope;
pub use opts::{Leave, Opts};
pub use refused::{Refused, RefusedBecause};
pub use shield::{Overdue, Shield, shield};
pub use supervise::{Child, ChildError, Nursery, Supervised, Supervisor, supervise};
pub use task::{Stopped, Task};

pub(crate) use child::Seat;
pub(crate) use deliver::Deliver;
pub(crate) use drive::{Drive, Owner, node_below, open};
pub(crate) use isolated::{Caught, Isolated, Origin, Outlet, Settled};
pub(crate) use outcome::Outcome;
pub(crate) use timer::passed;
