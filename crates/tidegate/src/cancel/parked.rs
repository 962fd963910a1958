//! Who must be woken when a node is told, and, for reports, who is there at all.

use super::{
    ignore_poison,
    node::{Node, Site},
    pulse::{Look, Polling},
    reason::Reason,
    slab::{NONE, Slab},
};
use crate::sync::MutexGuard;
use std::{sync::Arc, task::Waker, time::Duration};
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

/// An `Option` of an entry's place in 4 bytes: every child holds one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(u32);

impl Key {
    pub(crate) const NONE: Key = Key(NONE);

    #[inline]
    pub(super) fn raw(self) -> u32 {
        self.0
    }

    #[inline]
    pub(crate) fn get(self) -> Option<u32> {
        (self != Key::NONE).then_some(self.0)
    }
}

impl Default for Key {
    fn default() -> Key {
        Key::NONE
    }
}

impl From<u32> for Key {
    fn from(key: u32) -> Key {
        Key(key)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Child,
    /// A child that was told and stays, as a shield is open in it.
    Shielded,
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
    pub(crate) fn rearm(&self, key: u32, waker: Waker, kind: Kind) -> bool {
        let old = {
            let mut parked = self.lock_parked();
            let Some(entry) = parked.get_mut(key) else {
                return false;
            };
            entry.kind = kind;
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

    /// What still runs in this node and below, for a report. `since` is an earlier look at what is being polled.
    pub(crate) fn survey(self: &Arc<Self>, since: &Look) -> Vec<Survey> {
        let mut polls = since.again();
        let mut found = Vec::new();
        let mut nodes = vec![self.clone()];
        while let Some(node) = nodes.pop() {
            nodes.extend(node.lock().nested.iter().cloned());
            if !node.is_idle() {
                node.survey_own(&mut polls, &mut found);
            }
        }
        found
    }

    fn survey_own(&self, polls: &mut Vec<Polling>, found: &mut Vec<Survey>) {
        let (path, told) = (self.path(), self.told());
        let survey = |name: Option<&str>, at, doing| Survey {
            path: name.map_or_else(|| path.clone(), |name| format!("{path}/{name}")),
            at,
            doing,
            reason: told.map(|told| told.reason),
            told_at: told.map(|told| told.at),
        };
        let before = found.len();
        {
            let parked = self.lock_parked();
            let children = parked
                .iter_keyed()
                .filter(|(_, entry)| entry.kind != Kind::Watcher);
            for (key, entry) in children {
                let poll = polls
                    .iter()
                    .find(|poll| poll.scope == self.id.serial && poll.key == Some(key));
                let doing = match (poll, entry.kind) {
                    (Some(poll), _) => Doing::Polled(poll.lasted),
                    (None, Kind::Thread) => Doing::Thread,
                    // Woken when told, and not seen since.
                    (None, _) if entry.waker.is_none() => Doing::Starved,
                    (None, Kind::Shielded) => Doing::Shielded,
                    (None, _) => Doing::Waiting,
                };
                found.push(survey(Some(entry.name), entry.at, doing));
            }
        }
        let seen = u32::try_from(found.len() - before).unwrap_or(u32::MAX);
        let mut unseen = self.children().saturating_sub(seen);
        polls.retain(|poll| {
            let first = unseen > 0 && poll.scope == self.id.serial && poll.key.is_none();
            if first {
                unseen -= 1;
                let at = poll.at.unwrap_or(self.id.at);
                found.push(survey(None, at, Doing::Polled(poll.lasted)));
            }
            !first
        });
        if unseen > 0 {
            found.push(survey(None, self.id.at, Doing::NotPolled(unseen)));
        }
    }
}

/// One child that still runs, or several that were never polled and are therefore known by number only.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) path: String,
    pub(crate) at: Site,
    pub(crate) doing: Doing,
    pub(crate) reason: Option<Reason>,
    pub(crate) told_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Doing {
    /// In a poll, for so long at least.
    Polled(Duration),
    Thread,
    Starved,
    Shielded,
    Waiting,
    NotPolled(u32),
}
