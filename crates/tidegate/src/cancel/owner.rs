//! The owner's side of a node: waiting for it, leaving it behind, and what has failed in it.

use super::{
    Failure, Fault, Orphan, Panic, Payload, Reason, Role, Site, What,
    node::{CANCELLED, CLEANUPS, JOINING, Node, ORPHAN, busy, tasks},
};
use crate::sync::Ordering::{AcqRel, Acquire};
use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::Waker,
};

/// What a root does with a failure that nobody is there to read.
#[derive(Clone)]
pub(crate) struct OnUnclaimed(pub(crate) Arc<dyn Fn(&Orphan) + Send + Sync>);

/// Failures without an owner that a root keeps; of more it keeps the number.
const MAX_UNCLAIMED: usize = 1024;

/// Failures that stop nobody and that a node keeps for its owner; more go to the root at once.
const MAX_KEPT: usize = 1024;

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
    pub(crate) fn orphan(self: &Arc<Self>) {
        let owner = self.lock().owner.take();
        drop(owner);
        let before = self.word.fetch_or(ORPHAN, AcqRel);
        if busy(before) == 0 && (before & CLEANUPS == 0 || !self.clean_up_orphan()) {
            self.bury();
        }
    }

    /// In the owner's join: what runs below, now that body and children are gone, belongs to scopes whose futures nobody
    /// in here can poll any more. They are told, as if they had been dropped. `true`: one had not been told before.
    pub(crate) fn end_unpolled(&self) -> bool {
        let word = self.word.load(Acquire);
        if tasks(word) != 0 || busy(word) == 0 {
            return false;
        }
        let nested: Vec<_> = {
            let inner = self.lock();
            let scopes = inner.nested.iter();
            scopes
                .filter(|node| node.role != Role::Background && !node.is_told())
                .cloned()
                .collect()
        };
        for node in &nested {
            node.cancel_dropped();
        }
        !nested.is_empty()
    }

    /// Leaves the parent's list and gives the root what nobody has read.
    pub(super) fn bury(&self) {
        self.unlink();
        self.drop_background();
        for failure in self.last_failures() {
            self.give_root(failure);
        }
    }

    fn give_root(&self, failure: Failure<Box<dyn Fault>>) {
        let scope = self.path();
        let mut root = self;
        while let Some(parent) = &root.parent {
            root = parent;
        }
        root.claim(Orphan { scope, failure });
    }

    /// At a root: takes a failure that nobody was there to read.
    fn claim(&self, orphan: Orphan) {
        let hook = self
            .lock()
            .cold
            .as_ref()
            .and_then(|cold| cold.on_unclaimed.clone());
        // A panic here would leave the count of the parents wrong. The panic hook has told of it.
        let user_code = |code: &mut dyn FnMut()| drop(catch_unwind(AssertUnwindSafe(code)));
        if let Some(OnUnclaimed(hook)) = hook {
            user_code(&mut || hook(&orphan));
        }
        let mut surplus = Some(orphan);
        {
            let mut inner = self.lock();
            let cold = inner.cold.get_or_insert_default();
            if cold.unclaimed.len() < MAX_UNCLAIMED {
                cold.unclaimed.extend(surplus.take());
            } else {
                cold.unclaimed_lost += 1;
            }
        }
        user_code(&mut || drop(surplus.take()));
    }

    /// At a root: calls `hook` for every failure that nobody is there to read.
    pub(crate) fn on_unclaimed(&self, hook: OnUnclaimed) {
        self.lock().cold.get_or_insert_default().on_unclaimed = Some(hook);
    }

    pub(crate) fn failed<E: Fault>(&self, task: &'static str, at: Site, error: E) {
        self.fail(task, at, What::Error(Box::new(error)));
    }

    pub(crate) fn panicked(&self, task: &'static str, at: Site, payload: Payload) {
        self.fail(task, at, What::Panic(Panic::new(payload)));
    }

    pub(crate) fn cleanup_failed(&self, task: &'static str, at: Site, what: What<Box<dyn Fault>>) {
        self.fail(task, at, what);
    }

    fn fail(&self, task: &'static str, at: Site, what: What<Box<dyn Fault>>) {
        if let Some(parent) = self
            .parent
            .as_ref()
            .filter(|_| self.role == Role::Background)
        {
            return parent.fail(task, at, what);
        }
        let reason = match &what {
            What::Panic(_) => Reason::ChildPanicked { task, at },
            What::Error(_) | What::CutShort { .. } | What::NotRun => {
                Reason::ChildFailed { task, at }
            }
        };
        self.record(task, at, what);
        self.cancel(reason, None);
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

    /// Takes in a failure that is to stop nobody. When the owner has given its report, or has too many, the root gets it.
    pub(crate) fn keep(&self, failure: Failure<Box<dyn Fault>>) {
        if let Some(parent) = self
            .parent
            .as_ref()
            .filter(|_| self.role == Role::Background)
        {
            return parent.keep(failure);
        }
        let surplus = {
            let mut inner = self.lock();
            let reported = inner.reported;
            let failures = &mut inner.cold.get_or_insert_default().failures;
            if reported || failures.len() >= MAX_KEPT {
                Some(failure)
            } else {
                failures.push(failure);
                None
            }
        };
        if let Some(failure) = surplus {
            self.give_root(failure);
        }
    }

    /// What has failed so far, for the owner's report. What is kept later goes to the root.
    pub(crate) fn last_failures(&self) -> Vec<Failure<Box<dyn Fault>>> {
        self.lock().reported = true;
        self.take_failures()
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
