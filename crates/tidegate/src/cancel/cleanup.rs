//! Deferred clean-ups: futures that a scope runs itself after its last child, the last deferred first.

use super::{
    Fault, Site, What,
    count::NoEntry,
    node::{CLEANUPS, CLOSED, Node, ORPHAN, TASK, busy},
};
use crate::sync::Ordering::{AcqRel, Acquire};
use std::{fmt, future::Future, mem, pin::Pin, sync::Arc, time::Duration};
use tokio::runtime::Handle;

/// The work of a clean-up, its error erased as every error in a node is.
pub(crate) type CleanupWork = Pin<Box<dyn Future<Output = Result<(), Box<dyn Fault>>> + Send>>;

/// Spawns the task that runs the clean-ups of a node, which has taken a place for it.
pub(crate) type Start = fn(&Arc<Node>, &Handle);

pub(crate) struct Cleanup {
    pub(crate) name: &'static str,
    pub(crate) at: Site,
    pub(crate) within: Duration,
    pub(crate) work: CleanupWork,
}

impl fmt::Debug for Cleanup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cleanup").field(&self.name).finish()
    }
}

#[derive(Debug, Default)]
pub(super) struct Cleanups {
    waiting: Vec<(u64, Cleanup)>,
    next: u64,
    /// Kept from the first one on: the last child may leave where there is no runtime.
    start: Option<(Handle, Start)>,
}

impl Node {
    /// Keeps a clean-up until the last child has left. `None`: the node has ended, and `cleanup` was not called.
    pub(crate) fn defer(
        &self,
        runtime: Handle,
        start: Start,
        cleanup: impl FnOnce() -> Cleanup,
    ) -> Option<u64> {
        let mut inner = self.lock();
        let cleanups = &mut inner.cold.get_or_insert_default().cleanups;
        let word = self.word.fetch_or(CLEANUPS, AcqRel);
        // An idle node without an owner is buried, or about to be.
        if word & CLOSED != 0 || (word & ORPHAN != 0 && busy(word) == 0) {
            if cleanups.waiting.is_empty() {
                self.word.fetch_and(!CLEANUPS, AcqRel);
            }
            return None;
        }
        cleanups.start.get_or_insert((runtime, start));
        cleanups.next += 1;
        let id = cleanups.next;
        cleanups.waiting.push((id, cleanup()));
        Some(id)
    }

    /// Takes back a clean-up that has not begun.
    pub(crate) fn disarm(&self, id: u64) -> Option<Cleanup> {
        let mut inner = self.lock();
        let waiting = &mut inner.cold.as_mut()?.cleanups.waiting;
        let at = waiting.iter().position(|(key, _)| *key == id)?;
        let (_, cleanup) = waiting.remove(at);
        if waiting.is_empty() {
            self.word.fetch_and(!CLEANUPS, AcqRel);
        }
        Some(cleanup)
    }

    /// The next clean-up to be run.
    pub(crate) fn take_cleanup(&self) -> Option<Cleanup> {
        let mut inner = self.lock();
        let waiting = &mut inner.cold.as_mut()?.cleanups.waiting;
        let next = waiting.pop();
        if waiting.is_empty() {
            self.word.fetch_and(!CLEANUPS, AcqRel);
        }
        next.map(|(_, cleanup)| cleanup)
    }

    /// For the owner: starts the clean-ups if nothing else runs any more.
    pub(crate) fn clean_up(self: &Arc<Self>) {
        let word = self.word.load(Acquire);
        if word & CLEANUPS == 0 || busy(word) != 0 {
            return;
        }
        match self.enter_late() {
            Ok(()) => self.start_cleanups(),
            Err(_) => self.give_up_cleanups(),
        }
    }

    /// The owner is gone and nothing runs: starts the clean-ups, if a living parent can wait for them.
    pub(super) fn clean_up_orphan(self: &Arc<Self>) -> bool {
        let entered: Result<(), NoEntry> = self.enter_first(TASK, CLOSED, u32::MAX);
        if entered.is_err() {
            self.give_up_cleanups();
            return false;
        }
        self.start_cleanups();
        true
    }

    /// As `clean_up_orphan`, by the last child to leave: the parent still counts this node for it. `false`: and for
    /// somebody else, who has entered meanwhile.
    pub(super) fn clean_up_counted(self: &Arc<Self>) -> bool {
        let before = self.word.fetch_add(TASK, AcqRel);
        self.start_cleanups();
        busy(before) == 0
    }

    /// A place has been taken for the task.
    fn start_cleanups(self: &Arc<Self>) {
        let start = {
            let inner = self.lock();
            let cleanups = inner.cold.as_ref().map(|cold| &cold.cleanups);
            cleanups.and_then(|cleanups| cleanups.start.clone())
        };
        match start {
            Some((runtime, start)) => start(self, &runtime),
            None => self.leave_child(),
        }
    }

    /// Nobody will run them: each is one of the scope's failures.
    pub(crate) fn give_up_cleanups(&self) {
        let left = {
            let mut inner = self.lock();
            let waiting = inner
                .cold
                .as_mut()
                .map(|cold| mem::take(&mut cold.cleanups.waiting));
            self.word.fetch_and(!CLEANUPS, AcqRel);
            waiting.unwrap_or_default()
        };
        for (_, cleanup) in left.into_iter().rev() {
            self.cleanup_failed(cleanup.name, cleanup.at, What::NotRun);
        }
    }
}
