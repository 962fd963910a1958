//! The one queue of a policy: who is next, and who is told to come.
//!
//! Nothing is ever handed to a waiter. It is *called*: its waker is used, and one of the permits that are free is kept for it
//! until it comes and takes it. A waiter that does not come (its future is held but not polled) loses its place after
//! [`OVERDUE`] until it is polled again, so that it cannot block the others.
//!
//! | a waiter is | in line | a permit is kept for it |
//! |---|---|---|
//! | waiting | yes | no |
//! | called | no | yes, for [`OVERDUE`] |
//! | absent: did not come, or its time is over | no | no |
//!
//! What must stay true:
//! 1. A waiter is in the line of its rank, among the called, or absent; only its owner ends its wait.
//! 2. Lines are in the order of coming, the called in the order of calling. A waiter that comes back regains its place.
//! 3. No deadline of a waiter that is not absent is before [`Queue::expires`].

use std::{task::Waker, time::Duration};

use tokio::time::Instant;

use super::{alarm::AlarmKey, config, wakers::Wakers};

/// How long a permit is kept for a waiter that was called.
pub(super) const OVERDUE: Duration = Duration::from_millis(10);

/// Retries go ahead of first attempts: finishing what was begun frees more than beginning. Hedges go behind all: what they
/// are to replace is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Retry,
    First,
    Hedge,
}

/// Who of a rank is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The oldest: what is next proves whether the service is back, and one that has failed to goes behind all others.
    OldestFirst,
    /// The newest once the oldest has waited long, if the policy says so.
    ByAge,
}

const RANKS: [Rank; 3] = [Rank::Retry, Rank::First, Rank::Hedge];

/// A wait in the queue. It is ended by [`Queue::leave`], and not used after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(u32);

/// Stands for no waiter.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    InLine,
    Called,
    Absent,
    /// Nobody's: to be used again.
    Free,
}

#[derive(Debug)]
struct Waiter {
    /// It has one unless it was told to look for itself.
    waker: Option<Waker>,
    alarm: AlarmKey,
    rank: Rank,
    place: Place,
    seq: u64,
    joined: Instant,
    /// From here on it is only told that it is too late.
    expires: Option<Instant>,
    called: Instant,
    previous: u32,
    next: u32,
}

/// A list through [`Waiter::previous`] and [`Waiter::next`].
#[derive(Clone, Copy, Debug)]
struct Line {
    first: u32,
    last: u32,
    len: usize,
}

impl Line {
    const EMPTY: Self = Self {
        first: NONE,
        last: NONE,
        len: 0,
    };
}

#[derive(Debug)]
pub(super) struct Queue {
    pub(super) max_waiting: usize,
    newest_first_after: Option<Duration>,
    waiters: Vec<Waiter>,
    /// The first of the free places; each leads to the next.
    free: u32,
    lines: [Line; RANKS.len()],
    called: Line,
    /// Waiters by rank, wherever they are.
    present: [usize; RANKS.len()],
    next_seq: u64,
    /// No waiter's time is over earlier.
    expires: Option<Instant>,
    /// Nobody in line has a waker.
    all_told: bool,
    /// To be used, and to be dropped, once the lock is released: both may run foreign code.
    pub(super) wake: Wakers,
    pub(super) spent: Wakers,
}

impl Queue {
    pub(super) fn new(config: &config::Queue) -> Self {
        Self {
            max_waiting: config.max_waiting,
            newest_first_after: config.newest_first_after,
            waiters: Vec::new(),
            free: NONE,
            lines: [Line::EMPTY; RANKS.len()],
            called: Line::EMPTY,
            present: [0; RANKS.len()],
            next_seq: 0,
            expires: None,
            all_told: false,
            wake: Wakers::default(),
            spent: Wakers::default(),
        }
    }

    /// What to wake and what to drop, if there is anything.
    pub(super) fn take_aside(&mut self) -> Option<(Wakers, Wakers)> {
        if self.wake.is_empty() && self.spent.is_empty() {
            return None;
        }
        Some((
            std::mem::take(&mut self.wake),
            std::mem::take(&mut self.spent),
        ))
    }

    /// Calls that wait. A hedge is none: the call it belongs to is in flight.
    pub(super) fn waiting(&self) -> usize {
        self.present[Rank::Retry as usize] + self.present[Rank::First as usize]
    }

    /// How many permits are kept for waiters that were called.
    pub(super) fn called(&self) -> usize {
        self.called.len
    }

    pub(super) fn nobody_in_line(&self) -> bool {
        self.lines.iter().all(|line| line.len == 0)
    }

    /// Nobody is in line or was called.
    pub(super) fn nobody_is_there(&self) -> bool {
        self.called.len == 0 && self.nobody_in_line()
    }

