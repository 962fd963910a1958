//! Who must be woken when a node is told, and, for reports, who is there at all.

use super::{
    ignore_poison,
    node::{Node, Site},
    reason::Reason,
    slab::Slab,
};
use crate::sync::MutexGuard;
use std::{sync::Arc, task::Waker};
use tokio::{task, time::Instant};

/// A child enters at its first `Pending`: one that never waits costs nothing here.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Gone once woken.
    pub(crate) waker: Option<Waker>,
    pub(crate) name: &'static str,
    pub(crate) at: Site,
    pub(crate) kind: Kind,
    /// The task, so that it can be told alone.
    pub(crate) task: Option<task::Id>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Child,
    Thread,
    Watcher,
}

impl Entry {
    pub(super) fn take_waker(&mut self) -> Option<Waker> {
        self.waker.take()
    }
}

impl Node {
    pub(super) fn lock_parked(&self) -> MutexGuard<'_, Slab<Entry>> {
        ignore_poison(self.parked.lock())
    }

    /// Asks to be woken when told. `None`: that has already come.
    #[inline]
    pub(crate) fn park(&self, entry: Entry) -> Option<u32> {
        {
            let mut parked = self.lock_parked();
            if !self.is_told() {
                return Some(parked.insert(entry));
            }
        }
        None
    }

    /// As `park`, also when told already: woken again when the hard instant comes nearer.
    pub(crate) fn park_told(&self, entry: Entry) -> u32 {
        self.lock_parked().insert(entry)
    }

    /// Renews the waker of an entry that may have been woken. `false`: it is no longer there.
    pub(crate) fn rearm(&self, key: u32, waker: Waker) -> bool {
        let old = {
            let mut parked = self.lock_parked();
            let Some(entry) = parked.get_mut(key) else {
                return false;
            };
            entry.waker.replace(waker)
        };
        drop(old);
        true
    }

    #[inline]
    pub(crate) fn unpark(&self, key: u32) {
        let old = self.lock_parked().remove(key);
        drop(old);
    }

    /// What still runs in this node and below, for a report.
    pub(crate) fn survey(self: &Arc<Self>) -> Vec<Survey> {
        let mut found = Vec::new();
        let mut nodes = vec![self.clone()];
        while let Some(node) = nodes.pop() {
            nodes.extend(node.lock().nested.iter().cloned());
            if node.is_idle() {
                continue;
            }
            let (path, told) = (node.path(), node.told());
            let survey = |name: Option<&str>, at, kind, woken, counted| Survey {
                path: name.map_or_else(|| path.clone(), |name| format!("{path}/{name}")),
                at,
                kind,
                woken,
                counted,
                reason: told.map(|told| told.reason),
                told_at: told.map(|told| told.at),
            };
            let before = found.len();
            for entry in node
                .lock_parked()
                .iter()
                .filter(|entry| entry.kind != Kind::Watcher)
            {
                found.push(survey(
                    Some(entry.name),
                    entry.at,
                    entry.kind,
                    entry.waker.is_none(),
                    None,
                ));
            }
            let seen = u32::try_from(found.len() - before).unwrap_or(u32::MAX);
            let unseen = node.children().saturating_sub(seen);
            if unseen > 0 {
                found.push(survey(None, node.id.at, Kind::Child, true, Some(unseen)));
            }
        }
        found
    }
}

/// One child that still runs, or several that have never waited and are therefore known by number only.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) path: String,
    pub(crate) at: Site,
    pub(crate) kind: Kind,
    /// Told, and not polled to its next wait since.
    pub(crate) woken: bool,
    /// Not one child, but so many.
    pub(crate) counted: Option<u32>,
    pub(crate) reason: Option<Reason>,
    pub(crate) told_at: Option<Instant>,
}
