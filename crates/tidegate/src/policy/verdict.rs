//! The outcome of one attempt, in the words that every part of a policy understands.

use tokio::time::Instant;

/// What an attempt's result means for the policy.
///
/// | class | repeated? | speaks for the service's health | pays the budget |
/// |---|---|---|---|
/// | `Ok` | – | alive | fills it |
/// | `Transient` | if it may be | failure | retry cost |
/// | `Throttled` | if it may be | alive | throttled cost |
/// | `Overload` | if it may be | failure | retry cost |
/// | `Fatal` | no | alive, if answered | – |
/// | `NeverSent` | yes | failure | retry cost |
/// | `Timeout` | if it may be | failure | retry cost |
/// | `Rejected`, `Cancelled` | no | nothing | – |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The attempt did what was asked.
    Ok,
    /// It failed in a way that may pass: a 500, a connection cut short.
    Transient,
    /// The service said that the caller's quota is spent: a 429.
    Throttled,
    /// The service said that it has too much to do: a 503.
    Overload,
    /// It will fail again however often it is repeated: a 404, a bad certificate.
    Fatal,
    /// Nothing of the request reached the service: connection refused, name not found.
    NeverSent,
    /// No answer came in time.
    Timeout,
    /// Something on this side refused; the service was not asked.
    Rejected,
    /// The caller gave it up.
    Cancelled,
}

/// How far the request of a failed attempt got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sent {
    /// No byte left; the service cannot have acted on it.
    No,
    /// Part or all of it left and no answer came; the service may have acted on it.
    Maybe,
    /// The service answered.
    Answered,
}

/// The class of an outcome, how far the request got, and when the service asked to be asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What the outcome means.
    pub class: Class,
    /// How far the request got.
    pub sent: Sent,
    /// The earliest instant at which the service wants the next attempt (`Retry-After`); never undercut.
    pub retry_at: Option<Instant>,
}

impl Verdict {
    /// A verdict without a stated time for the next attempt.
    pub const fn new(class: Class, sent: Sent) -> Self {
        Self {
            class,
            sent,
            retry_at: None,
        }
    }

    /// Done; answered.
    pub const fn ok() -> Self {
        Self::new(Class::Ok, Sent::Answered)
    }

    /// A failure that may pass; answered. For a connection cut short add [`sent`](Self::sent)`(Sent::Maybe)`.
    pub const fn transient() -> Self {
        Self::new(Class::Transient, Sent::Answered)
    }

    /// The quota is spent; answered.
    pub const fn throttled() -> Self {
        Self::new(Class::Throttled, Sent::Answered)
    }

    /// The service is overloaded; answered.
    pub const fn overload() -> Self {
        Self::new(Class::Overload, Sent::Answered)
    }

    /// A failure for good; answered.
    pub const fn fatal() -> Self {
        Self::new(Class::Fatal, Sent::Answered)
    }

    /// The request did not leave.
    pub const fn never_sent() -> Self {
        Self::new(Class::NeverSent, Sent::No)
    }

    /// No answer in time; the request may have arrived.
    pub const fn timeout() -> Self {
        Self::new(Class::Timeout, Sent::Maybe)
    }

    /// Refused on this side; nothing was sent.
    pub const fn rejected() -> Self {
        Self::new(Class::Rejected, Sent::No)
    }

    /// Given up by the caller; the request may have arrived.
    pub const fn cancelled() -> Self {
        Self::new(Class::Cancelled, Sent::Maybe)
    }

    /// The same verdict with another statement of how far the request got.
    #[must_use]
    pub const fn sent(self, sent: Sent) -> Self {
        Self { sent, ..self }
    }

    /// The same verdict with the instant before which the service does not want to be asked again.
    #[must_use]
    pub const fn retry_at(self, at: Instant) -> Self {
        Self {
            retry_at: Some(at),
            ..self
        }
    }

    /// Whether the request may be sent again without the risk of doing its work twice.
    pub(super) fn may_repeat(&self, idempotent: bool) -> bool {
        idempotent
            || self.sent == Sent::No
            || match self.class {
                Class::Throttled => self.sent == Sent::Answered,
                // Without a stated time a 503 may come from a proxy behind which the work goes on.
                Class::Overload => self.sent == Sent::Answered && self.retry_at.is_some(),
                _ => false,
            }
    }
}

/// Tells a policy what an error means.
///
/// Implement it for the error of the attempts; a result of `Ok` needs no verdict.
pub trait Classify {
    /// The verdict on the attempt that ended with this error.
    fn verdict(&self) -> Verdict;
}
