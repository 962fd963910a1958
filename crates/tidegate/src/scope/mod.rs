//! Scopes: children that cannot outlive them, failures that cannot be lost.

mod child;
mod drive;
mod error;
mod gather;
mod handle;
mod opts;
mod refused;
mod task;
#[cfg(test)]
mod tests;
mod timer;

pub use drive::scope;
pub use error::{Failures, ScopeError};
pub use gather::Gather;
pub use handle::Scope;
pub use opts::{Leave, Opts};
pub use refused::{Refused, RefusedBecause};
pub use task::{Stopped, Task};

pub(crate) use child::Seat;
pub(crate) use drive::{Drive, Owner, open};
pub(crate) use timer::passed;
