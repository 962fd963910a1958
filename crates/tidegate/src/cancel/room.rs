//! Waiting for room among a scope's children.

use super::{
    Reason, context,
    count::NoEntry,
    node::{CANCELLED, CLOSED, Node, WAITERS, tasks},
};
use crate::sync::Ordering::AcqRel;
use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

/// Who waits for room, in order of arrival.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<(u64, Waker)>,
    next: u64,
}

impl Queue {
    /// Keeps the place at `at`; a ticket that was called, and found that somebody was faster, goes to the head.
    fn insert(&mut self, ticket: Option<u64>, at: Option<usize>, waker: Waker) -> u64 {
        let (ticket, at) = match ticket {
            Some(ticket) => (ticket, at.unwrap_or(0)),
            None => {
                self.next += 1;
                (self.next, self.waiting.len())
            }
        };
        self.waiting.insert(at, (ticket, waker));
        ticket
    }

    fn remove(&mut self, ticket: u64) -> Option<(usize, Waker)> {
        let at = self.waiting.iter().position(|(id, _)| *id == ticket)?;
        self.waiting.remove(at).map(|(_, waker)| (at, waker))
    }

    pub(super) fn call_all(&mut self, wake: &mut Vec<Waker>) {
        wake.extend(self.waiting.drain(..).map(|(_, waker)| waker));
    }
}

/// Why there is no room, now or ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoom {
    Full { limit: u32 },
    Told(Reason),
    Closed,
}

impl Node {
    /// Takes a place for a child, or says why not.
    #[inline]
    pub(crate) fn try_room(self: &Arc<Self>) -> Result<(), NoRoom> {
        self.enter().map_err(|why| self.no_room(why))
    }

    #[cold]
    pub(crate) fn no_room(&self, why: NoEntry) -> NoRoom {
        match (why, self.reason()) {
            (NoEntry::Full, _) => NoRoom::Full { limit: self.limit },
            (NoEntry::Stopped, Some(reason)) => NoRoom::Told(reason),
            // It has simply ended.
            (NoEntry::Stopped, None) => NoRoom::Closed,
        }
    }

    /// Queues for room. `None`: there is some now, or the scope has stopped; try again.
    fn queue(&self, ticket: Option<u64>, waker: &Waker) -> Option<u64> {
        let waker = waker.clone();
        let (ticket, _old) = {
            let mut inner = self.lock();
            let queue = &mut inner.cold.get_or_insert_default().queue;
            let old = ticket.and_then(|ticket| queue.remove(ticket));
            let word = self.word.fetch_or(WAITERS, AcqRel);
            if word & (CLOSED | CANCELLED) != 0 || tasks(word) < self.limit {
                (None, old)
            } else {
                (
                    Some(queue.insert(ticket, old.as_ref().map(|(at, _)| *at), waker)),
                    old,
                )
            }
        };
        ticket
    }

    /// Leaves the queue. `false`: it had been called.
    fn unqueue(&self, ticket: u64) -> bool {
        let place = self
            .lock()
            .cold
            .as_mut()
            .and_then(|cold| cold.queue.remove(ticket));
        place.is_some()
    }

    #[cold]
    pub(super) fn call_next(&self) {
        let next = {
            let mut inner = self.lock();
            let queue = &mut inner.cold.get_or_insert_default().queue;
            let next = queue.waiting.pop_front();
            if queue.waiting.is_empty() {
                self.word.fetch_and(!WAITERS, AcqRel);
            }
            next
        };
        if let Some((_, waker)) = next {
            waker.wake();
        }
    }

    #[cold]
    pub(super) fn call_all(&self) {
        let mut wake = Vec::new();
        if let Some(cold) = &mut self.lock().cold {
            cold.queue.call_all(&mut wake);
        }
        wake.into_iter().for_each(Waker::wake);
    }

    /// Whether the calling code runs in one of this node's children, however deep.
    fn is_above_caller(self: &Arc<Self>) -> bool {
        let Some((mut node, opener)) = context::current() else {
            return false;
        };
        let mut in_child = opener.is_child;
        loop {
            if Arc::ptr_eq(&node, self) {
                return in_child;
            }
            in_child = node.opener.is_child;
            let Some(parent) = node.parent.clone() else {
                return false;
            };
            node = parent;
        }
    }
}

/// Waits for a place. Dropping it leaves the queue and passes on a call that it can no longer use.
#[derive(Debug)]
pub(crate) struct Room<'n> {
    node: &'n Arc<Node>,
    ticket: Option<u64>,
}

impl<'n> Room<'n> {
    pub(crate) fn new(node: &'n Arc<Node>) -> Self {
        Room { node, ticket: None }
    }

    /// On `Ok` the place is taken.
    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), NoRoom>> {
        // What is refused is made out here: `enter` gives a byte, and the way that is taken often copies nothing.
        self.enter(cx).map_err(|why| self.node.no_room(why))
    }

    fn enter(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), NoEntry>> {
        // A loop that spawns without end must let its neighbours run.
        let budget = ready!(tokio::task::coop::poll_proceed(cx));
        loop {
            match self.node.enter() {
                Err(NoEntry::Full) if !self.node.is_above_caller() => {
                    self.ticket = self.node.queue(self.ticket, cx.waker());
                    if self.ticket.is_some() {
                        return Poll::Pending;
                    }
                }
                entered => {
                    budget.made_progress();
                    if let Some(ticket) = self.ticket.take() {
                        self.node.unqueue(ticket);
                    }
                    // A child that waits for its siblings to make room could wait for itself: it is refused.
                    return Poll::Ready(entered);
                }
            }
        }
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take()
            && !self.node.unqueue(ticket)
        {
            self.node.call_next();
        }
    }
}
