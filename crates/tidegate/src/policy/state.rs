//! All state of one policy and every decision about it. Nothing here waits.
//!
//! What must stay true:
//! 1. `limiter.in_flight` is the number of [`Held::pass`]es; each is given back by exactly one of `succeed`, `fail`, `abandon`.
//! 2. At most one pass is a probe, and `probe_out` says whether there is one.
//! 3. Whoever changes what the head of the queue waits for calls [`State::call_next`].

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    Class, Consulted, Health, Latency, PolicyBuilder, Retry, Sent, Snapshot, StopReason, Verdict,
    backoff,
    budget::Purse,
    health::{HealthWatch, Sign},
    histogram::Histogram,
    limiter::{Gcra, Limiter, Ready},
    op::Op,
    pause::Pause,
    queue::{Queue, Rank, Ticket},
};

/// How often a waiter looks for itself, in case those ahead of it are not polled and so cannot tell it to come.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Where a service says "nothing remains" without saying until when.
const UNSTATED_PAUSE: Duration = Duration::from_secs(1);

/// What one call holds of the policy. Whatever it holds when it is dropped is given back by [`State::abandon`].
#[derive(Debug, Default)]
pub(super) struct Held {
    ticket: Option<Ticket>,
    pass: Option<Pass>,
    /// Paid for the repetition that is under way or about to be.
    paid: u32,
}

impl Held {
    pub(super) fn is_nothing(&self) -> bool {
        self.ticket.is_none() && self.pass.is_none() && self.paid == 0
    }
}

/// Permission for one attempt.
#[derive(Clone, Copy, Debug)]
struct Pass {
    started: Instant,
    probe: bool,
}

/// What one call has been through.
#[derive(Debug)]
pub(super) struct Trail {
    pub(super) op: Op,
    /// Attempts sent.
    pub(super) sent: u32,
    /// Attempts that count: those that an outage made void do not.
    tried: u32,
    rank: Rank,
    /// A 5xx answer to it was counted by the service's health.
    counted: bool,
    /// Since when it has waited for its next attempt.
    pub(super) since: Option<Instant>,
}

impl Trail {
    pub(super) fn new(op: Op) -> Self {
        Self {
            op,
            sent: 0,
            tried: 0,
            rank: Rank::First,
            counted: false,
            since: None,
        }
    }
}

/// What a look at the gate found.
#[derive(Debug)]
pub(super) enum Look {
    Entered(Instant),
    Refused(StopReason),
    /// Nothing yet; look again then, or when woken.
    Until(Instant),
}

/// What to do after a failed attempt.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    Stop(StopReason),
    /// Back to the gate, not before this instant if there is one.
    Again(Option<Instant>),
}

#[derive(Debug)]
pub(super) struct State {
    limiter: Limiter,
    /// For a rate that is set later.
    burst: u32,
    pub(super) queue: Queue,
    max_waiting: usize,
    retry: Retry,
    purse: Purse,
    health: Option<HealthWatch>,
    pause: Pause,
    probe_out: bool,
    rng: fastrand::Rng,
    counts: Counts,
}

#[derive(Debug)]
struct Counts {
    requests: u64,
    retries: u64,
    throttled: u64,
    timeouts: u64,
    first_sent: Option<Instant>,
    latency: Histogram,
    consulted: Consulted,
}

