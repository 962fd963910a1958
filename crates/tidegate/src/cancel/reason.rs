//! Why something was told to stop.

use super::Site;
use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};
use tokio::time::Instant;

/// Why a scope was told to stop. The first reason stays; it goes down the tree unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// A deadline passed. `declared_by` says whose: the scope's own or an ancestor's.
    Deadline {
        /// The scope that declared the deadline.
        declared_by: ScopeId,
    },
    /// A child, or the body, returned an error.
    ChildFailed {
        /// Its name.
        task: &'static str,
        /// Where it was spawned.
        at: Site,
    },
    /// A child, or the body, panicked.
    ChildPanicked {
        /// Its name.
        task: &'static str,
        /// Where it was spawned.
        at: Site,
    },
    /// The scope's future was dropped before it was done.
    OwnerDropped,
    /// The process was asked to end.
    Shutdown(Signal),
    /// The body returned and its scope was opened with [`Leave::Cancel`](crate::scope::Leave::Cancel).
    BodyReturned,
    /// Other arms have decided the [`join`](crate::join) that this one is part of.
    LostJoin,
    /// What surrounds the scope has ended: its handle was carried out of the tree, or the root is ending.
    Ended,
    /// The program's own reason.
    User(&'static str),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Deadline { declared_by } => write!(f, "the deadline of {declared_by} passed"),
            Reason::ChildFailed { task, at } => write!(f, "task `{task}` ({at}) failed"),
            Reason::ChildPanicked { task, at } => write!(f, "task `{task}` ({at}) panicked"),
            Reason::OwnerDropped => f.write_str("the scope's future was dropped"),
            Reason::Shutdown(signal) => write!(f, "shutdown by {signal}"),
            Reason::BodyReturned => f.write_str("the scope's body returned"),
            Reason::LostJoin => f.write_str("other arms have decided the join"),
            Reason::Ended => f.write_str("the surrounding scope has ended"),
            Reason::User(why) => f.write_str(why),
        }
    }
}

/// A signal that asks the process to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signal {
    /// `SIGINT`, as from Ctrl-C.
    Int,
    /// `SIGTERM`.
    Term,
}

impl Signal {
    /// The signal's number; a process that it ends exits with 128 + this.
    pub const fn number(self) -> u8 {
        match self {
            Signal::Int => 2,
            Signal::Term => 15,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Signal::Int => "SIGINT",
            Signal::Term => "SIGTERM",
        })
    }
}

/// Which scope: equal only for the same one, also when a name is used many times.
#[derive(Clone, Copy, Debug)]
pub struct ScopeId {
    pub(crate) name: &'static str,
    pub(crate) at: Site,
    pub(crate) serial: u64,
}

impl ScopeId {
    pub(crate) fn new(name: &'static str, at: Site) -> Self {
        // Not loom's: it numbers scopes and orders nothing.
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        ScopeId {
            name,
            at,
            serial: SERIAL.fetch_add(1, Relaxed),
        }
    }

    /// The scope's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Where the scope was opened.
    pub fn at(&self) -> Site {
        self.at
    }
}

impl PartialEq for ScopeId {
    fn eq(&self, other: &Self) -> bool {
        self.serial == other.serial
    }
}

impl Eq for ScopeId {}

impl Hash for ScopeId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.serial.hash(state);
    }
}

impl fmt::Display for ScopeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "scope `{}` ({})", self.name, self.at)
    }
}

/// A reason and the *soft* instant: from then on what runs is asked to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) reason: Reason,
    pub(crate) at: Instant,
}

/// When a scope will be told, and by whose wish.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    pub(crate) declared_by: ScopeId,
}
