//! What is between a source and its consumer: counts, and results in the order in which they may be taken. Pure.

use super::{Concurrent, Order};
use std::{collections::VecDeque, mem};

/// Bounds the items that run and those that are held at all: waiting, running, or with a result not yet taken.
#[derive(Debug)]
pub(super) struct Window<R> {
    at_once: usize,
    most_held: usize,
    order: Order,
    /// Results; in the order of the input also the places of those still to come.
    places: VecDeque<Option<R>>,
    /// The number of the item whose place is the first one.
    first: u64,
    next: u64,
    running: usize,
    held: usize,
}

impl<R> Window<R> {
    pub(super) fn new(opts: &Concurrent) -> Self {
        Window {
            at_once: opts.at_once,
            most_held: opts.most_held(),
            order: opts.order,
            places: VecDeque::new(),
            first: 0,
            next: 0,
            running: 0,
            held: 0,
        }
    }

    /// Whether one more may be taken from the source.
    pub(super) fn has_room(&self) -> bool {
        self.held < self.most_held
    }

    /// Whether one more may run.
    pub(super) fn may_start(&self) -> bool {
        self.running < self.at_once
    }

    /// An item has come from the source; gives its number.
    pub(super) fn admit(&mut self) -> u64 {
        self.held += 1;
        if self.order == Order::Input {
            self.places.push_back(None);
        }
        self.next += 1;
        self.next - 1
    }

    pub(super) fn start(&mut self) {
        self.running += 1;
    }

    pub(super) fn end(&mut self, number: u64, result: R) {
        self.running -= 1;
        match self.order {
            Order::Any => self.places.push_back(Some(result)),
            Order::Input => {
                let place = usize::try_from(number - self.first)
                    .ok()
                    .and_then(|place| self.places.get_mut(place));
                *place.expect("a place stays until its result is taken") = Some(result);
            }
        }
    }

    /// The result that is to be taken next, if it is there.
    pub(super) fn front(&self) -> Option<&R> {
        self.places.front()?.as_ref()
    }

    pub(super) fn take(&mut self) -> Option<R> {
        self.front()?;
        self.first += 1;
        self.held -= 1;
        self.places.pop_front()?
    }

    /// The source is gone, and what was taken from it and has not run never will.
    pub(super) fn give_up_waiting(&mut self) {
        if self.running == 0 {
            self.places.retain(Option::is_some);
            self.held = self.places.len();
        }
    }

    /// Nothing waits, runs, or has a result.
    pub(super) fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Numbers of what runs and of what is held, for a look from outside.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.running, self.held)
    }

    /// Nobody will take a result any more, and no item may end any more.
    pub(super) fn clear(&mut self) -> VecDeque<Option<R>> {
        mem::take(&mut self.places)
    }
}
