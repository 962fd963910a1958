//! The one queue of a policy: who is next, and who is told to come.
//!
//! Nothing is ever handed to a waiter. Its waker is used, and what is free stays free until it comes and takes it. A waiter
//! that does not come (its future is held but not polled) loses its place after [`OVERDUE`] until it is polled again, so that
//! it cannot block the others.

use std::{collections::BTreeMap, task::Waker, time::Duration};

use tokio::time::Instant;

/// How long a waiter may keep its place after it was told to come.
pub(super) const OVERDUE: Duration = Duration::from_millis(10);

/// Retries go ahead of first attempts: finishing what was begun frees more than beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Retry,
    First,
    Hedge,
}

/// A place in the queue; smaller is earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket {
    rank: Rank,
    seq: u64,
}

#[derive(Debug)]
struct Waiter {
    waker: Option<Waker>,
    /// Since when, or from when on, this waiter is expected: it was woken, or has set a timer.
    expected: Option<Instant>,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    present: BTreeMap<Ticket, Waiter>,
    /// Waiters including those that lost their place.
    waiting: usize,
    next_seq: u64,
    /// Wakers to use, and wakers to drop, once the lock is released: both may run foreign code.
    pub(super) wake: Vec<Waker>,
    pub(super) spent: Vec<Waker>,
}

impl Queue {
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(super) fn is_empty(&self) -> bool {
        self.present.is_empty()
    }

    pub(super) fn join(&mut self, rank: Rank) -> Ticket {
        self.waiting += 1;
        self.next_seq += 1;
        Ticket {
            rank,
            seq: self.next_seq,
        }
    }

    /// The waiter is here and can be reached by `waker`.
    pub(super) fn arrive(&mut self, ticket: Ticket, waker: &Waker) {
        let waiter = self.present.entry(ticket).or_insert(Waiter {
            waker: None,
            expected: None,
        });
        waiter.expected = None;
        if !waiter
            .waker
            .as_ref()
            .is_some_and(|known| known.will_wake(waker))
        {
            self.spent.extend(waiter.waker.replace(waker.clone()));
        }
    }

    /// Ends the wait of `ticket` for good. Whether it was the head.
    pub(super) fn leave(&mut self, ticket: Ticket) -> bool {
        self.waiting -= 1;
        let was_head = self.present.keys().next() == Some(&ticket);
        if let Some(waiter) = self.present.remove(&ticket) {
            self.spent.extend(waiter.waker);
        }
        was_head
    }

    /// The first waiter that is here.
    pub(super) fn head(&mut self, now: Instant) -> Option<Ticket> {
        while let Some(entry) = self.present.first_entry() {
            if entry.get().expected.is_none_or(|at| now < at + OVERDUE) {
                return Some(*entry.key());
            }
            self.spent.extend(entry.remove().waker);
        }
        None
    }

    /// When the head will be overdue, if it should have come by now.
    pub(super) fn overdue_at(&self, now: Instant) -> Option<Instant> {
        let (_, head) = self.present.first_key_value()?;
        head.expected.filter(|at| *at <= now).map(|at| at + OVERDUE)
    }

    /// How many waiters are ahead of `ticket`.
    pub(super) fn ahead_of(&self, ticket: Ticket) -> usize {
        self.present.range(..ticket).count()
    }

    /// The waiter has set a timer for `at`.
    pub(super) fn expect(&mut self, ticket: Ticket, at: Instant) {
        if let Some(waiter) = self.present.get_mut(&ticket) {
            waiter.expected = Some(at);
        }
    }

    /// Tells the head that it may go at `at`, unless it comes by then anyway.
    pub(super) fn call_head(&mut self, now: Instant, at: Instant) {
        if self.head(now).is_none() {
            return;
        }
        if let Some(mut entry) = self.present.first_entry() {
            let head = entry.get_mut();
            if head.expected.is_none_or(|expected| expected > at.max(now)) {
                head.expected = Some(now);
                self.wake.extend(head.waker.take());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrived(queue: &mut Queue, rank: Rank) -> Ticket {
        let ticket = queue.join(rank);
        queue.arrive(ticket, Waker::noop());
        ticket
    }

    #[test]
    fn retries_are_ahead_of_first_attempts_and_each_rank_keeps_its_order() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let first = [Rank::First, Rank::First].map(|rank| arrived(&mut queue, rank));
        let retry = [Rank::Retry, Rank::Retry].map(|rank| arrived(&mut queue, rank));
        for ticket in [retry[0], retry[1], first[0], first[1]] {
            assert_eq!(queue.head(now), Some(ticket));
            assert!(queue.leave(ticket));
        }
        assert_eq!((queue.head(now), queue.waiting()), (None, 0));
    }

    #[test]
    fn a_waiter_that_was_called_and_does_not_come_loses_its_place_until_it_does() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let [absent, next] = [Rank::First, Rank::First].map(|rank| arrived(&mut queue, rank));
        queue.call_head(now, now);
        assert_eq!(queue.wake.len(), 1);
        assert_eq!(queue.head(now), Some(absent));
        assert_eq!(queue.head(now + OVERDUE), Some(next));
        queue.arrive(absent, Waker::noop());
        assert_eq!(queue.head(now + OVERDUE), Some(absent));
        assert_eq!(queue.waiting(), 2);
    }

    #[test]
    fn a_waiter_that_comes_by_itself_in_time_is_not_called() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let ticket = arrived(&mut queue, Rank::First);
        let due = now + OVERDUE;
        queue.expect(ticket, due);
        queue.call_head(now, due);
        assert!(queue.wake.is_empty());
        queue.call_head(now, now);
        assert_eq!(queue.wake.len(), 1);
    }
}
