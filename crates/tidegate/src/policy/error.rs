//! Why a call ended without a value.

use std::{fmt, time::Duration};

use tokio::time::Instant;

use super::Class;

/// A call that ended without a value: why no further attempt was made, the last real error, and every attempt.
#[derive(Debug)]
pub struct CallError<E> {
    /// Why no further attempt was made.
    pub why: StopReason,
    /// The error of the last attempt that had one: `None` if none was started, or if all of them timed out.
    pub last: Option<E>,
    /// The attempts, oldest first; of more than 64 the last 64.
    pub attempts: Vec<AttemptLog>,
    /// The error of the fallback, if there was one and it had one.
    pub fallback: Option<E>,
}

/// One attempt of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptLog {
    /// 1 for the call's first attempt.
    pub number: u32,
    /// When it passed the gate.
    pub started: Instant,
    /// From the gate to its result.
    pub took: Duration,
    /// How long it waited before: back-off, queue, permit and token together.
    pub waited: Duration,
    /// What its result meant.
    pub class: Class,
    /// It was sent beside another one that took long.
    pub is_hedge: bool,
}

/// Why a call made no further attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// The last error will not pass.
    NotRetriable,
    /// All attempts were used.
    AttemptsExhausted {
        /// How many there were.
        attempts: u32,
    },
    /// Too few calls succeed to pay for another repetition.
    BudgetExhausted,
    /// A wait or an attempt could not end before the call's deadline.
    DeadlineTooClose,
    /// The service asked for a delay beyond the deadline, the patience or the longest delay allowed.
    ServerSaidNo {
        /// When it wants to be asked again.
        retry_at: Instant,
    },
    /// The error may pass, but the request may have been acted on and is not idempotent.
    NotReplayable,
    /// The attempt reported that its caller had given up.
    Cancelled,
    /// As many calls as allowed were waiting.
    Full {
        /// How many that is.
        limit: usize,
    },
    /// The service was down for longer than the patience.
    GaveUp {
        /// For how long it was down.
        down_for: Duration,
    },
    /// Too many calls to the service failed: nobody is sent to it for a while.
    BreakerOpen {
        /// When the next attempt may probe it: now if that waits for a probe under way, or if the breaker was opened by hand
        /// without an end.
        retry_at: Instant,
    },
    /// The call is part of an attempt of an idempotent call through the same policy, which will repeat the whole.
    LeftToOuter,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRetriable => f.write_str("not repeated: the error will not pass"),
            Self::AttemptsExhausted { attempts: 1 } => {
                f.write_str("not repeated: one attempt is all that is allowed")
            }
            Self::AttemptsExhausted { attempts } => write!(f, "gave up after {attempts} attempts"),
            Self::BudgetExhausted => {
                f.write_str("not repeated: too few calls to this service succeed")
            }
            Self::DeadlineTooClose => f.write_str("no time left before the deadline"),
            Self::ServerSaidNo { retry_at } => {
                let delay = retry_at.saturating_duration_since(Instant::now());
                write!(
                    f,
                    "the service asked to wait for {delay:.0?}, which is longer than allowed"
                )
            }
            Self::NotReplayable => {
                f.write_str("not repeated: the service may have acted on it already")
            }
            Self::Cancelled => f.write_str("cancelled"),
            Self::Full { limit } => write!(f, "{limit} calls are already waiting for this service"),
            Self::GaveUp { down_for } => write!(f, "the service did not answer for {down_for:.0?}"),
            Self::BreakerOpen { retry_at } => {
                let delay = retry_at.saturating_duration_since(Instant::now());
                write!(
                    f,
                    "too many calls to this service failed; it is left alone for another {delay:.0?}"
                )
            }
            Self::LeftToOuter => f.write_str("not repeated: the call around it repeats the whole"),
        }
    }
}

/// Says why the call ended; the last error is the [`source`](std::error::Error::source).
impl<E> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}

impl<E: std::error::Error + 'static> std::error::Error for CallError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.last.as_ref().map(|error| error as _)
    }
}
