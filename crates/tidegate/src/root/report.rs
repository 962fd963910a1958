//! What a root tells when it ends.

use crate::{
    cancel::{Kind, Node, Orphan, Reason, Signal, Survey},
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

/// A child that did not end in time.
#[derive(Clone, Debug)]
pub struct Survivor {
    /// The names from the main scope down to the child, joined by `/`.
    pub path: String,
    /// Where it was spawned; for [`State::Unseen`], where its scope was opened.
    pub at: &'static std::panic::Location<'static>,
    /// The time since it was told to stop.
    pub age: Duration,
    /// Why it was told.
    pub reason: Option<Reason>,
    /// What it is known to be doing.
    pub state: State,
}

/// What a survivor is known to be doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// A thread whose closure has not returned.
    Thread,
    /// Was asked, and waits for something in its grace.
    Asked,
    /// Was woken and has not come back since: in a poll that does not return, or never polled again.
    NotBack,
    /// So many children that have never waited: in their first poll, or never polled.
    Unseen {
        /// How many.
        count: u32,
    },
}

impl fmt::Display for Survivor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Survivor {
            path,
            at,
            age,
            state,
            ..
        } = self;
        write!(
            f,
            "{path} ({at}), told to stop {:.1} s ago: ",
            age.as_secs_f64()
        )?;
        match state {
            State::Thread => f.write_str("a thread that has not returned"),
            State::Asked => f.write_str("still waiting"),
            State::NotBack => f.write_str("has not come back from its last poll"),
            State::Unseen { count } => write!(f, "{count} children that have never waited"),
        }?;
        match &self.reason {
            Some(reason) => write!(f, "; told because: {reason}"),
            None => Ok(()),
        }
    }
}

pub(super) fn survivors(root: &Arc<Node>) -> Vec<Survivor> {
    let now = Instant::now();
    let survivor = |found: Survey| Survivor {
        path: found.path,
        at: found.at,
        age: found
            .told_at
            .map_or(Duration::ZERO, |at| now.saturating_duration_since(at)),
        reason: found.reason,
        state: match found.kind {
            Kind::Thread => State::Thread,
            Kind::Child | Kind::Watcher => match (found.counted, found.woken) {
                (Some(count), _) => State::Unseen { count },
                (None, true) => State::NotBack,
                (None, false) => State::Asked,
            },
        },
    };
    root.survey().into_iter().map(survivor).collect()
}
