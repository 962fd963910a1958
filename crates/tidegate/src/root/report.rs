//! What a root tells when it ends.

use crate::{
    cancel::{Doing, Failure, Look, Node, Orphan, Reason, Signal, Survey, What},
    scope::ScopeError,
};
use std::{fmt, sync::Arc, time::Duration};
use tokio::time::Instant;

/// How a [`run`](super::run) ended.
#[derive(Debug)]
pub struct Ended<T, E> {
    /// What the main scope returned.
    pub result: Result<T, ScopeError<E>>,
    /// The first signal that came.
    pub signal: Option<Signal>,
    /// Failures in scopes whose future was dropped; at most 1,024 are kept.
    pub unclaimed: Vec<Orphan>,
    /// The number of such failures that were not kept.
    pub unclaimed_lost: u64,
    /// What had not ended 100 ms after the grace.
    pub survivors: Vec<Survivor>,
}

impl<T, E> Ended<T, E> {
    /// What the process should exit with: 0 when `main` has a value and nothing was lost or left, also after a signal;
    /// 101 after a panic; 128 + the signal's number when `main` was cut by it; else 1.
    pub fn exit_code(&self) -> u8 {
        let panicked = |failure: &Failure<_>| matches!(failure.what, What::Panic(_));
        match &self.result {
            Err(ScopeError::Failed(failures)) if failures.iter().any(panicked) => 101,
            Err(ScopeError::Cancelled(Reason::Shutdown(signal))) => 128 + signal.number(),
            Ok(_) if self.unclaimed.is_empty() && self.survivors.is_empty() => 0,
            _ => 1,
        }
    }
}

/// How an attached [`Root`](super::Root) ended.
#[derive(Debug)]
pub struct Report {
    /// The first signal that came.
    pub signal: Option<Signal>,
    /// Failures in scopes whose future was dropped; at most 1,024 are kept.
    pub unclaimed: Vec<Orphan>,
    /// The number of such failures that were not kept.
    pub unclaimed_lost: u64,
    /// What had not ended 100 ms after the grace.
    pub survivors: Vec<Survivor>,
}

/// A child that did not end in time, or that runs now.
#[derive(Clone, Debug)]
pub struct Survivor {
    /// The names from the main scope down to the child, joined by `/`; for a child that has never waited, down to its
    /// scope.
    pub path: String,
    /// Where it was spawned; for [`State::NotPolled`], where its scope was opened.
    pub at: &'static std::panic::Location<'static>,
    /// The time since it was told to stop; zero if it was not.
    pub age: Duration,
    /// Why it was told. `None`: it was not.
    pub reason: Option<Reason>,
    /// What it is doing.
    pub state: State,
}

/// What a child that runs is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// It is in a poll that has not returned: it computes, or blocks its thread.
    InPoll {
        /// For so long at least: since somebody looked last, which is when the root was told.
        at_least: Duration,
    },
    /// It was woken when told and has not been polled since: its runtime is busy with something else.
    Starved,
    /// It was polled since it was told and waits for something else: it uses its grace, or ignores the word.
    Waiting,
    /// A [shield](crate::shield()) is open in it.
    Shielded,
    /// Blocking code: a closure on a thread, which has not returned.
    Thread,
    /// So many children that were never polled.
    NotPolled {
        /// How many.
        count: u32,
    },
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::InPoll { at_least } if at_least.is_zero() => f.write_str("in a poll"),
            State::InPoll { at_least } => {
                write!(f, "in a poll for {:.1} s", at_least.as_secs_f64())
            }
            State::Starved => f.write_str("woken and not polled since"),
            State::Waiting => f.write_str("waiting"),
            State::Shielded => f.write_str("waiting in a shield"),
            State::Thread => f.write_str("in blocking code"),
            State::NotPolled { count } => write!(f, "{count} children, never polled"),
        }
    }
}

impl fmt::Display for Survivor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Survivor {
            path,
            at,
            age,
            reason,
            state,
        } = self;
        write!(f, "{path} ({at}): {state}")?;
        match reason {
            Some(reason) => write!(f, ", told to stop {:.1} s ago: {reason}", age.as_secs_f64()),
            None => Ok(()),
        }
    }
}

/// What runs below `root`; `since` is an earlier look at what was being polled.
pub(super) fn survivors(root: &Arc<Node>, since: &Look) -> Vec<Survivor> {
    let now = Instant::now();
    let survivor = |found: Survey| Survivor {
        path: found.path,
        at: found.at,
        age: found
            .told_at
            .map_or(Duration::ZERO, |at| now.saturating_duration_since(at)),
        reason: found.reason,
        state: match found.doing {
            Doing::Polled(at_least) => State::InPoll { at_least },
            Doing::Thread => State::Thread,
            Doing::Starved => State::Starved,
            Doing::Shielded => State::Shielded,
            Doing::Waiting => State::Waiting,
            Doing::NotPolled(count) => State::NotPolled { count },
        },
    };
    root.survey(since).into_iter().map(survivor).collect()
}