impl State {
    pub(super) fn new(config: &PolicyBuilder) -> Self {
        Self {
            limiter: Limiter::new(
                config.in_flight,
                config.rate.map(|rate| Gcra::new(rate, config.burst)),
            ),
            burst: config.burst,
            queue: Queue::default(),
            max_waiting: config.max_waiting,
            retry: config.retry.clone(),
            purse: Purse::new(config.budget.clone()),
            health: config.outage.clone().map(HealthWatch::new),
            pause: Pause::new(config.rate),
            probe_out: false,
            rng: config
                .seed
                .map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed),
            counts: Counts {
                requests: 0,
                retries: 0,
                throttled: 0,
                timeouts: 0,
                first_sent: None,
                latency: Histogram::new(),
                consulted: Consulted::default(),
            },
        }
    }

    /// Enters at once if nobody is ahead and nothing is to be waited for; else joins the queue.
    pub(super) fn arrive(
        &mut self,
        held: &mut Held,
        trail: &mut Trail,
        now: Instant,
    ) -> Result<Option<Instant>, StopReason> {
        trail.since.get_or_insert(now);
        let ready = if self.queue.is_empty() {
            self.ready(now)
        } else {
            Ready::OnRelease
        };
        // A new call may be the probe that ends an outage which others have given up.
        let probes = ready == Ready::Now && trail.sent == 0;
        if let Some(why) = self
            .refusal(trail, now)
            .filter(|why| !(probes && matches!(why, StopReason::GaveUp { .. })))
        {
            return Err(why);
        }
        if ready == Ready::Now {
            return Ok(Some(self.enter(held, trail, now)));
        }
        if trail.sent == 0 && self.queue.waiting() >= self.max_waiting {
            return Err(StopReason::Full {
                limit: self.max_waiting,
            });
        }
        let ticket = self.queue.join(trail.rank);
        held.ticket = Some(ticket);
        if let Some(deadline) = trail.op.deadline {
            let token = self.limiter.token_behind(self.queue.ahead_of(ticket), now);
            if token.is_some_and(|token| token >= deadline) {
                self.leave(held, now);
                return Err(StopReason::DeadlineTooClose);
            }
        }
        Ok(None)
    }

    /// Looks whether a call in the queue may enter now.
    pub(super) fn look(
        &mut self,
        held: &mut Held,
        trail: &mut Trail,
        waker: &std::task::Waker,
        now: Instant,
    ) -> Look {
        let ticket = held
            .ticket
            .expect("a call looks only while it is in the queue");
        self.queue.arrive(ticket, waker);
        if let Some(why) = self.refusal(trail, now) {
            self.leave(held, now);
            return Look::Refused(why);
        }
        let mut until = now + LOOK_AGAIN;
        if self.queue.head(now) == Some(ticket) {
            match self.ready(now) {
                Ready::Now => {
                    held.ticket = None;
                    self.queue.leave(ticket);
                    let started = self.enter(held, trail, now);
                    self.call_next(now);
                    return Look::Entered(started);
                }
                Ready::At(at) if trail.op.deadline.is_some_and(|deadline| at >= deadline) => {
                    self.leave(held, now);
                    return Look::Refused(StopReason::DeadlineTooClose);
                }
                Ready::At(at) => {
                    self.queue.expect(ticket, at);
                    until = at;
                }
                Ready::OnRelease => {}
            }
        } else if let Some(at) = self.queue.head_overdue_at() {
            until = until.min(at);
        }
        let ends = [
            trail.op.deadline,
            self.health.as_ref().and_then(HealthWatch::gives_up_at),
        ];
        Look::Until(ends.into_iter().flatten().fold(until, Instant::min))
    }

    /// What whoever is next waits for: a probe, the end of a pause, a permit, a token.
    fn ready(&self, now: Instant) -> Ready {
        let down = self
            .health
            .as_ref()
            .and_then(HealthWatch::down)
            .map(|down| down.probe_at);
        if let Some(probe_at) = down.max(self.pause.until()) {
            if self.probe_out {
                return Ready::OnRelease;
            }
            if now < probe_at {
                return Ready::At(probe_at);
            }
        }
        self.limiter.ready(now)
    }

    /// Why a call cannot wait at the gate, if it cannot.
    fn refusal(&self, trail: &Trail, now: Instant) -> Option<StopReason> {
        if let Some(health) = &self.health
            && health.gives_up_at().is_some_and(|at| at <= now)
        {
            let down_for = health
                .down()
                .map_or(Duration::ZERO, |down| now - down.since);
            return Some(StopReason::GaveUp { down_for });
        }
        if trail.op.deadline.is_some_and(|deadline| deadline <= now) {
            return Some(StopReason::DeadlineTooClose);
        }
        let retry_at = self.pause.until()?;
        self.too_far(retry_at, trail.op.deadline, now)
            .then_some(StopReason::ServerSaidNo { retry_at })
    }

    /// Whether a delay that the service asks for is longer than a call may wait.
    fn too_far(&self, retry_at: Instant, deadline: Option<Instant>, now: Instant) -> bool {
        let delay = retry_at.saturating_duration_since(now);
        let patience = self.health.as_ref().and_then(HealthWatch::patience);
        delay > self.retry.max_server_delay
            || patience.is_some_and(|patience| delay > patience)
            || deadline.is_some_and(|deadline| retry_at >= deadline)
    }

    fn enter(&mut self, held: &mut Held, trail: &mut Trail, now: Instant) -> Instant {
        let down = self
            .health
            .as_ref()
            .is_some_and(|health| health.down().is_some());
        let probe = down || self.pause.until().is_some();
        self.probe_out |= probe;
        self.limiter.take(now);
        held.pass = Some(Pass {
            started: now,
            probe,
        });
        trail.sent += 1;
        trail.tried += 1;

        let counts = &mut self.counts;
        counts.requests += 1;
        counts.retries += u64::from(trail.sent > 1);
        counts.first_sent.get_or_insert(now);
        counts.consulted.health += u64::from(self.health.is_some());
        counts.consulted.pause += 1;
        counts.consulted.permit += 1;
        counts.consulted.rate += u64::from(self.limiter.rate.is_some());
        now
    }

    fn leave(&mut self, held: &mut Held, now: Instant) {
        if let Some(ticket) = held.ticket.take()
            && self.queue.leave(ticket)
        {
            self.queue.call_head(now, now);
        }
    }

    /// Gives back the pass.
    fn release(&mut self, held: &mut Held) -> Option<Pass> {
        let pass = held.pass.take()?;
        self.limiter.release();
        if pass.probe {
            self.probe_out = false;
        }
        Some(pass)
    }

    /// The call is over, or was dropped: whatever it holds comes back and counts for nothing.
    pub(super) fn abandon(&mut self, held: &mut Held, now: Instant) {
        self.purse.refund(std::mem::take(&mut held.paid));
        self.leave(held, now);
        if self.release(held).is_some() {
            self.call_next(now);
        }
    }

    /// Tells the head of the queue when it may come, if that is known.
    fn call_next(&mut self, now: Instant) {
        if self.queue.is_empty() {
            return;
        }
        match self.ready(now) {
            Ready::Now => self.queue.call_head(now, now),
            Ready::At(at) => self.queue.call_head(now, at),
            Ready::OnRelease => {}
        }
    }

    /// The attempt succeeded.
    pub(super) fn succeed(&mut self, held: &mut Held, trail: &Trail, now: Instant) {
        let pass = self
            .release(held)
            .expect("an attempt that ends has entered");
        match std::mem::take(&mut held.paid) {
            0 if trail.tried == 1 => self.purse.earn(),
            paid => self.purse.refund(paid),
        }
        self.counts.latency.record(now - pass.started);
        self.learn(&pass, &Verdict::ok(), trail, now);
        self.call_next(now);
    }

    /// The attempt failed: learns from it and says what the call does next. Also returns when the attempt started.
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
            self.counts.throttled += u64::from(verdict.class == Class::Throttled);
            self.counts.timeouts += u64::from(verdict.class == Class::Timeout);
            if verdict.sent == Sent::Answered {
                self.counts.latency.record(now - pass.started);
            }
            self.learn(&pass, &verdict, trail, now);
            trail.counted |= Sign::of(&verdict) == Sign::FailedAnswer;
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
                health.alive();
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
                self.pause.lift();
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
        self.pause.start(until);
    }

    fn next_step(
        &mut self,
        held: &mut Held,
        trail: &mut Trail,
        verdict: &Verdict,
        now: Instant,
    ) -> Step {
        let paid = std::mem::take(&mut held.paid);
        self.counts.consulted.retry += 1;
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
        self.counts.consulted.budget += 1;
        match (
            self.purse.withdraw(verdict.class == Class::Throttled),
            &mut self.health,
        ) {
            (Some(cost), _) => held.paid = cost,
            // Too few calls succeed to go on as before: from here on one probe at a time.
            (None, Some(health)) => health.go_down(now, verdict.class, &mut self.rng),
            (None, None) => return Step::Stop(StopReason::BudgetExhausted),
        }
        Step::Again(Some(at))
    }

    /// When the next attempt may be made: never before the service's own time, to which jitter only adds.
    fn retry_time(&mut self, tried: u32, verdict: &Verdict, now: Instant) -> Instant {
        let base = if verdict.class == Class::Throttled {
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
            self.pause.start(until);
        }
    }

    pub(super) fn set_rate(&mut self, per_second: f64, now: Instant) {
        match &mut self.limiter.rate {
            Some(rate) => rate.change(per_second, now),
            none => *none = Some(Gcra::new(per_second, self.burst)),
        }
        self.pause.resize(Some(per_second));
        self.call_next(now);
    }

    pub(super) fn set_in_flight(&mut self, limit: usize, now: Instant) {
        self.limiter.limit = limit;
        self.call_next(now);
    }

    pub(super) fn snapshot(&self, name: &Arc<str>, now: Instant) -> Snapshot {
        let counts = &self.counts;
        let rate = self.limiter.rate.as_ref().map(Gcra::per_second);
        let elapsed = counts
            .first_sent
            .map_or(Duration::ZERO, |first| now - first)
            .as_secs_f64();
        let allowed = rate.map_or(0.0, |rate| rate * elapsed);
        Snapshot {
            name: Arc::clone(name),
            requests: counts.requests,
            retries: counts.retries,
            throttled: counts.throttled,
            timeouts: counts.timeouts,
            in_flight: self.limiter.in_flight,
            in_flight_max: self.limiter.peak,
            in_flight_limit: self.limiter.limit,
            waiting: self.queue.waiting(),
            budget: self.purse.tokens(),
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
                p50_ms: counts.latency.quantile_ms(0.50),
                p95_ms: counts.latency.quantile_ms(0.95),
                p99_ms: counts.latency.quantile_ms(0.99),
            },
            rate,
            rate_used: if allowed > 0.0 {
                counts.requests as f64 / allowed
            } else {
                0.0
            },
            consulted: counts.consulted,
        }
    }
}
