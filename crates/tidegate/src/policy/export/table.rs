//! Every figure that is exported. `docs/metrics.md` is this table.

use super::figure::{Figure, each, of, one};
use super::shares;
use crate::policy::{BreakerState, Health};

/// In the order in which a reader wants them: the calls, their attempts, then the stages from outside to inside.
pub(super) static TABLE: &[Figure] = &[
    Figure::counter(
        "tidegate.policy.calls.started",
        "{call}",
        "Calls begun.",
        |look| one(look.snapshot.calls.started),
    ),
    Figure::counter(
        "tidegate.policy.calls.succeeded",
        "{call}",
        "Calls that ended with a value of the service; those of a fallback are not in it.",
        |look| one(look.snapshot.calls.succeeded),
    ),
    Figure::counter(
        "tidegate.policy.calls.stopped",
        "{call}",
        "Calls that ended without one, by why no further attempt was made.",
        shares::stopped,
    )
    .by("reason"),
    Figure::counter(
        "tidegate.policy.calls.dropped",
        "{call}",
        "Calls whose future was dropped before they had ended.",
        |look| one(look.snapshot.calls.dropped),
    ),
    Figure::counter(
        "tidegate.policy.fallbacks",
        "{call}",
        "Calls without a value to which a fallback was offered, by whether it had one.",
        |look| {
            let calls = look.snapshot.calls;
            each([
                ("succeeded", calls.fallbacks),
                ("failed", calls.fallbacks_failed),
            ])
        },
    )
    .by("result"),
    Figure::counter(
        "tidegate.policy.requests",
        "{attempt}",
        "Attempts sent.",
        |look| one(look.snapshot.requests),
    ),
    Figure::counter(
        "tidegate.policy.retries",
        "{attempt}",
        "Attempts sent that were not the first of their call.",
        |look| one(look.snapshot.retries),
    ),
    Figure::counter(
        "tidegate.policy.attempts",
        "{attempt}",
        "Attempts that have ended, by what their result meant.",
        shares::classes,
    )
    .by("class"),
    Figure::counter(
        "tidegate.policy.throttled",
        "{attempt}",
        "Attempts answered as throttled.",
        |look| one(look.snapshot.throttled),
    ),
    Figure::counter(
        "tidegate.policy.timeouts",
        "{attempt}",
        "Attempts that their timeout ended.",
        |look| one(look.snapshot.timeouts),
    ),
    Figure::gauge(
        "tidegate.policy.latency",
        "s",
        "How long attempts took that were answered, since the policy was built.",
        |look| shares::quantiles(look.snapshot.latency),
    )
    .by("quantile"),
    Figure::total(
        "tidegate.policy.wasted",
        "s",
        "Time of attempts whose result nobody used: timed out, dropped, or overtaken by a hedge.",
        |look| one(look.snapshot.wasted.as_secs_f64()),
    ),
    Figure::total(
        "tidegate.policy.back_off",
        "s",
        "Back-off before repetitions.",
        |look| one(look.snapshot.back_off.as_secs_f64()),
    ),
    Figure::gauge(
        "tidegate.policy.budget.balance",
        "{token}",
        "Tokens of the retry budget.",
        |look| one(f64::from(look.snapshot.budget)),
    ),
    Figure::counter(
        "tidegate.policy.budget.earned",
        "{token}",
        "Paid in by successes at the first try.",
        |look| one(look.snapshot.budget_flow.earned),
    ),
    Figure::counter(
        "tidegate.policy.budget.paid",
        "{token}",
        "Paid for repetitions.",
        |look| one(look.snapshot.budget_flow.paid),
    ),
    Figure::counter(
        "tidegate.policy.budget.refunded",
        "{token}",
        "Given back for repetitions that succeeded or were never judged.",
        |look| one(look.snapshot.budget_flow.refunded),
    ),
    Figure::counter(
        "tidegate.policy.budget.refused",
        "{attempt}",
        "Repetitions that could not be paid.",
        |look| one(look.snapshot.budget_flow.refused),
    ),
    Figure::gauge(
        "tidegate.policy.hedge.delay",
        "s",
        "How long an attempt may take before it is hedged; 0 while too few are known.",
        |look| {
            of(look.snapshot.hedge, |hedge| {
                hedge.delay.unwrap_or_default().as_secs_f64()
            })
        },
    ),
    Figure::gauge(
        "tidegate.policy.hedge.balance",
        "{hedge}",
        "The balance of the hedge budget.",
        |look| of(look.snapshot.hedge, |hedge| hedge.tokens),
    ),
    Figure::counter(
        "tidegate.policy.hedge.sent",
        "{attempt}",
        "Hedges sent.",
        |look| of(look.snapshot.hedge, |hedge| hedge.sent),
    ),
    Figure::counter(
        "tidegate.policy.hedge.won",
        "{attempt}",
        "Hedges that answered first.",
        |look| of(look.snapshot.hedge, |hedge| hedge.won),
    ),
    Figure::counter(
        "tidegate.policy.hedge.refused",
        "{attempt}",
        "Hedges that were due and not sent.",
        |look| of(look.snapshot.hedge, |hedge| hedge.refused),
    ),
    Figure::gauge(
        "tidegate.policy.breaker.state",
        "1",
        "1 for the state that the breaker is in, 0 for the others.",
        shares::breaker_state,
    )
    .by("state"),
    Figure::gauge(
        "tidegate.policy.breaker.open_left",
        "s",
        "Time until the breaker lets probes through; 0 unless it is open until a known instant.",
        |look| {
            of(look.snapshot.breaker, |breaker| match breaker.state {
                BreakerState::Open { until } => look.until(until),
                BreakerState::Closed | BreakerState::HalfOpen { .. } => 0.0,
            })
        },
    ),
    Figure::gauge(
        "tidegate.policy.breaker.probes",
        "{attempt}",
        "Probes of a half-open breaker: those that are out, and those that succeeded.",
        shares::breaker_probes,
    )
    .by("state"),
    Figure::counter(
        "tidegate.policy.breaker.opened",
        "{opening}",
        "How often the breaker opened.",
        |look| of(look.snapshot.breaker, |breaker| breaker.opened),
    ),
    Figure::counter(
        "tidegate.policy.breaker.refused",
        "{call}",
        "Calls refused since the breaker was open.",
        |look| of(look.snapshot.breaker, |breaker| breaker.refused),
    ),
    Figure::gauge(
        "tidegate.policy.breaker.failure_ratio",
        "1",
        "The share of the window's attempts that failed.",
        |look| of(look.snapshot.breaker, |breaker| breaker.failure_ratio),
    ),
    Figure::gauge(
        "tidegate.policy.breaker.slow_ratio",
        "1",
        "The share of the window's attempts that were slow.",
        |look| of(look.snapshot.breaker, |breaker| breaker.slow_ratio),
    ),
    Figure::gauge(
        "tidegate.policy.queue.waiting",
        "{call}",
        "Calls at the gate; those that wait out a back-off are elsewhere.",
        |look| one(look.snapshot.waiting as f64),
    ),
    Figure::gauge(
        "tidegate.policy.queue.wait",
        "s",
        "How long those let through had waited at the gate, since the policy was built.",
        |look| shares::quantiles(look.snapshot.queue.wait),
    )
    .by("quantile"),
    Figure::gauge(
        "tidegate.policy.queue.newest_first",
        "1",
        "1 while the newest call is next, since the queue stands.",
        |look| one(f64::from(look.snapshot.queue.newest_first)),
    ),
    Figure::counter(
        "tidegate.policy.queue.refused",
        "{call}",
        "Calls refused since as many as allowed were waiting.",
        |look| one(look.snapshot.queue.refused),
    ),
    Figure::counter(
        "tidegate.policy.queue.expired",
        "{call}",
        "Calls whose deadline came too close while they waited.",
        |look| one(look.snapshot.queue.expired),
    ),
    Figure::gauge(
        "tidegate.policy.health.up",
        "1",
        "1 while the service is taken to answer, 0 while it is down.",
        |look| one(f64::from(look.snapshot.health == Health::Up)),
    ),
    Figure::gauge(
        "tidegate.policy.health.down_for",
        "s",
        "How long the service has been down; 0 while it is up.",
        |look| {
            one(match look.snapshot.health {
                Health::Up => 0.0,
                Health::Down { since, .. } => {
                    look.now.saturating_duration_since(since).as_secs_f64()
                }
            })
        },
    ),
    Figure::gauge(
        "tidegate.policy.health.probe_left",
        "s",
        "Time until a service that is down is probed; 0 while it is up.",
        |look| {
            one(match look.snapshot.health {
                Health::Up => 0.0,
                Health::Down { probe_at, .. } => look.until(Some(probe_at)),
            })
        },
    ),
    Figure::gauge(
        "tidegate.policy.pause_left",
        "s",
        "Time until the quota is there again; 0 unless it is spent.",
        |look| one(look.until(look.snapshot.paused_until)),
    ),
    Figure::gauge(
        "tidegate.policy.in_flight",
        "{attempt}",
        "Attempts in flight.",
        |look| one(look.snapshot.in_flight as f64),
    ),
    Figure::gauge(
        "tidegate.policy.in_flight.max",
        "{attempt}",
        "The most attempts there ever were in flight.",
        |look| one(look.snapshot.in_flight_max as f64),
    ),
    Figure::gauge(
        "tidegate.policy.in_flight.limit",
        "{attempt}",
        "The most attempts that may be in flight.",
        |look| one(look.snapshot.in_flight_limit as f64),
    ),
    Figure::gauge(
        "tidegate.policy.rate.limit",
        "{attempt}/s",
        "Attempts per second that may be sent, if limited.",
        |look| of(look.snapshot.rate, |rate| rate),
    ),
    Figure::gauge(
        "tidegate.policy.rate.used",
        "1",
        "Attempts sent since the first one, as a share of what the present rate allows for that time.",
        |look| of(look.snapshot.rate, |_| look.snapshot.rate_used),
    ),
    Figure::counter(
        "tidegate.policy.consulted",
        "{decision}",
        "How often each stage decided; one that is set and stays at 0 is not in the way of anything.",
        shares::consulted,
    )
    .by("stage"),
];
