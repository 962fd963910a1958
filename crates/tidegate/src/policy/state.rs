//! All state of one policy, and who may enter. Nothing here waits; what an outcome means is in `outcome`.
//!
//! What must stay true:
//! 1. `limiter.in_flight` is the number of [`Held::pass`]es; each is given back by exactly one of `succeed`, `fail`, `abandon`.
//! 2. At most one pass is a probe, and `probe_out` says whether there is one.
//! 3. Whoever changes what the head of the queue waits for calls [`State::call_next`].

use std::{task::Waker, time::Duration};

use tokio::time::Instant;

use super::{
    PolicyBuilder, Retry, StopReason,
    budget::Purse,
    health::HealthWatch,
    limiter::{Gcra, Limiter, Ready},
    op::Op,
    pause::Pause,
    queue::{Queue, Rank, Ticket},
    tally::Tally,
};

/// How often a waiter looks for itself, in case those ahead of it are not polled and so cannot tell it to come.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What one call holds of the policy. Whatever it holds when it is dropped is given back by [`State::abandon`].
#[derive(Debug, Default)]
pub(super) struct Held {
    ticket: Option<Ticket>,
    pub(super) pass: Option<Pass>,
    /// Paid for the repetition that is under way or about to be.
    pub(super) paid: u32,
}

impl Held {
    pub(super) fn is_nothing(&self) -> bool {
        self.ticket.is_none() && self.pass.is_none() && self.paid == 0
    }
}

/// Permission for one attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass {
    pub(super) started: Instant,
    pub(super) probe: bool,
}

/// What one call has been through.
#[derive(Debug)]
pub(super) struct Trail {
    pub(super) op: Op,
    /// Attempts sent.
    pub(super) sent: u32,
    /// Attempts that count: those that an outage made void do not.
    pub(super) tried: u32,
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

#[derive(Debug)]
pub(super) struct State {
    pub(super) limiter: Limiter,
    /// For a rate that is set later.
    burst: u32,
    pub(super) queue: Queue,
    max_waiting: usize,
    pub(super) retry: Retry,
    pub(super) purse: Purse,
    pub(super) health: Option<HealthWatch>,
    pub(super) pause: Pause,
    probe_out: bool,
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
            tally: Tally::new(),
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
        waker: &Waker,
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
                Ready::At(at) => {
                    self.queue.expect(ticket, at);
                    until = at;
                }
                Ready::OnRelease => {}
            }
        } else if let Some(at) = self.queue.overdue_at(now) {
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
        if let Some(retry_at) = self.pause.until()
            && self.too_far(retry_at, trail.op.deadline, now)
        {
            return Some(StopReason::ServerSaidNo { retry_at });
        }
        // Whatever the head waits for, nobody behind it goes earlier.
        if let Some(deadline) = trail.op.deadline
            && (deadline <= now || matches!(self.ready(now), Ready::At(at) if at >= deadline))
        {
            return Some(StopReason::DeadlineTooClose);
        }
        let health = self.health.as_ref()?;
        let down = health.down()?;
        let gave_up = health.gives_up_at().is_some_and(|at| at <= now);
        gave_up.then(|| StopReason::GaveUp {
            down_for: now - down.since,
        })
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

        let consulted = &mut self.tally.consulted;
        consulted.health += u64::from(self.health.is_some());
        consulted.pause += 1;
        consulted.permit += 1;
        consulted.rate += u64::from(self.limiter.rate.is_some());
        self.tally.sent(trail.sent > 1, now);
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
    pub(super) fn release(&mut self, held: &mut Held) -> Option<Pass> {
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
    pub(super) fn call_next(&mut self, now: Instant) {
        if self.queue.is_empty() {
            return;
        }
        match self.ready(now) {
            Ready::Now => self.queue.call_head(now, now),
            Ready::At(at) => self.queue.call_head(now, at),
            Ready::OnRelease => {}
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
