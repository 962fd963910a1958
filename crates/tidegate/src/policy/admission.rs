//! Who may enter: what a call waits for at the gate, in which order, and why it may not even wait.

use std::{task::Waker, time::Duration};

use tokio::time::Instant;

use super::{
    StopReason,
    health::HealthWatch,
    limiter::Ready,
    state::{Held, State, Trail},
};

/// How often a waiter looks for itself, in case those ahead of it are not polled and so cannot tell it to come.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What a look at the gate found.
#[derive(Debug)]
pub(super) enum Look {
    Entered(Instant),
    Refused(StopReason),
    /// Nothing yet; look again then, or when woken.
    Until(Instant),
}

impl State {
    /// Enters at once if nobody is ahead and nothing is to be waited for; else joins the queue.
    pub(super) fn arrive(
        &mut self,
        held: &mut Held,
        trail: &mut Trail,
        now: Instant,
    ) -> Result<Option<Instant>, StopReason> {
        if trail.since.is_none() {
            trail.since = Some(now);
            if trail.sent == 0 {
                held.is_open = true;
                self.tally.calls.started += 1;
                self.tally.consulted.deadline += u64::from(trail.op.deadline.is_some());
            }
        }
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
            return Err(self.stop(held, why));
        }
        if ready == Ready::Now {
            return Ok(Some(self.enter(held, trail, now)));
        }
        if trail.sent == 0 && self.queue.waiting() >= self.max_waiting {
            let limit = self.max_waiting;
            return Err(self.stop(held, StopReason::Full { limit }));
        }
        self.tally.consulted.queue += 1;
        let ticket = self.queue.join(trail.rank);
        held.ticket = Some(ticket);
        if let Some(deadline) = trail.op.deadline {
            let token = self.limiter.token_behind(self.queue.ahead_of(ticket), now);
            if token.is_some_and(|token| token >= deadline) {
                self.leave(held, now);
                return Err(self.stop(held, StopReason::DeadlineTooClose));
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
            return Look::Refused(self.stop(held, why));
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
        let ends = [trail.op.deadline, self.gives_up_at()];
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
        if let Some(ready) = self.breaker_wait(now) {
            return ready;
        }
        self.limiter.ready(now)
    }

    /// Why a call cannot wait at the gate, if it cannot.
    fn refusal(&self, trail: &Trail, now: Instant) -> Option<StopReason> {
        if let Some(why) = self.broken(now) {
            return Some(why);
        }
        if let Some(retry_at) = self.pause.until()
            && self.too_far(retry_at, trail.op.deadline, now)
        {
            return Some(StopReason::ServerSaidNo { retry_at });
        }
        // Whatever the head waits for, nobody behind it goes earlier.
        if let Some(deadline) = trail.op.deadline
            && let latest = deadline.checked_sub(self.min_attempt).unwrap_or(now)
            && (latest <= now || matches!(self.ready(now), Ready::At(at) if at >= latest))
        {
            return Some(StopReason::DeadlineTooClose);
        }
        let gave_up = self.gives_up_at().is_some_and(|at| at <= now);
        gave_up.then_some(StopReason::GaveUp {
            down_for: now - self.down_since()?,
        })
    }

    pub(super) fn leave(&mut self, held: &mut Held, now: Instant) {
        if let Some(ticket) = held.ticket.take()
            && self.queue.leave(ticket)
        {
            self.queue.call_head(now, now);
        }
    }

    /// Tells the head of the queue when it may come, if that is known.
    pub(super) fn call_next(&mut self, now: Instant) {
        if self.queue.is_empty() {
            return;
        }
        if self.broken(now).is_some() {
            // Each is refused when it looks, and then calls the next.
            return self.queue.call_head(now, now);
        }
        match self.ready(now) {
            Ready::Now => self.queue.call_head(now, now),
            Ready::At(at) => self.queue.call_head(now, at),
            Ready::OnRelease => {}
        }
    }
}
