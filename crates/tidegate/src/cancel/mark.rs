//! Telling a subtree to stop, and how a node comes to be told by its parent.

use super::{
    Reason, Role, context,
    node::{CANCELLED, CLOSED, LINKED, Node, SINGLED, TOLD},
    parked::Entry,
    reason::{Deadline, Told},
    slab::NONE,
};
use crate::sync::Ordering::{AcqRel, Acquire, Relaxed};
use std::{mem, sync::Arc, task::Waker, time::Duration};
use tokio::{task, time::Instant};

impl Node {
    /// One load: is there anything but plain running to do?
    #[inline]
    pub(crate) fn look(&self) -> bool {
        self.look.load(Acquire) != 0
    }

    /// Whether the word has arrived here; one load.
    #[inline]
    pub(crate) fn is_told(&self) -> bool {
        self.look.load(Acquire) & TOLD != 0
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.told().is_some()
    }

    pub(crate) fn reason(&self) -> Option<Reason> {
        self.told().map(|told| told.reason)
    }

    pub(crate) fn told_at(&self) -> Option<Instant> {
        self.told().map(|told| told.at)
    }

    /// A node that is not linked yet has not been told itself; its parent speaks for it.
    pub(crate) fn told(&self) -> Option<Told> {
        let mut node = self;
        loop {
            let word = node.word.load(Acquire);
            if word & CANCELLED != 0 {
                return node.told.get().copied();
            }
            if word & LINKED != 0 || node.role == Role::Shield {
                return None;
            }
            let parent = node.parent.as_ref()?;
            // The child that opened it may have been told alone.
            if let Some(told) = node.opener.task.and_then(|opener| parent.singled(opener)) {
                return Some(told);
            }
            node = parent;
        }
    }

    /// When everything in here is forced; `None`: only its own grace bounds what runs.
    pub(crate) fn hard(&self) -> Option<Instant> {
        let here = self.lock().cold.as_ref().and_then(|cold| cold.hard);
        if self.role == Role::Shield || self.word.load(Acquire) & LINKED != 0 {
            return here;
        }
        // As in `told`: the parent speaks for it.
        let told = self.told();
        let own = self
            .grace
            .zip(told)
            .map(|(grace, told)| after(told.at, grace));
        let above = self.parent.as_ref().and_then(|parent| parent.hard());
        [here, own, above].into_iter().flatten().min()
    }

    /// When code that was told at `told` and has `grace` is forced.
    pub(crate) fn force_at(&self, told: Instant, grace: Duration) -> Instant {
        let own = after(told, grace);
        self.hard().map_or(own, |hard| hard.min(own))
    }

    /// Tells this scope and all below it, now. The first reason stays; a later call may only bring `hard` nearer.
    pub(crate) fn cancel(&self, reason: Reason, hard: Option<Instant>) {
        self.tell(
            Told {
                reason,
                at: Instant::now(),
            },
            hard,
        );
    }

    /// The deadline has passed, and it is this scope's own.
    pub(crate) fn cancel_by_deadline(&self) {
        if let Some(Deadline { at, declared_by }) = self.deadline {
            self.tell(
                Told {
                    reason: Reason::Deadline { declared_by },
                    at,
                },
                None,
            );
        }
    }

    /// Everything below is marked before anybody is woken: a child that runs at once on another thread and drops a
    /// scope finds there the reason that made it do so.
    pub(crate) fn tell(&self, told: Told, hard: Option<Instant>) {
        // What the parent was told comes first, also when it has not arrived here yet.
        let told = self.told().unwrap_or(told);
        let mut below = Vec::new();
        let mut wake = Vec::new();
        self.mark(told, hard, &mut below, &mut wake);
        while let Some((node, told, hard)) = below.pop() {
            node.mark(told, hard, &mut below, &mut wake);
        }
        wake.into_iter().for_each(Waker::wake);
    }

    /// Sets the state of this node only; adds who is to be told next and who is to be woken.
    fn mark(
        &self,
        told: Told,
        hard: Option<Instant>,
        below: &mut Vec<(Arc<Node>, Told, Option<Instant>)>,
        wake: &mut Vec<Waker>,
    ) {
        let first = self.told.set(told).is_ok();
        // Of two that tell at once the one that came first here is heard below, by whoever gets there.
        let told = *self.told.get().expect("it was set, now or before");
        let own = if first {
            self.grace.map(|grace| after(told.at, grace))
        } else {
            None
        };
        let wish = [hard, own].into_iter().flatten().min();
        {
            let mut inner = self.lock();
            let mut nearer = false;
            if let Some(wish) = wish {
                let hard = &mut inner.cold.get_or_insert_default().hard;
                nearer = hard.is_none_or(|now| wish < now);
                *hard = Some(hard.map_or(wish, |now| now.min(wish)));
            }
            if !first && !nearer {
                return;
            }
            self.word.fetch_or(CANCELLED, AcqRel);
            self.look.fetch_or(TOLD, AcqRel);
            let hard = inner.cold.as_ref().and_then(|cold| cold.hard);
            let open = inner.nested.iter().filter(|node| !node.is_masked());
            below.extend(open.map(|node| (node.clone(), told, hard)));
            wake.extend(inner.owner.take());
            if let Some(cold) = &mut inner.cold {
                cold.queue.call_all(wake);
            }
        }
        // The entries stay, so that a report can name who has not come back.
        wake.extend(self.lock_parked().iter_mut().filter_map(Entry::take_waker));
    }

