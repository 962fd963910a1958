//! Who may enter: what a call waits for at the gate, in which order, and why it may not even wait.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    StopReason,
    breaker::BreakerWatch,
    gate::Caller,
    health::HealthWatch,
    limiter::Ready,
    queue::{Left, Order, Rank, Ticket},
    state::{Held, State, Trail},
};

/// Timers are exact to a millisecond: what is due within the last one may come too late.
const TIMER: Duration = Duration::from_millis(1);

/// What a look at the gate found.
#[derive(Debug)]
pub(super) enum Look {
    Entered(Instant),
    Refused(StopReason),
    /// Nothing yet; the caller is told when to look again.
    Waits,
}

impl State {
    /// Looks whether a call may enter now. The first look joins the queue if it may not.
    pub(super) fn look(
        &mut self,
        held: &mut Held,
        trail: &mut Trail,
        caller: &Caller<'_>,
        now: Instant,
    ) -> Look {
        match held.ticket {
            None => self.arrive(held, trail, caller, now),
            Some(ticket) => self.look_again(held, ticket, trail, caller, now),
        }
    }

    /// Enters at once if nobody is ahead and nothing is to be waited for; else joins the queue.
    fn arrive(
        &mut self,
        held: &mut Held,
        trail: &mut Trail,
        caller: &Caller<'_>,
        now: Instant,
    ) -> Look {
        if trail.since.is_none() {
            trail.since = Some(now);
            if trail.sent == 0 {
                held.is_open = true;
                self.tally.calls.started += 1;
                self.tally.consulted.deadline += u64::from(trail.op.deadline.is_some());
            }
        }
        let ready = if self.queue.nobody_in_line() {
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
            return Look::Refused(self.stop(held, why));
        }
        if ready == Ready::Now {
            self.tally.wait.record(Duration::ZERO);
            return Look::Entered(self.enter(held, trail, now));
        }
        let limit = self.queue.max_waiting;
        if trail.sent == 0 && self.queue.waiting() >= limit {
            return Look::Refused(self.stop(held, StopReason::Full { limit }));
        }
        let latest = self.latest_start(trail);
        let ahead = self.queue.ahead_of(trail.rank);
        let token = self.limiter.token_behind(ahead, now);
        if token
            .zip(latest)
            .is_some_and(|(token, latest)| is_late(token, latest, now))
        {
            return Look::Refused(self.stop(held, StopReason::DeadlineTooClose));
        }
        self.tally.consulted.queue += 1;
        let alarm = caller.alarm(&mut self.alarms);
        let is_first = self.alarms.attend(alarm);
        let ticket = self
            .queue
            .join(trail.rank, caller.waker, alarm, latest, now);
        held.ticket = Some(ticket);
        if is_first || latest.is_some() || ready != Ready::OnRelease {
            self.set_alarms(now);
        }
        Look::Waits
    }

    /// Looks whether a call in the queue may enter now.
    fn look_again(
        &mut self,
        held: &mut Held,
        ticket: Ticket,
        trail: &mut Trail,
        caller: &Caller<'_>,
        now: Instant,
    ) -> Look {
        if let Some(why) = self.refusal(trail, now) {
            self.tally.expired += u64::from(why == StopReason::DeadlineTooClose && held.is_open);
            self.leave(held, now);
            return Look::Refused(self.stop(held, why));
        }
        let may_enter = if self.queue.was_called(ticket) {
            self.ready_beside(self.queue.called() - 1, now) == Ready::Now
        } else {
            self.stand(ticket, caller, now);
            self.ready(now) == Ready::Now && self.queue.head(self.order(), now) == Some(ticket)
        };
        if may_enter {
            self.leave_to_enter(held, trail, caller, now);
            let started = self.enter(held, trail, now);
            // A permit was kept for it, so nothing has changed for the others, unless one at a time is called.
            if self.limiter.rate.is_some() || self.is_probing() {
                self.call_next(now);
            }
            return Look::Entered(started);
        }
        if self.queue.was_called(ticket) {
            self.stand(ticket, caller, now);
            self.call_next(now);
        }
        Look::Waits
    }

    /// The call stands in line, and whoever tells it to come reaches it where it is now.
    fn stand(&mut self, ticket: Ticket, caller: &Caller<'_>, now: Instant) {
        let known = self.queue.reaches(ticket, caller.waker);
        if known.is_some_and(|alarm| self.alarms.goes_on(alarm)) {
            return;
        }
        let alarm = caller.alarm(&mut self.alarms);
        self.alarms.attend(alarm);
        let before = self.queue.stand(ticket, caller.waker, alarm);
        self.alarms.leave(before);
        // Nobody may have relied on this one before, or it may ring too late for this one's deadline.
        self.set_alarms(now);
    }

    /// Ends the wait of a call. It no longer relies on an alarm.
    fn quit(&mut self, held: &mut Held) -> Option<Left> {
        let left = self.queue.leave(held.ticket.take()?);
        self.alarms.leave(left.alarm);
        Some(left)
    }

    pub(super) fn leave(&mut self, held: &mut Held, now: Instant) {
        let Some(left) = self.quit(held) else {
            return;
        };
        self.queue.spent.push(left.waker);
        if left.was_called {
            self.call_next(now);
        }
    }

