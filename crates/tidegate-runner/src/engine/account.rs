//! The report at the end of a run.

use super::{
    ServiceStatus,
    run::{Engine, Stop},
};
use crate::report::{HedgesReport, LatencyReport, Outcome, Report, ServiceReport};
use std::sync::atomic::Ordering::Relaxed;

impl Engine {
    pub(super) fn report(self, stop: Option<Stop>, limited: bool) -> Report {
        let done = self.live.done.load(Relaxed);
        let dead = self.live.dead.load(Relaxed);
        let skipped = self
            .live
            .skipped
            .load(Relaxed)
            .saturating_sub(self.taken_again);
        // What was taken and is not durable, for whatever reason: 0 when the run ended by itself.
        let pending = self.taken.saturating_sub(done + dead);
        let (outcome, stopped_by) = match stop {
            Some(Stop::Told(why)) => (Outcome::Stopped, Some(why)),
            Some(Stop::GaveUp(why)) => (Outcome::GaveUp, Some(why)),
            Some(Stop::Reading(_)) | None if limited => (Outcome::Limited, None),
            Some(Stop::Reading(_)) | None if self.outstanding > 0 => (Outcome::DeadLetters, None),
            Some(Stop::Reading(_)) | None if done == 0 && skipped > 0 => {
                (Outcome::NothingNew, None)
            }
            Some(Stop::Reading(_)) | None => (Outcome::Done, None),
        };
        let exit = match outcome {
            Outcome::GaveUp => 5,
            Outcome::Stopped => 4,
            _ if self.outstanding > 0 => 3,
            _ => 0,
        };
        let services = self
            .live
            .services()
            .into_iter()
            .map(|service| (service.name.clone(), service_report(&service)))
            .collect();
        let steps = self
            .work
            .plan
            .steps
            .iter()
            .map(|step| step.name.clone())
            .zip(self.steps)
            .collect();
        Report {
            version: 1,
            flow: self.work.plan.name.clone(),
            run: self.run.0,
            started: self.run.1,
            outcome,
            exit,
            stopped_by,
            read: done + dead + skipped + pending,
            done,
            dead,
            skipped,
            pending,
            filtered: self.live.filtered.load(Relaxed),
            dead_outstanding: self.outstanding,
            seconds: self.began.elapsed().as_secs_f64(),
            limited_by: self
                .holders
                .into_iter()
                .max_by_key(|(_, seconds)| *seconds)
                .map(|(holder, _)| holder),
            services,
            steps,
            dead_by: self.causes.into_list(),
        }
    }
}

fn service_report(service: &ServiceStatus) -> ServiceReport {
    let snapshot = &service.snapshot;
    let measured = snapshot.requests > 0;
    let latency = |ms: f64| measured.then(|| (ms * 100.0).round() / 100.0);
    ServiceReport {
        requests: snapshot.requests,
        retries: service.retries(),
        throttled: snapshot.throttled,
        timeouts: snapshot.timeouts,
        in_flight_max: snapshot.in_flight_max,
        rate_used: snapshot
            .rate
            // In its first moments a run may be a token ahead, which would be a share above 1.
            .map(|_| ((snapshot.rate_used * 10_000.0).round() / 10_000.0).min(1.0)),
        hedges: snapshot.hedge.map(|hedge| HedgesReport {
            sent: hedge.sent,
            won: hedge.won,
        }),
        breaker_opened: snapshot.breaker.map(|breaker| breaker.opened),
        latency_ms: LatencyReport {
            p50: latency(snapshot.latency.p50_ms),
            p95: latency(snapshot.latency.p95_ms),
            p99: latency(snapshot.latency.p99_ms),
        },
    }
}
