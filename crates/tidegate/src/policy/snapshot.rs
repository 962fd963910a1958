//! The figures of a policy.

use std::{sync::Arc, time::Duration};

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
    /// What became of the calls.
    pub calls: Calls,
    /// Attempts by what their result meant.
    pub classes: Classes,
    /// The queue at the gate.
    pub queue: QueueFigures,
    /// Tokens of the retry budget.
    pub budget: u32,
    /// What came into the retry budget and what left it.
    pub budget_flow: BudgetFlow,
    /// Of the hedges, if they are sent.
    pub hedge: Option<HedgeFigures>,
    /// Of the breaker, if there is one.
    pub breaker: Option<BreakerFigures>,
    /// Back-off before repetitions, all together.
    pub back_off: Duration,
    /// Time of attempts whose result nobody used: timed out, dropped, or overtaken by a hedge.
    pub wasted: Duration,
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
    /// Calls that have or inherit a deadline.
    pub deadline: u64,
    /// Calls that waited.
    pub queue: u64,
    /// Attempts let through by the breaker, and calls it refused.
    pub breaker: u64,
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
    /// Attempts that were timed for a hedge.
    pub hedge: u64,
    /// Attempts that were given a time to end.
    pub timeout: u64,
    /// Calls that were offered a fallback.
    pub fallback: u64,
}

/// What became of the calls of a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Calls {
    /// Calls begun.
    pub started: u64,
    /// Calls that ended with a value of the service.
    pub succeeded: u64,
    /// Calls that ended without one, by why.
    pub stopped: StopCounts,
    /// Calls whose future was dropped, or ended by a panic, before they had ended.
    pub dropped: u64,
    /// Calls without a value for which the fallback had one.
    pub fallbacks: u64,
    /// Fallbacks that failed or took too long.
    pub fallbacks_failed: u64,
}

/// Calls by their [`StopReason`](super::StopReason).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is the reason of the same name")]
pub struct StopCounts {
    pub not_retriable: u64,
    pub attempts_exhausted: u64,
    pub budget_exhausted: u64,
    pub deadline_too_close: u64,
    pub server_said_no: u64,
    pub not_replayable: u64,
    pub cancelled: u64,
    pub full: u64,
    pub gave_up: u64,
    pub breaker_open: u64,
    pub left_to_outer: u64,
}

/// Attempts by their [`Class`]. In none are those that were dropped, and those that the call's own deadline ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is the class of the same name")]
pub struct Classes {
    pub ok: u64,
    pub transient: u64,
    pub throttled: u64,
    pub overload: u64,
    pub fatal: u64,
    pub never_sent: u64,
    pub timeout: u64,
    pub rejected: u64,
    pub cancelled: u64,
}

/// The queue at the gate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct QueueFigures {
    /// Calls refused since as many as allowed were waiting.
    pub refused: u64,
    /// Calls whose deadline came too close while they waited.
    pub expired: u64,
    /// The newest call is next, since the queue stands.
    pub newest_first: bool,
    /// How long those let through had waited.
    pub wait: Latency,
}

/// What came into the retry budget and what left it, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BudgetFlow {
    /// Paid in by successes at the first try, whether or not it was full.
    pub earned: u64,
    /// Paid for repetitions.
    pub paid: u64,
    /// Given back for repetitions that succeeded or were never judged.
    pub refunded: u64,
    /// Repetitions that could not be paid; a number of them, not of tokens.
    pub refused: u64,
}

/// The hedges of a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct HedgeFigures {
    /// How long an attempt may take now before it is hedged; `None` while too few are known.
    pub delay: Option<Duration>,
    /// The balance of the hedge budget.
    pub tokens: f64,
    /// Hedges sent.
    pub sent: u64,
    /// Hedges that answered first.
    pub won: u64,
    /// Hedges that were due and not sent: for want of budget or of time, or since the service is in trouble.
    pub refused: u64,
}

/// The breaker of a policy.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct BreakerFigures {
    /// What it does now.
    pub state: BreakerState,
    /// How often it opened.
    pub opened: u64,
    /// Calls refused since it was open.
    pub refused: u64,
    /// The share of the window's attempts that failed.
    pub failure_ratio: f64,
    /// The share of the window's attempts that were slow.
    pub slow_ratio: f64,
}

/// What a breaker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BreakerState {
    /// It lets all through.
    Closed,
    /// It lets nobody through.
    Open {
        /// Until then; for ever if it was opened by hand without an end.
        until: Option<Instant>,
    },
    /// It lets probes through.
    HalfOpen {
        /// Probes that have not ended.
        out: u32,
        /// Probes that succeeded.
        succeeded: u32,
    },
}
