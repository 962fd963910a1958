//! What may be said of each stage of a policy, and what holds where nothing is said.

use std::time::Duration;

/// When and how often a failed attempt is repeated.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// Attempts of one call, the first included. Default 3.
    pub max_attempts: u32,
    /// The longest first delay; doubled for each further one, drawn between zero and that. Default 50 ms.
    pub base: Duration,
    /// The same after a throttled attempt. Default 1 s.
    pub throttled_base: Duration,
    /// No delay of our own is longer. Default 20 s.
    pub cap: Duration,
    /// A service that asks for more gets no further attempt of this call. Default 1 h.
    pub max_server_delay: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            base: Duration::from_millis(50),
            throttled_base: Duration::from_secs(1),
            cap: Duration::from_secs(20),
            max_server_delay: Duration::from_secs(3600),
        }
    }
}

/// What repetitions cost. A success at the first try pays in one token, a repetition that succeeds gets its price back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The balance at the start, and the most it can be. Default 500.
    pub tokens: u32,
    /// The price of a repetition. Default 14.
    pub retry_cost: u32,
    /// The price of a repetition after a throttled attempt. Default 5.
    pub throttled_cost: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            tokens: 500,
            retry_cost: 14,
            throttled_cost: 5,
        }
    }
}

/// When a service counts as down, and how it is probed until it is back.
#[derive(Clone, Debug, PartialEq)]
pub struct Outage {
    /// Failures in a row that make an outage. Of the timeouts, broken connections and 5xx answers of one call only the
    /// first counts: the request may be to blame. Default 5.
    pub failures: u32,
    /// Two failures this far apart make one as well, if no request can be to blame: not sent, or answered as overloaded.
    /// Default 2 s.
    pub window: Duration,
    /// The delay of the first probe; doubled for each further one. Default 100 ms.
    pub probe_base: Duration,
    /// The longest delay between two probes. Default 20 s.
    pub probe_cap: Duration,
    /// How long calls wait for the service to come back; for ever if `None`, which is the default.
    pub patience: Option<Duration>,
}

impl Default for Outage {
    fn default() -> Self {
        Self {
            failures: 5,
            window: Duration::from_secs(2),
            probe_base: Duration::from_millis(100),
            probe_cap: Duration::from_secs(20),
            patience: None,
        }
    }
}
