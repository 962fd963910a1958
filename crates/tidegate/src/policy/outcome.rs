//! What the end of an attempt means: for the service's health, its quota, the budget, and for the call itself.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Class, Sent, StopReason, Verdict, backoff,
    health::Sign,
    queue::Rank,
    state::{Held, Pass, State, Trail},
};

/// Where a service says "nothing remains" without saying until when.
const UNSTATED_PAUSE: Duration = Duration::from_secs(1);

/// What to do after a failed attempt.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    Stop(StopReason),
    /// Back to the gate, not before this instant if there is one.
    Again(Option<Instant>),
}

impl State {
    /// The attempt succeeded.
    pub(super) fn succeed(&mut self, held: &mut Held, trail: &Trail, now: Instant) {
        let pass = self
            .release(held)
            .expect("an attempt that ends has entered");
        match std::mem::take(&mut held.paid) {
            0 if trail.tried == 1 => self.purse.earn(),
            paid => self.purse.refund(paid),
        }
        self.tally.latency.record(now - pass.started);
        self.learn(&pass, &Verdict::ok(), trail, now);
        self.call_next(now);
    }

    /// The attempt failed: learns from it and says what the call does next.
    ///
    /// `cut`: the call's own deadline ended the attempt, which says nothing about the service.
    pub(super) fn fail(
        &mut self,
        held: &mut Held,
        trail: &mut Trail,
        verdict: Verdict,
        cut: bool,
        now: Instant,
    ) -> Step {
        let pass = self
            .release(held)
            .expect("an attempt that ends has entered");
        trail.since = Some(now);
        let step = if cut {
            self.purse.refund(std::mem::take(&mut held.paid));
            Step::Stop(StopReason::DeadlineTooClose)
        } else {
            self.tally.throttled += u64::from(verdict.class == Class::Throttled);
            self.tally.timeouts += u64::from(verdict.class == Class::Timeout);
            if verdict.sent == Sent::Answered {
                self.tally.latency.record(now - pass.started);
            }
            self.learn(&pass, &verdict, trail, now);
            trail.counted |= Sign::of(&verdict) == Sign::Doubt;
            // A failed probe goes to the end, so that one bad request cannot stand in front of the proof.
            trail.rank = if pass.probe { Rank::First } else { Rank::Retry };
            self.next_step(held, trail, &verdict, now)
        };
        self.call_next(now);
        step
    }

    /// What the outcome says about health and quota of the service.
    fn learn(&mut self, pass: &Pass, verdict: &Verdict, trail: &Trail, now: Instant) {
        let sign = Sign::of(verdict);
        if let Some(health) = &mut self.health {
            if sign == Sign::Alive {
                health.alive(pass.probe);
            } else if sign.is_failure() {
                health.failed(now, verdict.class, sign, trail.counted, &mut self.rng);
                if pass.probe {
                    health.probe_failed(now, &mut self.rng);
                }
            }
        }
        if sign == Sign::None {
            return;
        }
        let throttled = verdict.class == Class::Throttled;
        let spent = self.pause.note(throttled);
        if pass.probe && self.pause.until().is_some() {
            if throttled {
                self.pause_until(verdict.retry_at, now);
            } else if sign == Sign::Alive {
                self.pause.lift(now);
            } else {
                self.pause.prolong(now, self.retry.throttled_base);
            }
        } else if spent {
            self.pause_until(verdict.retry_at, now);
        }
    }

    fn pause_until(&mut self, stated: Option<Instant>, now: Instant) {
        let until = stated.filter(|at| *at > now).unwrap_or_else(|| {
            let (base, cap) = (self.retry.throttled_base, self.retry.cap);
            now + backoff::half_jitter(&mut self.rng, base, cap, self.pause.rounds())
        });
        self.pause.start(until, now);
    }

    fn next_step(
        &mut self,
        held: &mut Held,
        trail: &mut Trail,
        verdict: &Verdict,
        now: Instant,
    ) -> Step {
        let paid = std::mem::take(&mut held.paid);
        self.tally.consulted.retry += 1;
        match verdict.class {
            Class::Cancelled => {
                self.purse.refund(paid);
                return Step::Stop(StopReason::Cancelled);
            }
            Class::Rejected => {
                self.purse.refund(paid);
                return Step::Stop(StopReason::NotRetriable);
            }
            Class::Ok | Class::Fatal => return Step::Stop(StopReason::NotRetriable),
            Class::Transient
            | Class::Throttled
            | Class::Overload
            | Class::NeverSent
            | Class::Timeout => {}
        }
        if !verdict.may_repeat(trail.op.idempotent) {
            return Step::Stop(StopReason::NotReplayable);
        }
        if let Some(retry_at) = verdict.retry_at
            && self.too_far(retry_at, trail.op.deadline, now)
        {
            return Step::Stop(StopReason::ServerSaidNo { retry_at });
        }
        let down = self
            .health
            .as_ref()
            .is_some_and(|health| health.down().is_some());
        if down && Sign::of(verdict).is_failure() {
            // It failed because the service is down: it does not count, and the gate says when to try again.
            self.purse.refund(paid);
            trail.tried -= 1;
            return Step::Again(verdict.retry_at);
        }
        if trail.tried >= self.retry.max_attempts {
            return Step::Stop(StopReason::AttemptsExhausted {
                attempts: trail.tried,
            });
        }
        let at = self.retry_time(trail.tried, verdict, now);
        if trail.op.deadline.is_some_and(|deadline| at >= deadline) {
            return Step::Stop(StopReason::DeadlineTooClose);
        }
        self.tally.consulted.budget += 1;
        match (
            self.purse.withdraw(verdict.class == Class::Throttled),
            &mut self.health,
        ) {
            (Some(cost), _) => held.paid = cost,
            // Too few calls succeed to go on as before: from here on one probe at a time.
            (None, Some(health)) => health.run_dry(now, verdict.class, &mut self.rng),
            (None, None) => return Step::Stop(StopReason::BudgetExhausted),
        }
        Step::Again(Some(at))
    }

    /// When the next attempt may be made: never before the service's own time, to which jitter only adds.
    fn retry_time(&mut self, tried: u32, verdict: &Verdict, now: Instant) -> Instant {
        // A stated time needs only some spreading: whoever comes back then still passes the gate one by one.
        let is_guess = verdict.retry_at.is_none_or(|at| at <= now);
        let base = if verdict.class == Class::Throttled && is_guess {
            self.retry.throttled_base
        } else {
            self.retry.base
        };
        let jitter = backoff::full_jitter(&mut self.rng, base, self.retry.cap, tried - 1);
        verdict.retry_at.map_or(now, |at| at.max(now)) + jitter
    }

    /// The service said that nothing of the quota remains.
    pub(super) fn quota_spent(&mut self, reset_at: Option<Instant>, now: Instant) {
        let until = reset_at.unwrap_or(now + UNSTATED_PAUSE);
        if until > now {
            self.pause.start(until, now);
        }
    }
}