    /// Joins the end of the line of `rank`.
    pub(super) fn join(
        &mut self,
        rank: Rank,
        waker: &Waker,
        alarm: AlarmKey,
        expires: Option<Instant>,
        now: Instant,
    ) -> Ticket {
        self.present[rank as usize] += 1;
        self.next_seq += 1;
        self.expires = [self.expires, expires].into_iter().flatten().min();
        let waiter = Waiter {
            waker: Some(waker.clone()),
            alarm,
            rank,
            place: Place::Absent,
            seq: self.next_seq,
            joined: now,
            expires,
            called: now,
            previous: NONE,
            next: NONE,
        };
        let index = self.free;
        let index = if index == NONE {
            // There are fewer than 2^32 futures in memory.
            self.waiters.push(waiter);
            (self.waiters.len() - 1) as u32
        } else {
            self.free = self.waiters[index as usize].next;
            self.waiters[index as usize] = waiter;
            index
        };
        self.put_in_line(index);
        Ticket(index)
    }

    pub(super) fn was_called(&self, ticket: Ticket) -> bool {
        self.waiters[ticket.0 as usize].place == Place::Called
    }

    /// The alarm that it relies on, if it is in line and reached by `waker`.
    pub(super) fn reaches(&self, ticket: Ticket, waker: &Waker) -> Option<AlarmKey> {
        let waiter = &self.waiters[ticket.0 as usize];
        let known = waiter.waker.as_ref()?;
        (waiter.place == Place::InLine && known.will_wake(waker)).then_some(waiter.alarm)
    }

    /// The waiter stands in line from here on, in its place, and is reached by `waker`. Returns the alarm it had before.
    pub(super) fn stand(&mut self, ticket: Ticket, waker: &Waker, alarm: AlarmKey) -> AlarmKey {
        self.take_out(ticket.0);
        let waiter = &mut self.waiters[ticket.0 as usize];
        self.spent.push(waiter.waker.replace(waker.clone()));
        let before = std::mem::replace(&mut waiter.alarm, alarm);
        let expires = waiter.expires;
        self.expires = [self.expires, expires].into_iter().flatten().min();
        self.put_in_line(ticket.0);
        before
    }

    /// Ends the wait of `ticket` for good.
    pub(super) fn leave(&mut self, ticket: Ticket) -> Left {
        let was_called = self.waiters[ticket.0 as usize].place == Place::Called;
        self.take_out(ticket.0);
        let waiter = &mut self.waiters[ticket.0 as usize];
        self.present[waiter.rank as usize] -= 1;
        waiter.place = Place::Free;
        waiter.next = std::mem::replace(&mut self.free, ticket.0);
        Left {
            was_called,
            joined: waiter.joined,
            alarm: waiter.alarm,
            waker: waiter.waker.take(),
        }
    }

    /// The waiter that is next. Those in front of it whose time is over go out of line and are told to come and hear so.
    pub(super) fn head(&mut self, order: Order, now: Instant) -> Option<Ticket> {
        for rank in RANKS {
            loop {
                let line = self.lines[rank as usize];
                if line.len == 0 {
                    break;
                }
                let newest_first = order == Order::ByAge
                    && !self.is_over(line.first, now)
                    && self.stands(line, now);
                let index = if newest_first { line.last } else { line.first };
                if !self.is_over(index, now) {
                    return Some(Ticket(index));
                }
                self.send_home(index);
            }
        }
        None
    }

    /// Calls the one who is next. `false` if there is nobody.
    pub(super) fn call_head(&mut self, order: Order, now: Instant) -> bool {
        let Some(Ticket(index)) = self.head(order, now) else {
            return false;
        };
        self.take_out(index);
        let waiter = &mut self.waiters[index as usize];
        waiter.place = Place::Called;
        waiter.called = now;
        self.wake.push(waiter.waker.clone());
        let last = self.called.last;
        self.link(index, last, NONE);
        true
    }

    /// Those who were called and have not come in time lose the permits that were kept for them.
    pub(super) fn give_up_overdue(&mut self, now: Instant) {
        while self.overdue_at().is_some_and(|at| at <= now) {
            let index = self.called.first;
            self.take_out(index);
            self.waiters[index as usize].place = Place::Absent;
        }
    }

    /// When the first of those who were called will be overdue.
    pub(super) fn overdue_at(&self) -> Option<Instant> {
        let first = self.waiters.get(self.called.first as usize)?;
        Some(first.called + OVERDUE)
    }

