//! What the end of an attempt means: for the service's health, its quota, the budget, and for the call itself.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Class, Sent, StopReason, Verdict, backoff,
    breaker::{Mark, Passed},
    call::after,
    health::Sign,
    nested::Payer,
    queue::Rank,
    state::{Held, Pass, State, Trail},
};

/// Where a service says "nothing remains" without saying until when.
const UNSTATED_PAUSE: Duration = Duration::from_secs(1);

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    Stop(StopReason),
    /// Back to the gate, not before this instant if there is one.
    Again(Option<Instant>),
}

impl State {
    /// The attempt succeeded, and the call with it.
    pub(super) fn succeed(&mut self, held: &mut Held, trail: &Trail, now: Instant) {
        let pass = self
            .release(held)
            .expect("an attempt that ends has entered");
        held.is_open = false;
        match std::mem::take(&mut held.paid) {
            0 if trail.tried == 1 => self.purse.earn(),
            paid => self.refund(held, paid),
        }
        self.tally.calls.succeeded += 1;
        self.tally.ended(Class::Ok);
        let took = now - pass.started;
        self.tally.latency.record(took);
        if let Some(hedge) = &mut self.hedge {
            hedge.earn();
            hedge.record(took, now);
        }
        self.learn(&pass, &Verdict::ok(), trail, now);
        self.call_next(now);
    }

    /// The attempt failed: learns from it. What the call does next is [`next_step`](Self::next_step)'s.
    ///
    /// `cut`: the call's own deadline ended the attempt, which says nothing about the service.
    pub(super) fn fail(
        &mut self,
        held: &mut Held,
        trail: &mut Trail,
        verdict: &Verdict,
        cut: bool,
        now: Instant,
    ) {
        let pass = self
            .release(held)
            .expect("an attempt that ends has entered");
        let took = now - pass.started;
        trail.since = Some(now);
        if verdict.class == Class::Timeout {
            self.tally.wasted += took;
        }
        if cut {
            self.unjudged(&pass);
        } else {
            self.tally.ended(verdict.class);
            if verdict.sent == Sent::Answered {
                self.tally.latency.record(took);
            }
            if let Some(hedge) = &mut self.hedge
                && verdict.class == Class::Timeout
            {
                hedge.record(took, now);
            }
            self.learn(&pass, verdict, trail, now);
            trail.counted |= Sign::of(verdict) == Sign::Doubt;
            // A failed probe goes to the end, so that one bad request cannot stand in front of the proof.
            let probe = pass.probe || pass.breaker.is_some_and(Passed::is_probe);
            trail.rank = if probe { Rank::First } else { Rank::Retry };
        }
        self.call_next(now);
    }

    /// What the call does after an attempt that failed.
    pub(super) fn next_step(
        &mut self,
        held: &mut Held,
        trail: &mut Trail,
        verdict: &Verdict,
        cut: bool,
        now: Instant,
    ) -> Step {
        let step = if cut {
            let paid = std::mem::take(&mut held.paid);
            self.refund(held, paid);
            Step::Stop(StopReason::DeadlineTooClose)
        } else {
            self.judge(held, trail, verdict, now)
        };
        if !held.account.is_due() {
            self.conclude(held, step, now);
        }
        // Whether the service is down may have changed by what was just learned.
        self.call_next(now);
        step
    }

    /// Counts what the call does next.
    pub(super) fn conclude(&mut self, held: &mut Held, step: Step, now: Instant) {
        match step {
            Step::Stop(why) => {
                self.stop(held, why);
            }
            Step::Again(Some(at)) => {
                let delay = at.saturating_duration_since(now);
                self.tally.back_off = self.tally.back_off.saturating_add(delay);
            }
            Step::Again(None) => {}
        }
    }

    /// What the outcome says about health and quota of the service.
    fn learn(&mut self, pass: &Pass, verdict: &Verdict, trail: &Trail, now: Instant) {
        if let (Some(breaker), Some(passed)) = (&mut self.breaker, pass.breaker) {
            let took = now - pass.started;
            breaker.record(passed, Mark::of(verdict), took, now, &mut self.rng);
        }
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
            let delay = backoff::half_jitter(&mut self.rng, base, cap, self.pause.rounds());
            after(now, delay)
        });
        self.pause.start(until, now);
    }

    fn judge(
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
                self.refund(held, paid);
                return Step::Stop(StopReason::Cancelled);
            }
            Class::Rejected => {
                self.refund(held, paid);
                return Step::Stop(StopReason::NotRetriable);
            }
            Class::Ok | Class::Fatal => return Step::Stop(StopReason::NotRetriable),
            Class::Transient
            | Class::Throttled
            | Class::Overload
            | Class::NeverSent
            | Class::Timeout => {}
        }
        let is_gone = trail.op.once && verdict.sent != Sent::No;
        if is_gone || !verdict.may_repeat(trail.op.idempotent) {
            return Step::Stop(StopReason::NotReplayable);
        }
        if let Some(retry_at) = verdict.retry_at
            && self.too_far(retry_at, trail.op.deadline, now)
        {
            return Step::Stop(StopReason::ServerSaidNo { retry_at });
        }
        if self.down_since().is_some() && Sign::of(verdict).is_failure() {
            // It failed because the service is down: it does not count, and the gate says when to try again.
            self.refund(held, paid);
            trail.tried -= 1;
            let from = verdict.retry_at.unwrap_or(now);
            return match self.too_late(trail, from, now) {
                Some(why) => Step::Stop(why),
                None => Step::Again(verdict.retry_at),
            };
        }
        if trail.tried >= self.retry.max_attempts {
            return Step::Stop(StopReason::AttemptsExhausted {
                attempts: trail.tried,
            });
        }
        let at = self.retry_time(trail.tried, verdict, now);
        // There is no use in sleeping until the breaker refuses.
        if let Some(why @ StopReason::BreakerOpen { retry_at }) = self.broken(now)
            && at < retry_at
        {
            return Step::Stop(why);
        }
        // Nor in sleeping before a wait at the gate that would be refused.
        if let Some(why) = self.too_late(trail, at, now) {
            return Step::Stop(why);
        }
        match &held.account.payer {
            Payer::Own => {}
            Payer::Outermost(ledger) if ledger.take() => {}
            Payer::Outermost(_) => {
                return Step::Stop(StopReason::AttemptsExhausted {
                    attempts: trail.tried,
                });
            }
            Payer::Outer(_) => {
                held.account.owe(verdict.class);
                return Step::Again(Some(at));
            }
            Payer::LeftToOuter => return Step::Stop(StopReason::LeftToOuter),
        }
        self.tally.consulted.budget += 1;
        held.account.own();
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
        after(verdict.retry_at.map_or(now, |at| at.max(now)), jitter)
    }

    /// The service said that nothing of the quota remains.
    pub(super) fn quota_spent(&mut self, reset_at: Option<Instant>, now: Instant) {
        let until = reset_at.unwrap_or(now + UNSTATED_PAUSE);
        if until > now {
            self.pause.start(until, now);
        }
    }
}