    /// For an owner that is dropped: the decision that made it so, if there is one, else `OwnerDropped`.
    pub(crate) fn cancel_dropped(&self) {
        let above = self.parent.as_ref();
        let told = self.told().unwrap_or_else(|| {
            let above = above.and_then(|above| above.told());
            // One child may have been told alone, with what it has opened.
            let decision = above.or_else(context::told).map(|told| told.reason);
            Told {
                reason: decision.unwrap_or(Reason::OwnerDropped),
                // Not when that was told: what stood in a shield hears of it only now, and has its whole grace.
                at: Instant::now(),
            }
        });
        // What stood in a shield has heard nothing of the end that its parent is given.
        self.tell(told, above.and_then(|above| above.hard()));
    }

    /// Whether what the parent is told stops here: an open shield.
    fn is_masked(&self) -> bool {
        self.role == Role::Shield && !self.is_told()
    }

    /// For a shield that is over: whatever it has left behind ends with the parent again.
    pub(crate) fn unmask(self: &Arc<Self>) {
        if !self.is_idle() {
            self.cancel_dropped();
            // Once more, as the parent may have been told before this node was seen to be open.
            self.cancel_dropped();
        }
        self.orphan();
    }

    /// Tells one child alone, and the scopes that it has opened. It has its own grace, and at most the node's. Does nothing
    /// when the node was told: the first word stays.
    pub(crate) fn cancel_task(&self, id: task::Id, reason: Reason) {
        let told = Told {
            reason,
            at: Instant::now(),
        };
        let below: Vec<_> = {
            let mut inner = self.lock();
            if self.word.load(Acquire) & CANCELLED != 0 {
                // The child has been told already, or is about to be: the first word stays.
                return;
            }
            let singled = &mut inner.cold.get_or_insert_default().singled;
            if singled.iter().any(|(marked, _)| *marked == id) {
                return;
            }
            singled.push((id, told));
            self.look.fetch_or(SINGLED, AcqRel);
            inner
                .nested
                .iter()
                .filter(|node| node.role == Role::Scope && node.opener.task == Some(id))
                .cloned()
                .collect()
        };
        // After the mark: a child that parks later looks for it then.
        let wake: Vec<_> = self
            .lock_parked()
            .iter_mut()
            .filter(|entry| entry.task == Some(id))
            .filter_map(Entry::take_waker)
            .collect();
        for node in below {
            node.tell(told, None);
        }
        wake.into_iter().for_each(Waker::wake);
    }

    /// What the child was told alone.
    pub(crate) fn singled(&self, id: task::Id) -> Option<Told> {
        if self.look.load(Acquire) & SINGLED == 0 {
            return None;
        }
        let inner = self.lock();
        let singled = &inner.cold.as_ref()?.singled;
        let (_, told) = singled.iter().find(|(marked, _)| *marked == id)?;
        Some(*told)
    }

    /// The child has ended; its siblings need not look any more.
    pub(crate) fn forget_singled(&self, id: task::Id) {
        if self.look.load(Acquire) & SINGLED == 0 {
            return;
        }
        let mut inner = self.lock();
        let Some(cold) = &mut inner.cold else { return };
        cold.singled.retain(|(marked, _)| *marked != id);
        if cold.singled.is_empty() {
            self.look.fetch_and(!SINGLED, AcqRel);
        }
    }

    /// Makes this node known to its parent, once, or takes over what the parent was told already.
    pub(crate) fn link(self: &Arc<Self>) {
        let Some(parent) = &self.parent else { return };
        if self.word.load(Relaxed) & LINKED != 0 || self.word.fetch_or(LINKED, AcqRel) & LINKED != 0
        {
            return;
        }
        parent.link();
        let (key, told, hard) = {
            let mut above = parent.lock();
            let key = above.nested.insert(self.clone());
            let cold = above.cold.as_ref();
            match self.role {
                Role::Shield => (key, None, None),
                Role::Scope | Role::Background => {
                    let is_told = parent.word.load(Acquire) & CANCELLED != 0;
                    let hard = cold.filter(|_| is_told).and_then(|cold| cold.hard);
                    // The child that opened it may have been told alone, which was then first.
                    let mut singled = cold.map(|cold| &cold.singled).into_iter().flatten();
                    let alone = self
                        .opener
                        .task
                        .and_then(|opener| singled.find(|(marked, _)| *marked == opener));
                    let above = parent.told.get().filter(|_| is_told);
                    (key, alone.map(|(_, told)| told).or(above).copied(), hard)
                }
            }
        };
        self.lock().link = key;
        if let Some(told) = told {
            self.tell(told, hard);
        }
        // The owner may have ended meanwhile, before there was anything to unlink.
        if self.is_idle() && (self.word.load(Acquire) & CLOSED != 0 || self.is_orphan()) {
            self.unlink();
        }
    }

    pub(super) fn unlink(&self) {
        let key = mem::replace(&mut self.lock().link, NONE);
        if key != NONE
            && let Some(parent) = &self.parent
        {
            let node = parent.lock().nested.remove(key);
            drop(node);
        }
    }
}

/// `at + time`, or as good as never.
pub(crate) fn after(at: Instant, time: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    at.checked_add(time).unwrap_or_else(|| at + NEVER)
}
