//! Counting what runs: the ways into a node and out of it.

use super::{
    Reason,
    node::{
        BACKGROUND, CANCELLED, CLEANUPS, CLOSED, JOINING, LINKED, NESTED, Node, ORPHAN, TASK,
        WAITERS, busy, tasks,
    },
};
use crate::sync::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::Arc;

impl Node {
    /// Takes a place for a child.
    #[inline]
    pub(crate) fn enter(self: &Arc<Self>) -> Result<(), NoEntry> {
        self.enter_unit(TASK, CLOSED | CANCELLED, self.limit)
    }

    /// Takes a place for work that has to be done also while the node is stopping, whatever its limit.
    pub(crate) fn enter_late(self: &Arc<Self>) -> Result<(), NoEntry> {
        self.enter_unit(TASK, CLOSED, u32::MAX)
    }

    #[inline]
    fn enter_unit(self: &Arc<Self>, unit: u64, stopped: u64, limit: u32) -> Result<(), NoEntry> {
        let mut word = self.word.load(Relaxed);
        loop {
            check(word, stopped, limit)?;
            if busy(word) == 0 {
                // An idle node without an owner is buried, or about to be.
                let buried = if unit == TASK { ORPHAN } else { 0 };
                return self.enter_first(unit, stopped | buried, limit);
            }
            match self
                .word
                .compare_exchange_weak(word, word + unit, AcqRel, Relaxed)
            {
                Ok(_) => return Ok(()),
                Err(now) => word = now,
            }
        }
    }

    /// The way from 0 to 1: the parent counts this node first (invariant 1).
    pub(super) fn enter_first(
        self: &Arc<Self>,
        unit: u64,
        stopped: u64,
        limit: u32,
    ) -> Result<(), NoEntry> {
        self.link();
        if let Some(parent) = &self.parent
            && parent.enter_unit(NESTED, CLOSED, u32::MAX).is_err()
        {
            self.cancel(Reason::Ended, None);
            self.unlink();
            return Err(NoEntry::Stopped);
        }
        self.enter_tenure();
        let mut word = self.word.load(Relaxed);
        let result = loop {
            if let Err(refused) = check(word, stopped, limit) {
                break Err(refused);
            }
            match self
                .word
                .compare_exchange_weak(word, word + unit, AcqRel, Relaxed)
            {
                Ok(_) => break Ok(()),
                Err(now) => word = now,
            }
        };
        // Nobody took the way from 0 to 1, or somebody else did meanwhile and has paid for it.
        if result.is_err() || busy(word) != 0 {
            self.leave_tenure();
            if let Some(parent) = &self.parent {
                parent.leave(NESTED);
            }
        }
        result
    }

    pub(crate) fn leave_child(self: &Arc<Self>) {
        self.leave(TASK);
    }

    fn leave(self: &Arc<Self>, mut unit: u64) {
        let mut node = self;
        loop {
            let before = node.word.fetch_sub(unit, AcqRel);
            if before & WAITERS != 0 && unit == TASK {
                node.call_next();
            }
            let after = before - unit;
            // Without children of its own the owner is done, or has to look at what nobody polls any more.
            if after & JOINING != 0 && tasks(after) == 0 {
                let owner = node.lock().owner.take();
                if let Some(owner) = owner {
                    owner.wake();
                }
            }
            if busy(after) != 0 {
                return;
            }
            if before & ORPHAN != 0 {
                if before & CLEANUPS == 0 {
                    node.bury();
                } else if node.clean_up_counted() {
                    // The parent goes on counting this node for its clean-ups.
                    return;
                }
            }
            node.leave_tenure();
            let Some(parent) = &node.parent else { return };
            node = parent;
            unit = NESTED;
        }
    }

    /// Whether nothing runs in or below this node.
    pub(crate) fn is_idle(&self) -> bool {
        busy(self.word.load(Acquire)) == 0
    }

    pub(crate) fn is_orphan(&self) -> bool {
        self.word.load(Acquire) & ORPHAN != 0
    }

    /// The number of children that run in this node itself.
    pub(crate) fn children(&self) -> u32 {
        tasks(self.word.load(Acquire))
    }

    /// Ends the node if nothing runs in it any more and nothing is left to clean up.
    pub(crate) fn try_close(&self) -> bool {
        let mut word = self.word.load(Acquire);
        loop {
            if busy(word) != 0 || word & CLEANUPS != 0 {
                return false;
            }
            match self
                .word
                .compare_exchange_weak(word, word | CLOSED, AcqRel, Acquire)
            {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        if word & LINKED != 0 {
            self.unlink();
        }
        if word & WAITERS != 0 {
            self.call_all();
        }
        if word & BACKGROUND != 0 {
            self.drop_background();
        }
        true
    }
}

/// Why a child got no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoEntry {
    Full,
    Stopped,
}

#[inline]
fn check(word: u64, stopped: u64, limit: u32) -> Result<(), NoEntry> {
    if word & stopped != 0 {
        Err(NoEntry::Stopped)
    } else if tasks(word) >= limit {
        Err(NoEntry::Full)
    } else {
        Ok(())
    }
}
