//! All state of one policy. Nothing here waits; who may enter is in `admission`, what an outcome means in `outcome`.
//!
//! What must stay true:
//! 1. `limiter.in_flight` is the number of [`Held::pass`]es and of those that have ended and are kept, by hand or by what
//!    their attempt has left behind. Each is ended by exactly one of `succeed`, `fail`, `abandon`.
//! 2. At most one pass is a probe of health or pause, and `probes_out` counts it and what probes have left behind. What a
//!    pass holds of the breaker ends as an outcome or is given back.
//! 3. Whoever changes what the head of the queue waits for calls [`State::call_next`]. After that nobody is in line who could
//!    go, and as many permits are kept as waiters were called.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::{
    PolicyBuilder, Retry, StopReason,
    alarm::{Alarms, Watch},
    breaker::{BreakerWatch, Passage, Passed},
    budget::Purse,
    health::HealthWatch,
    hedge::HedgeWatch,
    limiter::{Gcra, Limiter, Ready},
    nested::Account,
    op::Op,
    pause::Pause,
    permit::Kept,
    queue::{Queue, Rank, Ticket},
    tally::Tally,
};

/// What one call holds of the policy. Whatever it holds when it is dropped is given back by [`State::abandon`].
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) ticket: Option<Ticket>,
    pub(super) pass: Option<Pass>,
    /// The attempt under way is told when its time is over.
    pub(super) watch: Option<Watch>,
    /// Paid for the repetition that is under way or about to be.
    pub(super) paid: u32,
    /// Paid for the hedge that waits to be sent.
    pub(super) hedge_paid: bool,
    /// The call has begun and has not ended; a hedge is no call.
    pub(super) is_open: bool,
    pub(super) account: Account,
}

impl Held {
    pub(super) fn is_nothing(&self) -> bool {
        self.ticket.is_none()
            && self.pass.is_none()
            && self.paid == 0
            && !self.hedge_paid
            && !self.is_open
    }
}

/// Permission for one attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass {
    pub(super) id: u64,
    pub(super) started: Instant,
    pub(super) probe: bool,
    pub(super) breaker: Option<Passed>,
}

/// What one call has been through.
#[derive(Debug)]
pub(super) struct Trail {
    pub(super) op: Op,
    /// Attempts sent.
    pub(super) sent: u32,
    /// Attempts that count: those that an outage made void do not.
    pub(super) tried: u32,
    /// Attempts that the call may make after the one that was sent last.
    pub(super) further: u32,
    pub(super) rank: Rank,
    /// A failure for which it may be to blame was counted by the service's health.
    pub(super) counted: bool,
    /// Since when it has waited for its next attempt.
    pub(super) since: Option<Instant>,
}

impl Trail {
    pub(super) fn new(op: Op) -> Self {
        Self {
            op,
            sent: 0,
            tried: 0,
            further: 0,
            rank: Rank::First,
            counted: false,
            since: None,
        }
    }

    /// That of the hedge of the attempt under way: it counts as no try of its own, and goes behind all others.
    pub(super) fn of_hedge(&self) -> Self {
        Self {
            rank: Rank::Hedge,
            tried: self.tried - 1,
            since: None,
            ..*self
        }
    }
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) limiter: Limiter,
    /// For a rate that is set later.
    burst: u32,
    /// Passes so far.
    passes: u64,
    pub(super) kept: HashMap<u64, Kept>,
    pub(super) queue: Queue,
    pub(super) alarms: Alarms,
    /// The latest instant that anything was decided at.
    latest: Option<Instant>,
    /// No attempt starts with less time before its deadline.
    pub(super) min_attempt: Duration,
    pub(super) retry: Retry,
    pub(super) purse: Purse,
    pub(super) health: Option<HealthWatch>,
    pub(super) breaker: Option<BreakerWatch>,
    pub(super) hedge: Option<HedgeWatch>,
    pub(super) pause: Pause,
    pub(super) probes_out: usize,
    pub(super) rng: fastrand::Rng,
    pub(super) tally: Tally,
}

