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

/// What repetitions cost. A success at the first try pays in, a repetition that succeeds gets its price back.
///
/// In a total outage what is left pays for 35 repetitions, then there are none: the load stays what the callers ask for.
/// As long as no more than about a fifth of all attempts fail, the budget refuses nothing. The numbers are those of the
/// AWS SDKs since 2026 ("retry behavior 2.1").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The balance at the start, and the most it can be. Default 500.
    pub tokens: u32,
    /// The price of a repetition. Default 14.
    pub retry_cost: u32,
    /// The price of a repetition after a throttled attempt. Default 5.
    pub throttled_cost: u32,
    /// What a success at the first try pays in. Default 1.
    pub earned: u32,
}

impl Budget {
    /// A budget that lets repetitions be at most this share of the successes, for long, after 10 of them in a row.
    ///
    /// Exact for shares with up to three decimals, from 0.001 to 1000; others are rounded to
    /// that, and what is no number is the least.
    pub fn of_ratio(share: f64) -> Self {
        const COST: u32 = 1_000;
        let share = if share.is_nan() { 0.0 } else { share };
        let earned = (share.clamp(0.001, 1_000.0) * f64::from(COST)).round() as u32;
        Self {
            tokens: 10 * COST,
            retry_cost: COST,
            throttled_cost: COST,
            earned,
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            tokens: 500,
            retry_cost: 14,
            throttled_cost: 5,
            earned: 1,
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

/// How many calls may wait for their turn, and who of them is next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// How many calls may wait for their first attempt; more are refused, with 0 all that cannot leave at once.
    /// Default 1024.
    ///
    /// A call that has had an attempt is never refused: it waits in front of those.
    pub max_waiting: usize,
    /// Once a call has waited this long the queue counts as a standing one, and the newest call is next until no call
    /// has: those whose callers still wait for them. `None`: always the oldest. Default 100 ms.
    ///
    /// While the service is down, paused, or its breaker not closed, the oldest is always next: whoever fails to prove that
    /// it is back goes behind all others.
    pub newest_first_after: Option<Duration>,
}

impl Default for Queue {
    fn default() -> Self {
        Self::bounded(1024)
    }
}

impl Queue {
    /// A queue of at most `max_waiting` calls.
    pub const fn bounded(max_waiting: usize) -> Self {
        Self {
            max_waiting,
            newest_first_after: Some(Duration::from_millis(100)),
        }
    }

    /// No queue: what cannot leave at once is refused.
    pub const fn none() -> Self {
        Self::bounded(0)
    }

    /// The oldest call is always next: for work that nobody gives up.
    #[must_use]
    pub const fn oldest_first(self) -> Self {
        Self {
            newest_first_after: None,
            ..self
        }
    }
}

/// When a service counts as broken, so that nobody is sent to it for a while.
///
/// | state | when | what it does |
/// |---|---|---|
/// | closed | at first | lets all through and watches |
/// | open | too many failed, or were slow | refuses all |
/// | half-open | after `open_for` | lets `probes` attempts through; closes when all succeed, opens again when one does not |
///
/// Failures are broken connections, 5xx answers, overload and timeouts. A throttled answer, a refusal on this side and an
/// attempt whose caller gave up say nothing about the service.
#[derive(Clone, Debug, PartialEq)]
pub struct Breaker {
    /// How far it looks back, in ten steps. Default 10 s.
    pub window: Duration,
    /// Fewer attempts than this within the window show nothing. Default 20.
    pub min_calls: u32,
    /// The share of the window's attempts that must have failed. Default 0.5.
    pub failure_ratio: f64,
    /// Opens for slow answers too. Default: it does not.
    pub slow: Option<Slow>,
    /// Failures in a row that open it, however few attempts there are. Default 10: at a failure ratio of 0.3, which the
    /// window lets pass, that is one in 170,000.
    pub consecutive: Option<u32>,
    /// How long it stays open, between half and all of it; doubled for each probing that fails. Default 5 s.
    pub open_for: Duration,
    /// It never stays open for longer. Default 60 s.
    pub open_cap: Duration,
    /// How many attempts probe a service, at once and in all. Default 1.
    pub probes: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(10),
            min_calls: 20,
            failure_ratio: 0.5,
            slow: None,
            consecutive: Some(10),
            open_for: Duration::from_secs(5),
            open_cap: Duration::from_secs(60),
            probes: 1,
        }
    }
}

/// Which answers are too slow, and how many of them are too many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slow {
    /// An attempt that takes longer is slow, whatever its result.
    pub after: Duration,
    /// The share of the window's attempts that must have been slow.
    pub ratio: f64,
}

/// When a second attempt is sent beside one that takes long, and what it costs.
///
/// Only idempotent calls are hedged, each attempt at most once. A hedge passes the same gate as all others and goes behind
/// them; whichever of the two succeeds first is the answer, and the other is dropped. If one fails, the other is waited
/// for. None is sent while the retry budget is below half, or while the service is down, paused, or its breaker not closed.
#[derive(Clone, Debug, PartialEq)]
pub struct Hedge {
    /// How long an attempt may take before it is hedged. Default: the 95th percentile of the latest ones, so that one in
    /// twenty is.
    pub after: HedgeAfter,
    /// No attempt is hedged earlier. Default 1 ms.
    pub min_delay: Duration,
    /// With fewer latencies than this a percentile is not trusted, and nothing is hedged. Default 20.
    pub min_samples: u32,
    /// Hedges that may be sent in a row: the balance at the start, and the most it can be. Default 10.
    pub tokens: u32,
    /// What each success pays in, in thousandths of a hedge: the share of hedges that is sustained. Default 50.
    pub earned_per_mille: u32,
}

impl Default for Hedge {
    fn default() -> Self {
        Self {
            after: HedgeAfter::Quantile(0.95),
            min_delay: Duration::from_millis(1),
            min_samples: 20,
            tokens: 10,
            earned_per_mille: 50,
        }
    }
}

/// How long an attempt may take before it is hedged.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum HedgeAfter {
    /// As long as this share of the latest attempts, between 0 and 1.
    Quantile(f64),
    /// As long as this.
    Fixed(Duration),
}
