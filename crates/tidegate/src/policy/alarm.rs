//! When those who wait are told by time alone: one alarm per policy and runtime, for all who wait there.
//!
//! A timer costs a lock of its runtime and a place in its wheel, twice, and nearly every wait ends before its time. So
//! nobody here has one. A wait only says when it must be told at the latest, and moves the alarm if that is the earliest;
//! whoever ends leaves the alarm as it is, and it rings for nothing at worst once.
//!
//! Each runtime has its own: a timer belongs to the runtime that it was made in, which may stand still or end while
//! others go on.
//!
//! What must stay true:
//! 1. An alarm rings no later than the first instant at which somebody who relies on it has something to hear.
//! 2. Nobody relies on an alarm whose runtime has ended, except those who were told so.

use std::{sync::Arc, task::Waker};

use tokio::{runtime, time::Instant};

use super::{
    timer::Timer,
    wakers::{WakerId, Wakers},
};

/// The alarm on which somebody relies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AlarmKey {
    index: u32,
    /// Tells those apart that had the same index one after the other.
    serial: u64,
}

/// An attempt that is told when its time is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    index: u32,
    /// Whom is told, and how many alarms had ended before: as long as both are the same, it is told.
    task: WakerId,
    ended: u32,
}

impl Watch {
    /// Whether it tells the task of `waker`, after `ended` alarms have ended.
    pub(super) fn tells(&self, waker: &Waker, ended: u32) -> bool {
        self.ended == ended && self.task == WakerId::of(waker)
    }
}

#[derive(Debug)]
struct Alarm {
    serial: u64,
    /// Of none once that has ended: then it never rings again.
    runtime: Option<runtime::Id>,
    waiters: usize,
    attempts: usize,
    /// None of its attempts ends earlier.
    ends: Option<Instant>,
    /// When it rings.
    at: Option<Instant>,
    /// Its timer does not know yet.
    is_moved: bool,
    timer: Arc<Timer>,
}

#[derive(Debug)]
struct Watched {
    ends: Instant,
    /// `None` once it was told.
    waker: Option<Waker>,
    /// `None`: this place is free.
    alarm: Option<AlarmKey>,
}

#[derive(Debug, Default)]
pub(super) struct Alarms {
    /// One as a rule; `None` was closed.
    list: Vec<Option<Alarm>>,
    next_serial: u64,
    watched: Vec<Watched>,
    free: Vec<u32>,
    /// At least one is moved.
    is_moved: bool,
    /// How many have ended.
    ended: u32,
}

/// What the ringing of an alarm means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rung {
    /// It is time.
    Due,
    /// Its runtime has ended.
    Ended,
    /// Nothing: it has rung before, or is closed.
    Before,
}

impl Alarms {
    /// The alarm of a runtime.
    pub(super) fn find(&self, runtime: runtime::Id) -> Option<AlarmKey> {
        let found = |alarm: &&Alarm| alarm.runtime == Some(runtime);
        let indices = 0u32..;
        let mut alarms = indices.zip(&self.list);
        alarms.find_map(|(index, alarm)| {
            let Alarm { serial, .. } = alarm.as_ref().filter(found)?;
            Some(AlarmKey {
                index,
                serial: *serial,
            })
        })
    }

    pub(super) fn open(
        &mut self,
        runtime: runtime::Id,
        timer: impl FnOnce(AlarmKey) -> Timer,
    ) -> AlarmKey {
        let free = self.list.iter().position(Option::is_none);
        let index = free.unwrap_or(self.list.len());
        let key = AlarmKey {
            // One per runtime: there are not that many.
            index: index as u32,
            serial: self.next_serial,
        };
        let alarm = Alarm {
            serial: self.next_serial,
            runtime: Some(runtime),
            waiters: 0,
            attempts: 0,
            ends: None,
            at: None,
            is_moved: false,
            timer: Arc::new(timer(key)),
        };
        self.next_serial += 1;
        match free {
            Some(index) => self.list[index] = Some(alarm),
            None => self.list.push(Some(alarm)),
        }
        key
    }

    /// Whether those who rely on it are told.
    pub(super) fn goes_on(&self, key: AlarmKey) -> bool {
        let alarm = self.list[key.index as usize].as_ref();
        alarm.is_some_and(|alarm| alarm.serial == key.serial && alarm.runtime.is_some())
    }

    /// A waiter relies on it from here on. Whether it is the first to.
    pub(super) fn attend(&mut self, key: AlarmKey) -> bool {
        let alarm = self.of_mut(key);
        alarm.waiters += 1;
        alarm.waiters == 1
    }

    pub(super) fn leave(&mut self, key: AlarmKey) {
        self.of_mut(key).waiters -= 1;
        self.close_if_over(key);
    }

    /// Tells `waker` at `ends`, until [`unwatch`](Self::unwatch).
    pub(super) fn watch(&mut self, key: AlarmKey, ends: Instant, waker: Waker) -> Watch {
        let (task, ended) = (WakerId::of(&waker), self.ended);
        let watched = Watched {
            ends,
            waker: Some(waker),
            alarm: Some(key),
        };
        let alarm = self.of_mut(key);
        alarm.attempts += 1;
        alarm.ends = Some(alarm.ends.map_or(ends, |known| known.min(ends)));
        self.move_to(key, ends);
        let index = if let Some(index) = self.free.pop() {
            self.watched[index as usize] = watched;
            index
        } else {
            self.watched.push(watched);
            // There are fewer than 2^32 futures in memory.
            (self.watched.len() - 1) as u32
        };
        Watch { index, task, ended }
    }

