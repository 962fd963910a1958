//! What changes by time alone: who is told when, and what an alarm that rings means.

use tokio::time::Instant;

use super::{
    alarm::{AlarmKey, Rung},
    gate::Caller,
    limiter::Ready,
    state::{Held, State},
};

impl State {
    /// Sees to it that those who wait are told when something changes by time alone.
    pub(super) fn set_alarms(&mut self, now: Instant) {
        let mut first = earlier(self.queue.overdue_at(), self.queue.expires());
        if !self.queue.nobody_in_line()
            && let Ready::At(at) = self.ready(now)
        {
            first = earlier(first, Some(at));
        }
        // What is left may be too little, and is renewed at a known time.
        let renewed = self.limiter.quota.is_spent(self.queue.called(), now);
        first = earlier(first, renewed);
        if self.health.is_some() {
            first = earlier(first, self.gives_up_at().filter(|at| *at > now));
        }
        if let Some(at) = first {
            self.alarms.move_all_to(at);
        }
    }

    /// An alarm rings: tells all for whom it is time.
    pub(super) fn ring(&mut self, key: AlarmKey, clock: Instant, now: Instant) {
        match self.alarms.rung(key, clock, now, &mut self.queue.wake) {
            Rung::Before => return,
            Rung::Ended => self.queue.tell_all(),
            Rung::Due => {}
        }
        self.queue.tell_expired(now);
        let gives_up = self.gives_up_at();
        if gives_up.is_some_and(|at| at <= now) {
            self.queue.tell_all();
        }
        self.call_next(now);
    }

    /// The runtime of an alarm has ended: all who rely on it look for another one.
    pub(super) fn end_alarm(&mut self, key: AlarmKey) {
        self.alarms.end(key, &mut self.queue.wake);
        self.queue.tell_all();
    }

    /// Watches the attempt under way, so that its caller is told at `ends`. `false`: it is too late for that.
    pub(super) fn watch(
        &mut self,
        held: &mut Held,
        ends: Instant,
        caller: &Caller<'_>,
        now: Instant,
    ) -> bool {
        if ends <= now {
            return false;
        }
        self.unwatch(held);
        let alarm = caller.alarm(&mut self.alarms);
        held.watch = Some(self.alarms.watch(alarm, ends, caller.waker.clone()));
        true
    }

    pub(super) fn unwatch(&mut self, held: &mut Held) {
        if let Some(watch) = held.watch.take() {
            self.alarms.unwatch(watch, &mut self.queue.spent);
        }
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
