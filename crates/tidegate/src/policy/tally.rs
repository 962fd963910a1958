//! What a policy counts, and the figures made from it.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    Calls, Class, Classes, Consulted, Health, Latency, QueueFigures, Snapshot, StopReason,
    health::HealthWatch, hedge::HedgeWatch, histogram::Histogram, limiter::Gcra, state::State,
};

#[derive(Debug)]
pub(super) struct Tally {
    requests: u64,
    retries: u64,
    first_sent: Option<Instant>,
    pub(super) latency: Histogram,
    /// How long attempts let through had waited in the queue.
    pub(super) wait: Histogram,
    /// Calls whose time was over while they waited.
    pub(super) expired: u64,
    pub(super) consulted: Consulted,
    pub(super) calls: Calls,
    pub(super) classes: Classes,
    pub(super) back_off: Duration,
    pub(super) wasted: Duration,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            requests: 0,
            retries: 0,
            first_sent: None,
            latency: Histogram::new(),
            wait: Histogram::new(),
            expired: 0,
            consulted: Consulted::default(),
            calls: Calls::default(),
            classes: Classes::default(),
            back_off: Duration::ZERO,
            wasted: Duration::ZERO,
        }
    }

    pub(super) fn sent(&mut self, again: bool, now: Instant) {
        self.requests += 1;
        self.retries += u64::from(again);
        self.first_sent.get_or_insert(now);
    }
}

impl Tally {
    pub(super) fn fallback(&mut self, has_value: bool) {
        self.consulted.fallback += 1;
        self.calls.fallbacks += u64::from(has_value);
        self.calls.fallbacks_failed += u64::from(!has_value);
    }

    pub(super) fn ended(&mut self, class: Class) {
        let classes = &mut self.classes;
        *match class {
            Class::Ok => &mut classes.ok,
            Class::Transient => &mut classes.transient,
            Class::Throttled => &mut classes.throttled,
            Class::Overload => &mut classes.overload,
            Class::Fatal => &mut classes.fatal,
            Class::NeverSent => &mut classes.never_sent,
            Class::Timeout => &mut classes.timeout,
            Class::Rejected => &mut classes.rejected,
            Class::Cancelled => &mut classes.cancelled,
        } += 1;
    }

    pub(super) fn stopped(&mut self, why: &StopReason) {
        let stopped = &mut self.calls.stopped;
        *match why {
            StopReason::NotRetriable => &mut stopped.not_retriable,
            StopReason::AttemptsExhausted { .. } => &mut stopped.attempts_exhausted,
            StopReason::BudgetExhausted => &mut stopped.budget_exhausted,
            StopReason::DeadlineTooClose => &mut stopped.deadline_too_close,
            StopReason::ServerSaidNo { .. } => &mut stopped.server_said_no,
            StopReason::NotReplayable => &mut stopped.not_replayable,
            StopReason::Cancelled => &mut stopped.cancelled,
            StopReason::Full { .. } => &mut stopped.full,
            StopReason::GaveUp { .. } => &mut stopped.gave_up,
            StopReason::BreakerOpen { .. } => &mut stopped.breaker_open,
            StopReason::LeftToOuter => &mut stopped.left_to_outer,
        } += 1;
    }
}

impl State {
    pub(super) fn snapshot(&self, name: &Arc<str>, now: Instant) -> Snapshot {
        let tally = &self.tally;
        let rate = self.limiter.rate.as_ref().map(Gcra::per_second);
        let elapsed = tally
            .first_sent
            .map_or(Duration::ZERO, |first| now - first)
            .as_secs_f64();
        // The first one is due at once.
        let allowed = rate.map_or(0.0, |rate| rate * elapsed + 1.0);
        Snapshot {
            name: Arc::clone(name),
            requests: tally.requests,
            retries: tally.retries,
            throttled: tally.classes.throttled,
            timeouts: tally.classes.timeout,
            in_flight: self.limiter.in_flight,
            in_flight_max: self.limiter.peak,
            in_flight_limit: self.limiter.limit,
            waiting: self.queue.waiting(),
            calls: tally.calls,
            classes: tally.classes,
            queue: QueueFigures {
                refused: tally.calls.stopped.full,
                expired: tally.expired,
                newest_first: self.is_newest_first(now),
                wait: latency(&tally.wait),
            },
            budget: self.purse.tokens(),
            budget_flow: self.purse.flow(),
            hedge: self.hedge.as_ref().map(HedgeWatch::figures),
            breaker: self.breaker.as_ref().map(|breaker| breaker.figures(now)),
            back_off: tally.back_off,
            wasted: tally.wasted,
            health: match self.health.as_ref().and_then(HealthWatch::down) {
                Some(down) => Health::Down {
                    since: down.since,
                    class: down.class,
                    probe_at: down.probe_at,
                },
                None => Health::Up,
            },
            paused_until: self.pause.until(),
            latency: latency(&tally.latency),
            rate,
            rate_used: if allowed > 0.0 {
                (tally.requests as f64 / allowed).min(1.0)
            } else {
                0.0
            },
            consulted: tally.consulted,
        }
    }
}

fn latency(histogram: &Histogram) -> Latency {
    Latency {
        p50_ms: histogram.quantile_ms(0.50),
        p95_ms: histogram.quantile_ms(0.95),
        p99_ms: histogram.quantile_ms(0.99),
    }
}
