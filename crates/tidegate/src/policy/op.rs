//! What a policy must know of one call, and what an attempt may tell the policy.

use std::{fmt, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{call::after, gate::Shared};
use crate::cancel;

/// What the policy must know of a call: whether it may be repeated, and its limits of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op {
    pub(super) idempotent: bool,
    pub(super) once: bool,
    pub(super) deadline: Option<Instant>,
    pub(super) timeout: Option<Duration>,
}

impl Op {
    /// Doing it twice is the same as doing it once.
    pub const fn idempotent() -> Self {
        Self {
            idempotent: true,
            once: false,
            deadline: None,
            timeout: None,
        }
    }

    /// Doing it twice may do harm, or nobody knows: repeated only if the service cannot have acted on it. It then either was not sent,
    /// or was answered as throttled, or was answered as overloaded with a time for the next attempt.
    pub const fn unsafe_to_repeat() -> Self {
        Self {
            idempotent: false,
            once: false,
            deadline: None,
            timeout: None,
        }
    }

    /// It cannot be sent a second time, for instance since its body is a stream: repeated only if nothing was
    /// [sent](super::Sent::No), and never hedged.
    #[must_use]
    pub const fn send_once(self) -> Self {
        Self { once: true, ..self }
    }

    /// When the whole call must have ended, waiting included. Default: never; but never later than the deadline of the
    /// scope around it, see [`deadline`](crate::deadline).
    ///
    /// No wait and no attempt starts that cannot end before it; an attempt that runs into it is dropped.
    #[must_use]
    pub const fn deadline(self, at: Instant) -> Self {
        Self {
            deadline: Some(at),
            ..self
        }
    }

    /// What [`deadline`](Self::deadline) was set to.
    pub const fn due(&self) -> Option<Instant> {
        self.deadline
    }

    /// How long each attempt may take. Default: the policy's attempt timeout.
    #[must_use]
    pub const fn timeout(self, limit: Duration) -> Self {
        Self {
            timeout: Some(limit),
            ..self
        }
    }

    /// With the deadline of the scope around the calling code, if that is earlier.
    pub(super) fn within_scope(self) -> Self {
        let around = cancel::deadline();
        Self {
            deadline: match (self.deadline, around) {
                (Some(own), Some(around)) => Some(own.min(around)),
                (own, around) => own.or(around),
            },
            ..self
        }
    }
}

impl Op {
    /// When an attempt that starts at `started` ends at the latest.
    pub(super) fn ends(&self, started: Instant, attempt_timeout: Duration) -> Instant {
        let limit = self.timeout.unwrap_or(attempt_timeout);
        let own = after(started, limit);
        self.deadline.map_or(own, |deadline| deadline.min(own))
    }
}

/// One attempt, given to the closure that makes it.
#[derive(Clone)]
pub struct Attempt {
    /// 1 for the call's first attempt. Attempts that an outage made void are counted here too.
    pub number: u32,
    /// When it passed the gate.
    pub started: Instant,
    /// When it will be dropped: by its timeout, or by the call's deadline.
    pub ends: Instant,
    /// It is sent beside another one that takes long: see [`Hedge`](super::Hedge).
    pub is_hedge: bool,
    pub(super) shared: Arc<Shared>,
    pub(super) pass: u64,
}

impl Attempt {
    /// Tells the policy what the service said of its quota. If nothing remains, nobody is sent before the reset.
    ///
    /// Else no more are sent before the reset than remain, less those that are on their way: whether the service has
    /// counted them is not known. When none is left, an answer to one of these may say that there are more; if none is on
    /// its way, the service pauses until the reset.
    pub fn quota(&self, quota: Quota) {
        self.shared
            .with(|state, now| state.learn_quota(self.pass, quota, now));
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("number", &self.number)
            .field("started", &self.started)
            .field("ends", &self.ends)
            .field("is_hedge", &self.is_hedge)
            .finish_non_exhaustive()
    }
}

/// What a service says of its quota, for example in `RateLimit` fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many requests it will still accept.
    pub remaining: u64,
    /// When it will accept more, if it said so.
    pub reset_at: Option<Instant>,
}
