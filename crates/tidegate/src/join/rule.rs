//! When a join ends, and what becomes of the arms that are left.

use std::time::Duration;
use tokio::time::Instant;

/// When a join ends. It ends as well when every arm has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Until {
    /// Every arm has ended.
    All,
    /// One arm has succeeded.
    FirstOk,
    /// One arm has ended: with a value, an error or a panic.
    First,
    /// So many arms have succeeded, or so many have failed that this cannot be reached any more. With 0 no arm is
    /// started.
    Quorum(usize),
    /// This instant has come.
    Deadline(Instant),
}

impl Until {
    /// Of `arms` so many have ended, and so many of these well.
    pub(super) fn is_decided(self, arms: usize, ended: usize, ok: usize) -> bool {
        let left = arms - ended;
        left == 0
            || match self {
                Until::All | Until::Deadline(_) => false,
                Until::FirstOk => ok > 0,
                Until::First => ended > 0,
                Until::Quorum(wanted) => ok >= wanted || ok.saturating_add(left) < wanted,
            }
    }

    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Until::Deadline(at) => Some(at),
            Until::All | Until::FirstOk | Until::First | Until::Quorum(_) => None,
        }
    }
}

/// What becomes of arms that are told to stop, because others have decided the join or because the caller's scope is
/// stopping. The join waits for them in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Losers {
    /// They are dropped at their current await. Scopes inside them keep what grace they have.
    Drop,
    /// They are asked (see [`cancelled`](crate::cancelled())) and run on; what has not ended after `grace`, or after
    /// less when the caller's scope has less, is dropped. One that still ends counts as finished.
    Drain {
        /// The time from being told to being dropped.
        grace: Duration,
    },
}

impl Losers {
    pub(super) fn grace(self) -> Option<Duration> {
        match self {
            Losers::Drop => None,
            Losers::Drain { grace } => Some(grace),
        }
    }
}
