//! What a policy counts, and the figures made from it.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    Calls, Classes, Consulted, Health, Latency, QueueFigures, Snapshot, health::HealthWatch,
    histogram::Histogram, limiter::Gcra, state::State,
};

#[derive(Debug)]
pub(super) struct Tally {
    requests: u64,
    retries: u64,
    pub(super) throttled: u64,
    pub(super) timeouts: u64,
    first_sent: Option<Instant>,
    pub(super) latency: Histogram,
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
            throttled: 0,
            timeouts: 0,
            first_sent: None,
            latency: Histogram::new(),
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
            throttled: tally.throttled,
            timeouts: tally.timeouts,
            in_flight: self.limiter.in_flight,
            in_flight_max: self.limiter.peak,
            in_flight_limit: self.limiter.limit,
            waiting: self.queue.waiting(),
            calls: tally.calls,
            classes: tally.classes,
            queue: QueueFigures::default(),
            budget: self.purse.tokens(),
            budget_flow: self.purse.flow(),
            hedge: None,
            breaker: None,
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
            latency: Latency {
                p50_ms: tally.latency.quantile_ms(0.50),
                p95_ms: tally.latency.quantile_ms(0.95),
                p99_ms: tally.latency.quantile_ms(0.99),
            },
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
