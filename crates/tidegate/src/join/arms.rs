//! What the arms of a join share with it: how they have ended, and who waits for that.

use super::{Joined, Until};
use crate::{
    cancel::{Fault, Node, Reason, ignore_poison},
    scope::{Outlet, Settled},
};
use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard},
    task::Waker,
};
use tokio::time::Instant;

/// The join's side. Dropping it before [`finish`](Ended::finish) gives failures to the node, which has no owner then,
/// so that they reach the root.
pub(super) struct Ended<T, E: Fault> {
    shared: Arc<Mutex<Shared<T, E>>>,
    node: Arc<Node>,
    arms: usize,
}

struct Shared<T, E> {
    ended: Vec<End<T, E>>,
    ok: usize,
    /// How many arms have been dropped without an outcome. While nobody was told that is the end of their runtime.
    dropped: usize,
    waker: Option<Waker>,
    /// The condition holds: what ends from now on has lost.
    decided: bool,
    /// Nobody will look at it any more.
    gone: bool,
}

struct End<T, E> {
    lost: bool,
    at: Instant,
    index: usize,
    outcome: Settled<T, E>,
}

impl<T, E: Fault> Ended<T, E> {
    pub(super) fn new(node: Arc<Node>, arms: usize) -> Self {
        let shared = Shared {
            ended: Vec::new(),
            ok: 0,
            dropped: 0,
            waker: None,
            decided: false,
            gone: false,
        };
        Ended {
            shared: Arc::new(Mutex::new(shared)),
            node,
            arms,
        }
    }

    pub(super) fn outlet(&self, index: usize) -> Arm<T, E> {
        Arm {
            shared: self.shared.clone(),
            index,
            ended: false,
        }
    }

    /// Whether the condition holds; if not, the next arm that ends wakes `waker`.
    pub(super) fn is_decided(&self, until: Until, waker: &Waker) -> bool {
        let waker = waker.clone();
        let mut shared = self.lock();
        let gone = shared.ended.len() + shared.dropped;
        if until.is_decided(self.arms, gone, shared.ok) {
            shared.decided = true;
            return true;
        }
        let old = shared.waker.replace(waker);
        drop(shared);
        drop(old);
        false
    }

    pub(super) fn are_all(&self) -> bool {
        let shared = self.lock();
        shared.ended.len() + shared.dropped == self.arms
    }

    pub(super) fn has_failed(&self, index: usize) -> bool {
        let shared = self.lock();
        let mut ended = shared.ended.iter();
        ended.any(|end| end.index == index && end.outcome.is_err())
    }

    /// The arms are gone.
    pub(super) fn finish(self) -> Joined<T, E> {
        let mut ended = mem::take(&mut self.lock().ended);
        // With an instant in common the input decides, not the order in which the arms happened to be polled; but no
        // loser comes before those that have decided the join.
        ended.sort_by_key(|end| (end.lost, end.at, end.index));
        let ended = ended.into_iter();
        let finished = ended.map(|end| (end.index, end.outcome.map_err(|failure| failure.what)));
        // An arm that was stopped without a reason had its runtime taken away.
        let reason = self.node.reason().unwrap_or(Reason::Ended);
        Joined::new(self.arms, finished.collect(), reason)
    }

    fn lock(&self) -> MutexGuard<'_, Shared<T, E>> {
        ignore_poison(self.shared.lock())
    }
}

impl<T, E: Fault> Drop for Ended<T, E> {
    fn drop(&mut self) {
        let unread = {
            let mut shared = self.lock();
            shared.gone = true;
            mem::take(&mut shared.ended)
        };
        // Values go last: their destructors may panic, and must not take a failure along.
        let mut values = Vec::new();
        for end in unread {
            match end.outcome {
                Ok(value) => values.push(value),
                Err(failure) => self.node.keep(failure.boxed()),
            }
        }
    }
}

/// Where one arm's outcome goes.
pub(super) struct Arm<T, E> {
    shared: Arc<Mutex<Shared<T, E>>>,
    index: usize,
    ended: bool,
}

impl<T, E: Fault> Outlet for Arm<T, E> {
    type Value = T;
    type Error = E;

    fn put(&mut self, outcome: Settled<T, E>) -> Option<Settled<T, E>> {
        self.ended = true;
        let at = Instant::now();
        let waker = {
            let mut shared = ignore_poison(self.shared.lock());
            if shared.gone {
                return Some(outcome);
            }
            shared.ok += usize::from(outcome.is_ok());
            let lost = shared.decided;
            shared.ended.push(End {
                lost,
                at,
                index: self.index,
                outcome,
            });
            shared.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        None
    }
}

impl<T, E> Drop for Arm<T, E> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let waker = {
            let mut shared = ignore_poison(self.shared.lock());
            shared.dropped += 1;
            shared.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