impl State {
    pub(super) fn new(config: &PolicyBuilder) -> Self {
        Self {
            limiter: Limiter::new(
                config.in_flight,
                config.rate.map(|rate| Gcra::new(rate, config.burst)),
            ),
            burst: config.burst,
            passes: 0,
            kept: HashMap::new(),
            queue: Queue::new(&config.queue),
            alarms: Alarms::default(),
            latest: None,
            min_attempt: config.min_attempt,
            retry: config.retry.clone(),
            purse: Purse::new(config.budget.clone()),
            health: config.outage.clone().map(HealthWatch::new),
            breaker: config.breaker.clone().map(BreakerWatch::new),
            hedge: config.hedge.clone().map(HedgeWatch::new),
            pause: Pause::new(config.rate),
            probes_out: 0,
            rng: config
                .seed
                .map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed),
            tally: Tally::new(),
        }
    }

    /// The clock is read before the lock is taken, in no order; decisions see time in their own.
    pub(super) fn advance(&mut self, now: Instant) -> Instant {
        let now = self.latest.map_or(now, |latest| latest.max(now));
        self.latest = Some(now);
        now
    }

    /// Whether a delay that the service asks for is longer than a call may wait.
    pub(super) fn too_far(
        &self,
        retry_at: Instant,
        deadline: Option<Instant>,
        now: Instant,
    ) -> bool {
        let delay = retry_at.saturating_duration_since(now);
        let patience = self.health.as_ref().and_then(HealthWatch::patience);
        delay > self.retry.max_server_delay
            || patience.is_some_and(|patience| delay > patience)
            || deadline.is_some_and(|deadline| retry_at >= deadline)
    }

    /// What an attempt waits for because the breaker is not closed. `None`: for nothing.
    ///
    /// Without an outage to wait for nobody waits: see [`broken`](Self::broken).
    pub(super) fn breaker_wait(&self, now: Instant) -> Option<Ready> {
        match self.breaker.as_ref()?.passage(now) {
            Passage::Free => None,
            Passage::From(Some(at)) => Some(Ready::At(at)),
            Passage::From(None) | Passage::AfterProbe => Some(Ready::OnRelease),
        }
    }

    /// Why the breaker refuses a call, if it does.
    pub(super) fn broken(&self, now: Instant) -> Option<StopReason> {
        if self.health.is_some() {
            return None;
        }
        let retry_at = match self.breaker.as_ref()?.passage(now) {
            Passage::Free => return None,
            Passage::From(at) => at.unwrap_or(now),
            Passage::AfterProbe => now,
        };
        Some(StopReason::BreakerOpen { retry_at })
    }

    /// Since when calls wait for the service to recover.
    pub(super) fn down_since(&self) -> Option<Instant> {
        let down = self.health.as_ref()?.down().map(|down| down.since);
        let broken = self.breaker.as_ref().and_then(BreakerWatch::broken_since);
        [down, broken].into_iter().flatten().min()
    }

    /// When the patience with the present outage ends.
    pub(super) fn gives_up_at(&self) -> Option<Instant> {
        let patience = self.health.as_ref()?.patience()?;
        self.down_since()?.checked_add(patience)
    }

    /// Counts a call that ends without a value.
    pub(super) fn stop(&mut self, held: &mut Held, why: StopReason) -> StopReason {
        // A hedge that cannot be sent ends no call.
        if let (true, Some(hedge)) = (held.hedge_paid, &mut self.hedge) {
            hedge.refused += 1;
        }
        if std::mem::take(&mut held.is_open) {
            self.tally.stopped(&why);
            if let (StopReason::BreakerOpen { .. }, Some(breaker)) = (&why, &mut self.breaker) {
                breaker.refused += 1;
                self.tally.consulted.breaker += 1;
            }
        }
        why
    }

    pub(super) fn enter(&mut self, held: &mut Held, trail: &mut Trail, now: Instant) -> Instant {
        let down = self
            .health
            .as_ref()
            .is_some_and(|health| health.down().is_some());
        let probe = down || self.pause.until().is_some();
        self.probes_out += usize::from(probe);
        self.limiter.take(now);
        self.passes += 1;
        held.pass = Some(Pass {
            id: self.passes,
            started: now,
            probe,
            breaker: self.breaker.as_mut().map(BreakerWatch::pass),
        });
        if std::mem::take(&mut held.hedge_paid)
            && let Some(hedge) = &mut self.hedge
        {
            hedge.sent += 1;
        }
        trail.sent += 1;
        trail.tried += 1;
        trail.further = self.retry.max_attempts.saturating_sub(trail.tried);

        let consulted = &mut self.tally.consulted;
        consulted.breaker += u64::from(self.breaker.is_some());
        consulted.health += u64::from(self.health.is_some());
        consulted.pause += 1;
        consulted.permit += 1;
        consulted.rate += u64::from(self.limiter.rate.is_some());
        consulted.timeout += 1;
        self.tally.sent(trail.sent > 1, now);
        now
    }

    /// Gives back the pass.
    pub(super) fn release(&mut self, held: &mut Held) -> Option<Pass> {
        let pass = held.pass.take()?;
        self.unwatch(held);
        self.end_pass(pass.id);
        self.probes_out -= usize::from(pass.probe);
        Some(pass)
    }

    /// The call is over, or was dropped: whatever it holds comes back and counts for nothing.
    pub(super) fn abandon(&mut self, held: &mut Held, now: Instant) {
        if std::mem::take(&mut held.is_open) {
            self.tally.calls.dropped += 1;
        }
        let paid = std::mem::take(&mut held.paid);
        self.refund(held, paid);
        if std::mem::take(&mut held.hedge_paid)
            && let Some(hedge) = &mut self.hedge
        {
            hedge.refund();
        }
        self.leave(held, now);
        self.drop_attempt(held, now);
    }

    /// The attempt under way, if there is one, is dropped.
    pub(super) fn drop_attempt(&mut self, held: &mut Held, now: Instant) {
        let Some(pass) = self.release(held) else {
            return;
        };
        self.tally.wasted += now - pass.started;
        self.unjudged(&pass);
        self.call_next(now);
    }

    /// An attempt has ended in a way that says nothing about the service.
    pub(super) fn unjudged(&mut self, pass: &Pass) {
        if let (Some(breaker), Some(passed)) = (&mut self.breaker, pass.breaker) {
            breaker.give_back(passed);
        }
    }

    /// The hedge answered first: the attempt beside it is dropped, after at least as long as it has taken so far.
    pub(super) fn overtaken(&mut self, held: &mut Held, now: Instant) {
        if let (Some(hedge), Some(pass)) = (&mut self.hedge, &held.pass) {
            hedge.won += 1;
            hedge.record(now - pass.started, now);
        }
        // The call has succeeded, only not by this attempt.
        held.is_open = false;
        self.abandon(held, now);
    }

    /// Whether an attempt that takes long is hedged now. If so the hedge is paid for.
    pub(super) fn may_hedge(&mut self, held: &mut Held) -> bool {
        let in_trouble = self.is_in_trouble();
        let Some(hedge) = &mut self.hedge else {
            return false;
        };
        held.hedge_paid = !in_trouble && hedge.withdraw();
        hedge.refused += u64::from(!held.hedge_paid);
        held.hedge_paid
    }

    /// Whether what is not needed is left out: the service is in doubt, or too little of the retry budget is left.
    pub(super) fn is_in_trouble(&self) -> bool {
        self.purse.is_low() || self.is_probing()
    }

    /// When the attempt that has just started is to be hedged, if it is.
    pub(super) fn hedge_at(&mut self, op: &Op, started: Instant) -> Option<Instant> {
        let hedge = self.hedge.as_mut().filter(|_| op.idempotent && !op.once)?;
        let at = started.checked_add(hedge.delay(started)?)?;
        self.tally.consulted.hedge += 1;
        Some(at)
    }

    pub(super) fn open_breaker(&mut self, until: Option<Instant>, now: Instant) {
        if let Some(breaker) = &mut self.breaker {
            breaker.open_until(until, now);
            self.call_next(now);
        }
    }

    pub(super) fn close_breaker(&mut self, now: Instant) {
        if let Some(breaker) = &mut self.breaker {
            breaker.close();
            self.call_next(now);
        }
    }

    pub(super) fn room(&self) -> usize {
        let limiter = &self.limiter;
        limiter
            .limit
            .saturating_sub(limiter.in_flight + self.queue.waiting())
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
}