    pub(super) fn unwatch(&mut self, watch: Watch, spent: &mut Wakers) {
        let watched = &mut self.watched[watch.index as usize];
        spent.push(watched.waker.take());
        let alarm = watched.alarm.take();
        self.free.push(watch.index);
        if let Some(key) = alarm {
            self.of_mut(key).attempts -= 1;
            self.close_if_over(key);
        }
    }

    /// Rings all alarms on which waiters rely at `at`, if not before.
    pub(super) fn move_all_to(&mut self, at: Instant) {
        for alarm in self.list.iter_mut().flatten() {
            if alarm.waiters > 0 {
                self.is_moved |= alarm.move_to(at);
            }
        }
    }

    fn move_to(&mut self, key: AlarmKey, at: Instant) {
        let is_moved = self.of_mut(key).move_to(at);
        self.is_moved |= is_moved;
    }

    /// The timer of `key` has rung. Of its attempts those are told whose time is over by the clock of their runtime, which
    /// is what they look at; in a test it may stand apart from that of others.
    pub(super) fn rung(
        &mut self,
        key: AlarmKey,
        clock: Instant,
        now: Instant,
        wake: &mut Wakers,
    ) -> Rung {
        let Some(alarm) = self.known(key) else {
            return Rung::Before;
        };
        match alarm.at {
            None => return Rung::Before,
            // A timer is late or on time, unless all timers of its runtime are ended.
            Some(at) if at > now => {
                self.end(key, wake);
                return Rung::Ended;
            }
            Some(_) => alarm.at = None,
        }
        if alarm.is_unused() {
            self.list[key.index as usize] = None;
            return Rung::Due;
        }
        if alarm.ends.is_some_and(|ends| ends <= clock) {
            let ends = self.tell(key, clock, wake);
            self.of_mut(key).ends = ends;
        }
        if let Some(ends) = self.of(key).ends {
            self.move_to(key, ends);
        }
        Rung::Due
    }

    /// Nobody is told anything by this alarm again, as its runtime has ended: all who rely on it are told now.
    pub(super) fn end(&mut self, key: AlarmKey, wake: &mut Wakers) {
        let Some(alarm) = self.known(key) else {
            return;
        };
        alarm.runtime = None;
        alarm.at = None;
        alarm.is_moved = false;
        self.ended = self.ended.wrapping_add(1);
        for watched in &mut self.watched {
            if watched.alarm == Some(key) {
                wake.push(watched.waker.take());
            }
        }
        if self.of(key).is_unused() {
            self.list[key.index as usize] = None;
        }
    }

    /// Tells those whose time is over. Returns when the next one's is.
    fn tell(&mut self, key: AlarmKey, now: Instant, wake: &mut Wakers) -> Option<Instant> {
        let mut next = None;
        let mine = |watched: &&mut Watched| watched.alarm == Some(key) && watched.waker.is_some();
        for watched in self.watched.iter_mut().filter(mine) {
            if watched.ends <= now {
                wake.push(watched.waker.take());
            } else {
                next = [next, Some(watched.ends)].into_iter().flatten().min();
            }
        }
        next
    }

    pub(super) fn is_moved(&self) -> bool {
        self.is_moved
    }

    /// How many alarms have ended.
    pub(super) fn ended(&self) -> u32 {
        self.ended
    }

    /// The timers that do not know yet when to ring.
    pub(super) fn take_moved(&mut self) -> Vec<(AlarmKey, Arc<Timer>)> {
        self.is_moved = false;
        let indices = 0u32..;
        let moved = indices.zip(&mut self.list).filter_map(|(index, alarm)| {
            let alarm = alarm.as_mut()?;
            let serial = alarm.serial;
            std::mem::take(&mut alarm.is_moved)
                .then(|| (AlarmKey { index, serial }, Arc::clone(&alarm.timer)))
        });
        moved.collect()
    }

    /// When it is to ring.
    pub(super) fn at(&mut self, key: AlarmKey) -> Option<Instant> {
        self.known(key)?.at
    }

    /// `None` if it was closed.
    fn known(&mut self, key: AlarmKey) -> Option<&mut Alarm> {
        let alarm = self.list.get_mut(key.index as usize)?.as_mut()?;
        (alarm.serial == key.serial).then_some(alarm)
    }

    fn of(&self, key: AlarmKey) -> &Alarm {
        let alarm = self.list[key.index as usize].as_ref();
        alarm.expect("an alarm on which somebody relies is not closed")
    }

    fn of_mut(&mut self, key: AlarmKey) -> &mut Alarm {
        let alarm = self.list[key.index as usize].as_mut();
        alarm.expect("an alarm on which somebody relies is not closed")
    }

    /// An alarm that will ring is closed by that, any other by the last who relied on it: nothing else would tell when its
    /// runtime has ended, and its timer keeps that.
    fn close_if_over(&mut self, key: AlarmKey) {
        let alarm = self.of_mut(key);
        if alarm.attempts == 0 {
            alarm.ends = None;
        }
        if alarm.at.is_none() && alarm.is_unused() {
            self.list[key.index as usize] = None;
        }
    }
}

impl Alarm {
    fn is_unused(&self) -> bool {
        self.waiters + self.attempts == 0
    }

    /// Whether its timer has to know.
    fn move_to(&mut self, at: Instant) -> bool {
        let is_earlier = self.runtime.is_some() && self.at.is_none_or(|known| at < known);
        if is_earlier {
            self.at = Some(at);
            self.is_moved = true;
        }
        is_earlier
    }
}
