//! What an answer or a failure means for the policy.

use http::{HeaderMap, StatusCode};
use tidegate::policy::{Class, Sent, Verdict};
use tokio::time::Instant;

use crate::headers::retry_after;

#[cfg(feature = "client")]
use {
    crate::{client::Answer, error::HttpError},
    tidegate::policy::Classify,
};

/// What an answer that came at `now` means by the default table.
///
/// | status | class |
/// |---|---|
/// | 2xx | `Ok` |
/// | 429 | `Throttled` |
/// | 503 | `Overload` |
/// | 408, 425, and 5xx but those below | `Transient` |
/// | 501, 505 | `Fatal`: it will not learn it by being asked again |
/// | all others: 3xx that was not followed, 4xx | `Fatal` |
///
/// `retry_at` is that of [`retry_after`], of any class that may be tried again.
#[must_use]
pub fn verdict(status: StatusCode, headers: &HeaderMap, now: Instant) -> Verdict {
    let class = class_of(status);
    let retry_at = match class {
        Class::Transient | Class::Throttled | Class::Overload => retry_after(headers, now),
        _ => None,
    };
    Verdict {
        class,
        sent: Sent::Answered,
        retry_at,
    }
}

#[cfg(feature = "client")]
impl Answer {
    /// What the answer means by the table of [`verdict`](crate::verdict), as if it had come at the moment of this call.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        verdict(self.status, &self.headers, Instant::now())
    }
}

#[cfg(feature = "client")]
impl Classify for Answer {
    fn verdict(&self) -> Verdict {
        Answer::verdict(self)
    }
}

#[cfg(feature = "client")]
impl Classify for HttpError {
    fn verdict(&self) -> Verdict {
        Verdict {
            class: self.class(),
            sent: self.sent(),
            retry_at: None,
        }
    }
}

fn class_of(status: StatusCode) -> Class {
    match status.as_u16() {
        200..=299 => Class::Ok,
        408 | 425 => Class::Transient,
        429 => Class::Throttled,
        503 => Class::Overload,
        501 | 505 => Class::Fatal,
        500..=599 => Class::Transient,
        _ => Class::Fatal,
    }
}