    /// Tells all whose time is over to come and hear so.
    pub(super) fn tell_expired(&mut self, now: Instant) {
        if self.expires.is_none_or(|at| at > now) {
            return;
        }
        for line in self.lines {
            let mut index = line.first;
            while index != NONE {
                let next = self.waiters[index as usize].next;
                if self.is_over(index, now) {
                    self.send_home(index);
                }
                index = next;
            }
        }
        let present = self
            .waiters
            .iter()
            .filter(|waiter| matches!(waiter.place, Place::InLine | Place::Called));
        self.expires = present.filter_map(|waiter| waiter.expires).min();
    }

    /// When the first of the waiters' times may be over.
    pub(super) fn expires(&self) -> Option<Instant> {
        self.expires
    }

    /// Tells all in line to look for themselves.
    pub(super) fn tell_all(&mut self) {
        if std::mem::replace(&mut self.all_told, true) {
            return;
        }
        for waiter in &mut self.waiters {
            if waiter.place == Place::InLine {
                self.wake.push(waiter.waker.take());
            }
        }
    }

    /// Whether the oldest in some line has waited so long that the newest is next.
    pub(super) fn stands_in_a_line(&self, now: Instant) -> bool {
        self.lines[..=Rank::First as usize]
            .iter()
            .any(|line| line.len > 0 && self.stands(*line, now))
    }

    /// How many are served before one that joins now as `rank`, at least.
    pub(super) fn ahead_of(&self, rank: Rank) -> usize {
        let lines = match self.newest_first_after {
            // Any of its own rank may be overtaken.
            Some(_) => &self.lines[..rank as usize],
            None => &self.lines[..=rank as usize],
        };
        self.called.len + lines.iter().map(|line| line.len).sum::<usize>()
    }

    fn is_over(&self, index: u32, now: Instant) -> bool {
        self.waiters[index as usize]
            .expires
            .is_some_and(|at| at <= now)
    }

    /// Whether the oldest in line has waited so long that the newest is next.
    fn stands(&self, line: Line, now: Instant) -> bool {
        let oldest = &self.waiters[line.first as usize];
        let waited = now.saturating_duration_since(oldest.joined);
        self.newest_first_after.is_some_and(|after| waited >= after)
    }

    /// Out of line, and told to come and hear that its time is over.
    fn send_home(&mut self, index: u32) {
        self.take_out(index);
        let waiter = &mut self.waiters[index as usize];
        waiter.place = Place::Absent;
        self.wake.push(waiter.waker.take());
    }

    /// At the end as a rule; one that comes back passes over those who came later.
    fn put_in_line(&mut self, index: u32) {
        self.all_told = false;
        let Waiter { rank, seq, .. } = self.waiters[index as usize];
        self.waiters[index as usize].place = Place::InLine;
        let line = self.lines[rank as usize];
        if line.len == 0 || self.waiters[line.last as usize].seq < seq {
            return self.link(index, line.last, NONE);
        }
        let mut next = line.first;
        while self.waiters[next as usize].seq < seq {
            next = self.waiters[next as usize].next;
        }
        let previous = self.waiters[next as usize].previous;
        self.link(index, previous, next);
    }

    fn line_of(&mut self, index: u32) -> Option<&mut Line> {
        let waiter = &self.waiters[index as usize];
        match waiter.place {
            Place::InLine => Some(&mut self.lines[waiter.rank as usize]),
            Place::Called => Some(&mut self.called),
            Place::Absent | Place::Free => None,
        }
    }

    /// Into the list of its place, between two neighbours there.
    fn link(&mut self, index: u32, previous: u32, next: u32) {
        let waiter = &mut self.waiters[index as usize];
        waiter.previous = previous;
        waiter.next = next;
        if let Some(waiter) = self.waiters.get_mut(previous as usize) {
            waiter.next = index;
        }
        if let Some(waiter) = self.waiters.get_mut(next as usize) {
            waiter.previous = index;
        }
        let line = self.line_of(index).expect("a waiter is linked where it is");
        line.len += 1;
        if previous == NONE {
            line.first = index;
        }
        if next == NONE {
            line.last = index;
        }
    }

    /// Out of the list of its place, if that has one.
    fn take_out(&mut self, index: u32) {
        let Waiter { previous, next, .. } = self.waiters[index as usize];
        let Some(line) = self.line_of(index) else {
            return;
        };
        line.len -= 1;
        if previous == NONE {
            line.first = next;
        }
        if next == NONE {
            line.last = previous;
        }
        if let Some(waiter) = self.waiters.get_mut(previous as usize) {
            waiter.next = next;
        }
        if let Some(waiter) = self.waiters.get_mut(next as usize) {
            waiter.previous = previous;
        }
    }
}

/// What a waiter leaves behind.
#[derive(Debug)]
pub(super) struct Left {
    /// A permit was kept for it.
    pub(super) was_called: bool,
    pub(super) joined: Instant,
    pub(super) alarm: AlarmKey,
    pub(super) waker: Option<Waker>,
}

#[cfg(test)]
mod tests;
