//! Work that a scope did not take, handed back.

use crate::cancel::{NoRoom, Reason, ignore_poison};
use std::{error::Error, fmt, io, sync::Mutex};

/// A child that was not spawned; [`into_work`](Refused::into_work) gives it back.
pub struct Refused<F> {
    /// Why not.
    pub because: RefusedBecause,
    // The mutex makes it `Sync` for any `F: Send`, so that `?` turns it into any boxed error.
    work: Mutex<F>,
}

/// Why a scope did not take a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusedBecause {
    /// As many children run as the scope allows.
    Full {
        /// That many.
        limit: usize,
    },
    /// The scope was told to stop.
    Cancelling(Reason),
    /// The scope has ended.
    Closed,
    /// As many closures run, or wait for a thread, as the [`Pool`](crate::offload::Pool) takes.
    PoolFull {
        /// That many.
        limit: usize,
    },
    /// The operating system gave no thread.
    NoThread(io::ErrorKind),
}

impl<F> Refused<F> {
    pub(crate) fn new(because: RefusedBecause, work: F) -> Self {
        Refused {
            because,
            work: Mutex::new(work),
        }
    }

    pub(crate) fn map<G>(self, from: impl FnOnce(F) -> G) -> Refused<G> {
        Refused {
            because: self.because,
            work: Mutex::new(from(self.into_work())),
        }
    }

    /// The future, or the closure, never run.
    pub fn into_work(self) -> F {
        ignore_poison(self.work.into_inner())
    }
}

impl From<NoRoom> for RefusedBecause {
    fn from(why: NoRoom) -> Self {
        match why {
            NoRoom::Full { limit } => RefusedBecause::Full {
                limit: limit as usize,
            },
            NoRoom::Told(reason) => RefusedBecause::Cancelling(reason),
            NoRoom::Closed => RefusedBecause::Closed,
        }
    }
}

impl fmt::Display for RefusedBecause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RefusedBecause::Full { limit } => {
                write!(f, "{limit} children run, the most that the scope allows")
            }
            RefusedBecause::Cancelling(reason) => write!(f, "the scope is stopping: {reason}"),
            RefusedBecause::Closed => f.write_str("the scope has ended"),
            RefusedBecause::PoolFull { limit } => {
                write!(
                    f,
                    "{limit} closures run or wait, the most that the pool takes"
                )
            }
            RefusedBecause::NoThread(kind) => write!(f, "the system gave no thread: {kind}"),
        }
    }
}

impl<F> fmt::Display for Refused<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not spawned: {}", self.because)
    }
}

impl<F> fmt::Debug for Refused<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused")
            .field("because", &self.because)
            .finish_non_exhaustive()
    }
}

impl<F> Error for Refused<F> {}