    /// Ends the wait of a call whose turn has come. What told it of that tells it when its attempt has to end.
    fn leave_to_enter(
        &mut self,
        held: &mut Held,
        trail: &Trail,
        caller: &Caller<'_>,
        now: Instant,
    ) {
        let Some(left) = self.quit(held) else {
            return;
        };
        self.tally.wait.record(now - left.joined);
        let ends = caller.ends(&trail.op, now);
        match left.waker {
            Some(waker)
                if waker.will_wake(caller.waker)
                    && ends > now
                    && self.alarms.goes_on(left.alarm) =>
            {
                held.watch = Some(self.alarms.watch(left.alarm, ends, waker));
            }
            waker => self.queue.spent.push(waker),
        }
    }

    /// When the next attempt of a call must be sent at the latest.
    fn latest_start(&self, trail: &Trail) -> Option<Instant> {
        let deadline = trail.op.deadline?;
        // Nothing can be sent before the clock began.
        Some(deadline.checked_sub(self.min_attempt).unwrap_or(deadline))
    }

    /// What whoever is next waits for: a probe, the end of a pause, a permit, a token.
    pub(super) fn ready(&self, now: Instant) -> Ready {
        self.ready_beside(self.queue.called(), now)
    }

    /// The same, when permits are kept for `called` others.
    fn ready_beside(&self, called: usize, now: Instant) -> Ready {
        let down = self
            .health
            .as_ref()
            .and_then(HealthWatch::down)
            .map(|down| down.probe_at);
        let broken = self.breaker_wait(now);
        if let Some(probe_at) = down.max(self.pause.until()) {
            if self.probes_out > 0 {
                return Ready::OnRelease;
            }
            if now < probe_at {
                // Nor earlier than the breaker lets it through: a wait that ends in another one may be of no use.
                return match broken {
                    Some(Ready::At(at)) => Ready::At(at.max(probe_at)),
                    _ => Ready::At(probe_at),
                };
            }
        }
        if let Some(ready) = broken {
            return ready;
        }
        if called > 0 && self.is_probing() {
            return Ready::OnRelease;
        }
        self.limiter.ready(called, now)
    }

    /// Whether whoever is next is to prove that the service is back: then they go one by one.
    pub(super) fn is_probing(&self) -> bool {
        let is_down = self.health.as_ref().and_then(HealthWatch::down).is_some();
        let is_closed = self.breaker.as_ref().is_none_or(BreakerWatch::is_closed);
        is_down || !is_closed || self.pause.until().is_some()
    }

    pub(super) fn is_newest_first(&self, now: Instant) -> bool {
        self.order() == Order::ByAge && self.queue.stands_in_a_line(now)
    }

    fn order(&self) -> Order {
        if self.is_probing() {
            Order::OldestFirst
        } else {
            Order::ByAge
        }
    }

    /// Why a call cannot wait at the gate, if it cannot.
    fn refusal(&self, trail: &Trail, now: Instant) -> Option<StopReason> {
        if trail.rank == Rank::Hedge && self.is_in_trouble() {
            return Some(StopReason::BudgetExhausted);
        }
        if let Some(why) = self.broken(now) {
            return Some(why);
        }
        if let Some(why) = self.too_late(trail, now, now) {
            return Some(why);
        }
        let gave_up = self.gives_up_at().is_some_and(|at| at <= now);
        gave_up.then_some(StopReason::GaveUp {
            down_for: now - self.down_since()?,
        })
    }

    /// Why an attempt that is not made before `from` cannot be made in time, if that is certain by now.
    pub(super) fn too_late(
        &self,
        trail: &Trail,
        from: Instant,
        now: Instant,
    ) -> Option<StopReason> {
        if let Some(retry_at) = self.pause.until()
            && self.too_far(retry_at, trail.op.deadline, now)
        {
            return Some(StopReason::ServerSaidNo { retry_at });
        }
        let latest = self.latest_start(trail)?;
        // Whatever the head waits for, nobody behind it goes earlier.
        let head = match self.ready(now) {
            Ready::At(at) => Some(at),
            Ready::Now | Ready::OnRelease => None,
        };
        let at = from.max(self.limiter.token_behind(0, now).max(head).unwrap_or(from));
        is_late(at, latest, now).then_some(StopReason::DeadlineTooClose)
    }

    /// Calls those who may enter now, and sees to it that the others are told when they may.
    pub(super) fn call_next(&mut self, now: Instant) {
        self.pause_if_spent(now);
        if self.queue.nobody_is_there() {
            return;
        }
        self.queue.give_up_overdue(now);
        if self.broken(now).is_some() {
            // Each is refused when it looks.
            return self.queue.tell_all();
        }
        while !self.queue.nobody_in_line()
            && self.ready(now) == Ready::Now
            && self.queue.call_head(self.order(), now)
        {}
        self.set_alarms(now);
    }
}

/// Whether what is to begin at `at` begins too late.
fn is_late(at: Instant, latest: Instant, now: Instant) -> bool {
    if at > now {
        latest.saturating_duration_since(at) < TIMER
    } else {
        now >= latest
    }
}
