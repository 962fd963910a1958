//! The figures of a policy.

use std::sync::Arc;

use tokio::time::Instant;

use super::Class;

/// The figures of a policy at one instant. Counts are since the policy was built.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The policy's name.
    pub name: Arc<str>,
    /// Attempts sent.
    pub requests: u64,
    /// Attempts sent that were not the first of their call.
    pub retries: u64,
    /// Attempts answered as throttled.
    pub throttled: u64,
    /// Attempts that their timeout ended.
    pub timeouts: u64,
    /// Attempts in flight now.
    pub in_flight: usize,
    /// The most attempts there ever were in flight.
    pub in_flight_max: usize,
    /// How many may be.
    pub in_flight_limit: usize,
    /// Calls at the gate now; those that wait out a back-off are elsewhere.
    pub waiting: usize,
    /// Tokens of the retry budget.
    pub budget: u32,
    /// Whether the service answers.
    pub health: Health,
    /// Nobody is sent before this instant, because the quota is spent.
    pub paused_until: Option<Instant>,
    /// Of the attempts that were answered.
    pub latency: Latency,
    /// Attempts per second, if limited.
    pub rate: Option<f64>,
    /// Attempts sent since the first one, as a share of what the present rate allows for that time; 0 without a rate.
    pub rate_used: f64,
    /// How often each stage decided.
    pub consulted: Consulted,
}

/// Whether a service answers. Without [`Outage`](super::Outage) it is always taken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// It does, or nothing shows that it does not.
    Up,
    /// It does not.
    Down {
        /// Since when.
        since: Instant,
        /// What the last failed attempt was.
        class: Class,
        /// When the next probe may leave.
        probe_at: Instant,
    },
}

/// How long answers took, in milliseconds, within 5 %; 0 before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Latency {
    /// Half of them took no longer.
    pub p50_ms: f64,
    /// 95 in 100 took no longer.
    pub p95_ms: f64,
    /// 99 in 100 took no longer.
    pub p99_ms: f64,
}

/// How often each stage decided about an attempt: a stage that is set and stays at 0 is not in the way of anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Consulted {
    /// Attempts let through while the health was watched.
    pub health: u64,
    /// Attempts let through by the pause.
    pub pause: u64,
    /// Permits given.
    pub permit: u64,
    /// Tokens taken.
    pub rate: u64,
    /// Failures that were judged for a retry.
    pub retry: u64,
    /// Retries that were paid or refused.
    pub budget: u64,
}
