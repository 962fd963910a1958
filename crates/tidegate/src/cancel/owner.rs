//! The owner's side of a node: waiting for it, leaving it behind, and what has failed in it.

use super::{
    Failure, Fault, Orphan, Panic, Payload, Reason, Site, What,
    node::{CANCELLED, JOINING, Node, ORPHAN, busy},
};
use std::{mem, sync::atomic::Ordering::AcqRel, task::Waker};

/// Failures without an owner that a root keeps; of more it keeps the number.
const MAX_UNCLAIMED: usize = 1024;

impl Node {
    /// Stores who is to be woken when told, and when `joining` also on the last child's end.
    /// Returns whether there is something to do now instead of waiting.
    pub(crate) fn park_owner(&self, waker: &Waker, joining: bool) -> bool {
        let waker = waker.clone();
        let old = self.lock().owner.replace(waker);
        drop(old);
        let word = self
            .word
            .fetch_or(if joining { JOINING } else { 0 }, AcqRel);
        if joining {
            busy(word) == 0
        } else {
            word & CANCELLED != 0
        }
    }

    /// The owner is gone. Whoever ends last, it or the last child, tidies up.
    pub(crate) fn orphan(&self) {
        let owner = self.lock().owner.take();
        drop(owner);
        let before = self.word.fetch_or(ORPHAN, AcqRel);
        if busy(before) == 0 {
            self.bury();
        }
    }

    /// Leaves the parent's list and gives the root what nobody has read.
    pub(super) fn bury(&self) {
        self.unlink();
        let left = self.take_failures();
        if left.is_empty() {
            return;
        }
        let path = self.path();
        let mut root = self;
        while let Some(parent) = &root.parent {
            root = parent;
        }
        let mut left = left.into_iter().map(|failure| Orphan {
            scope: path.clone(),
            failure,
        });
        {
            let mut inner = root.lock();
            let cold = inner.cold.get_or_insert_default();
            let room = MAX_UNCLAIMED.saturating_sub(cold.unclaimed.len());
            cold.unclaimed.extend(left.by_ref().take(room));
            cold.unclaimed_lost += left.len() as u64;
        }
        drop(left);
    }

    pub(crate) fn failed<E: Fault>(&self, task: &'static str, at: Site, error: E) {
        self.record(task, at, What::Error(Box::new(error)));
        self.cancel(Reason::ChildFailed { task, at }, None);
    }

    pub(crate) fn panicked(&self, task: &'static str, at: Site, payload: Payload) {
        self.record(task, at, What::Panic(Panic::new(payload)));
        self.cancel(Reason::ChildPanicked { task, at }, None);
    }

    fn record(&self, task: &'static str, at: Site, what: What<Box<dyn Fault>>) {
        let failure = Failure {
            task,
            at,
            after_cancel: self.is_cancelled(),
            what,
        };
        self.lock()
            .cold
            .get_or_insert_default()
            .failures
            .push(failure);
    }

    /// What has failed so far, in the order in which it did.
    pub(crate) fn take_failures(&self) -> Vec<Failure<Box<dyn Fault>>> {
        self.lock()
            .cold
            .as_mut()
            .map(|cold| mem::take(&mut cold.failures))
            .unwrap_or_default()
    }

    /// At a root: failures of scopes without an owner, and the number of those not kept.
    pub(crate) fn take_unclaimed(&self) -> (Vec<Orphan>, u64) {
        let mut inner = self.lock();
        let cold = inner.cold.as_mut();
        cold.map(|cold| {
            (
                mem::take(&mut cold.unclaimed),
                mem::take(&mut cold.unclaimed_lost),
            )
        })
        .unwrap_or_default()
    }
}
