//! All state of one policy. Nothing here waits; who may enter is in `admission`, what an outcome means in `outcome`.
//!
//! What must stay true:
//! 1. `limiter.in_flight` is the number of [`Held::pass`]es; each is given back by exactly one of `succeed`, `fail`, `abandon`.
//! 2. At most one pass is a probe, and `probe_out` says whether there is one.
//! 3. Whoever changes what the head of the queue waits for calls [`State::call_next`].

use std::time::Duration;

use tokio::time::Instant;

use super::{
    PolicyBuilder, Retry,
    budget::Purse,
    health::HealthWatch,
    limiter::{Gcra, Limiter},
    op::Op,
    pause::Pause,
    queue::{Queue, Rank, Ticket},
    tally::Tally,
};

/// What one call holds of the policy. Whatever it holds when it is dropped is given back by [`State::abandon`].
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) ticket: Option<Ticket>,
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

#[derive(Debug)]
pub(super) struct State {
    pub(super) limiter: Limiter,
    /// For a rate that is set later.
    burst: u32,
    pub(super) queue: Queue,
    pub(super) max_waiting: usize,
    /// No attempt starts with less time before its deadline.
    pub(super) min_attempt: Duration,
    pub(super) retry: Retry,
    pub(super) purse: Purse,
    pub(super) health: Option<HealthWatch>,
    pub(super) pause: Pause,
    pub(super) probe_out: bool,
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
            max_waiting: config.queue.max_waiting,
            min_attempt: config.min_attempt,
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

    pub(super) fn enter(&mut self, held: &mut Held, trail: &mut Trail, now: Instant) -> Instant {
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
