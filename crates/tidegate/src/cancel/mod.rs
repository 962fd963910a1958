//! Cancellation: a tree of nodes that carries a reason down and counts what still runs.
//!
//! A node belongs to one scope. It is told to stop once, with a [`Reason`] that never changes; what has a grace is
//! asked first and forced at the *hard* instant, which may only come nearer. All of it is level-triggered: whoever
//! looks later sees the same as whoever was waiting.
//!
//! The functions here are ambient: they speak of the scope whose code is being polled, however deep in the call.

mod background;
mod cleanup;
mod context;
mod count;
#[cfg(feature = "hooks")]
pub mod hook;
#[cfg(all(test, tidegate_loom))]
mod loom;
mod mark;
mod node;
mod outcome;
mod owner;
mod parked;
mod pulse;
mod reason;
mod room;
mod section;
mod slab;
mod tenure;
mod watch;

pub use context::{deadline, grace_left, is_cancelled, reason, remaining};
pub use outcome::{Failure, Fault, Orphan, Panic, What};
pub use reason::{Reason, ScopeId, Signal};
pub use watch::{Cancelled, cancelled};

pub(crate) use cleanup::{Cleanup, CleanupWork};
pub(crate) use context::{Ctx, Part, current, hold, inside, is_doomed};
pub(crate) use mark::after;
pub(crate) use node::{MAX_CHILDREN, Node, NodeOpts, Opener, Role, Site};
pub(crate) use outcome::Payload;
pub(crate) use owner::OnUnclaimed;
pub(crate) use parked::{Doing, Entry, Key, Kind, Survey};
pub(crate) use pulse::{Look, Pulse};
pub(crate) use reason::Told;
pub(crate) use room::{NoRoom, Room};
pub(crate) use section::{Grace, Hold, Section};
pub(crate) use tenure::{Giver, Tenure, ask, tenure, tenure_above};

use std::sync::{LockResult, PoisonError};

/// A panic under a lock must not make cancelling fail: every state under our locks is valid at every step.
pub(crate) fn ignore_poison<G>(result: LockResult<G>) -> G {
    result.unwrap_or_else(PoisonError::into_inner)
}
