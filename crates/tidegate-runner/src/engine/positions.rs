//! Which positions are open, and the order in which outcomes become final.

use crate::{
    journal::{Mark, Settled},
    plan::Order,
};
use std::collections::BTreeMap;

/// The positions that were read and are not settled, and outcomes that wait for their turn.
///
/// Invariants
/// 1. A position is in `open` from the moment it is read until its outcome goes into a commit.
/// 2. With [`Order::Input`] outcomes leave in the order of positions; one that finishes early waits in `early`.
#[derive(Debug)]
pub(super) struct Positions<T> {
    order: Order,
    open: BTreeMap<u64, Mark>,
    settled: Settled,
    /// Where the source goes on after the last record read.
    next: Mark,
    early: BTreeMap<u64, T>,
}

impl<T> Positions<T> {
    pub(super) fn new(order: Order, settled: Settled, next: Mark) -> Positions<T> {
        Positions {
            order,
            open: BTreeMap::new(),
            settled,
            next,
            early: BTreeMap::new(),
        }
    }

    /// A record has been read.
    pub(super) fn open(&mut self, position: u64, start: Mark) {
        self.open.insert(position, start);
    }

    /// The source goes on here after the last record read.
    pub(super) fn advance(&mut self, next: Mark) {
        self.next = next;
    }

    /// How far reading is ahead of the first open position.
    pub(super) fn ahead(&self, position: u64) -> u64 {
        self.open
            .first_key_value()
            .map_or(0, |(first, _)| position.saturating_sub(*first))
    }

    /// The first open position.
    fn first_open(&self) -> Option<u64> {
        self.open.first_key_value().map(|(first, _)| *first)
    }

    /// An outcome: given back, its position settled, if it is final now. Else [`Positions::next_final`] gives it when the
    /// positions before it are settled.
    pub(super) fn outcome(&mut self, position: u64, outcome: T) -> Option<T> {
        if self.order == Order::Input && self.first_open() != Some(position) {
            self.early.insert(position, outcome);
            return None;
        }
        self.settle(position);
        Some(outcome)
    }

    /// An outcome whose turn has come. Each is settled when it is given, not before: a commit in between must not count
    /// as settled what is not in it.
    pub(super) fn next_final(&mut self) -> Option<T> {
        let first = self.first_open()?;
        let outcome = self.early.remove(&first)?;
        self.settle(first);
        Some(outcome)
    }

    /// A position that needs no commit of its own, or whose outcome is in the next one.
    fn settle(&mut self, position: u64) {
        self.open.remove(&position);
        self.settled.insert(position);
    }

    /// The settled positions, and where the first open one is.
    pub(super) fn progress(&self) -> (Vec<u8>, Mark) {
        (self.settled.to_bytes(), self.mark())
    }

    pub(super) fn mark(&self) -> Mark {
        self.open
            .first_key_value()
            .map_or(self.next, |(_, mark)| *mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u64) -> Mark {
        Mark { offset, line: 1 }
    }

    fn three(order: Order) -> Positions<u64> {
        let mut positions = Positions::new(order, Settled::default(), at(0));
        (0..3).for_each(|position| positions.open(position, at(position * 10)));
        positions.advance(at(30));
        positions
    }

    fn settled(positions: &Positions<u64>) -> u64 {
        let (settled, _) = positions.progress();
        Settled::from_bytes(&settled).expect("own bytes").count()
    }

    #[test]
    fn the_mark_stays_at_the_first_open_position() {
        let mut positions = three(Order::Any);
        assert_eq!(positions.outcome(1, 1), Some(1));
        assert_eq!(positions.mark(), at(0));
        assert_eq!(positions.outcome(0, 0), Some(0));
        assert_eq!(positions.mark(), at(20));
        assert_eq!(positions.outcome(2, 2), Some(2));
        assert_eq!(positions.mark(), at(30));
    }

    #[test]
    fn outcomes_leave_in_the_order_of_the_input() {
        let mut positions = three(Order::Input);
        assert_eq!(positions.outcome(2, 2), None);
        assert_eq!(positions.outcome(1, 1), None);
        assert_eq!((positions.next_final(), positions.mark()), (None, at(0)));
        assert_eq!(positions.outcome(0, 0), Some(0));
        assert_eq!(positions.next_final(), Some(1));
        assert_eq!(positions.next_final(), Some(2));
        assert_eq!((positions.next_final(), positions.mark()), (None, at(30)));
    }

    #[test]
    fn a_position_is_settled_when_its_outcome_is_given_and_not_before() {
        let mut positions = three(Order::Input);
        positions.outcome(1, 1);
        positions.outcome(2, 2);
        assert_eq!(settled(&positions), 0);
        positions.outcome(0, 0);
        assert_eq!(settled(&positions), 1);
        positions.next_final();
        assert_eq!((settled(&positions), positions.mark()), (2, at(20)));
    }
}
