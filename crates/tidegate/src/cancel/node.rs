//! One scope's shared state: its only allocation, not generic over the user's types. Here: what is counted.
//!
//! Invariants
//! 1. `word` counts the running children (TASK) and the nested scopes that have running children (NESTED). While a
//!    node's count is above 0 its parent counts it at least once: the parent is entered before the count leaves 0 and
//!    left after the count is back at 0. So a count of 0 at the root means: nothing runs below.
//! 2. CLOSED is set only by an exchange that sees a count of 0; nothing enters a closed node.
//! 3. `told` is set before CANCELLED and `stop`, and these before any waker is taken from `parked`: whoever parks under
//!    that lock and does not see `stop` will be woken.
//! 4. Only children count, never the owner: an owner that is forgotten delays nobody.
//! 5. No user code (wakers, destructors of errors) runs while a lock is held.
//! 6. A failure is recorded before its child gives up its place.
//!
//! Lock order: a thread holds at most one of all the locks of all the nodes, so there is none to get wrong.

use super::{
    Fault, Orphan, Panic, Payload, What, ignore_poison,
    outcome::Failure,
    parked::Entry,
    reason::{Deadline, Reason, ScopeId, Told},
    room::Queue,
    slab::{NONE, Slab},
};
use std::{
    mem,
    panic::Location,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{AcqRel, Acquire, Relaxed},
        },
    },
    task::Waker,
    time::Duration,
};
use tokio::time::Instant;

/// Where something was spawned or opened.
pub(crate) type Site = &'static Location<'static>;

pub(super) const CLOSED: u64 = 1;
pub(super) const CANCELLED: u64 = 1 << 1;
/// The body is done; the owner waits for the count to reach 0.
const JOINING: u64 = 1 << 2;
/// Somebody waits for room.
pub(super) const WAITERS: u64 = 1 << 3;
/// The owner is gone; the last child to leave tidies up.
const ORPHAN: u64 = 1 << 4;
/// Known to the parent, so that what the parent is told arrives here.
pub(super) const LINKED: u64 = 1 << 5;
const TASK: u64 = 1 << 8;
const NESTED: u64 = 1 << 36;

/// The most children that a node can count.
pub(crate) const MAX_CHILDREN: u32 = (1 << 28) - 1;

/// Failures without an owner that a root keeps; of more it keeps the number.
const MAX_UNCLAIMED: usize = 1024;

const fn busy(word: u64) -> u64 {
    word >> 8
}

pub(super) const fn tasks(word: u64) -> u32 {
    ((word >> 8) & MAX_CHILDREN as u64) as u32
}

/// In this order in memory: what every spawn and every end writes, what is locked, what polls only read.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Node {
    pub(super) word: AtomicU64,
    pub(super) inner: Mutex<Inner>,
    /// Who must be woken when told: children that have returned `Pending`, threads, watchers.
    pub(super) parked: Mutex<Slab<Entry>>,
    pub(super) told: OnceLock<Told>,
    /// Repeats CANCELLED on a line that polls only read.
    pub(super) stop: AtomicBool,
    pub(crate) opened_by_child: bool,
    pub(crate) limit: u32,
    /// How long after `told` everything in here is forced. `None`: only an ancestor's or a caller's wish bounds it.
    pub(super) grace: Option<Duration>,
    /// The earliest of the scope's own and its ancestors'.
    pub(crate) deadline: Option<Deadline>,
    pub(crate) id: ScopeId,
    pub(crate) parent: Option<Arc<Node>>,
}

#[derive(Debug)]
pub(super) struct Inner {
    /// The key in the parent's `nested`.
    pub(super) link: u32,
    pub(super) nested: Slab<Arc<Node>>,
    pub(super) owner: Option<Waker>,
    pub(super) cold: Option<Box<Cold>>,
}

/// What most scopes never need.
#[derive(Debug, Default)]
pub(super) struct Cold {
    /// When everything is forced. May only come nearer.
    pub(super) hard: Option<Instant>,
    pub(super) queue: Queue,
    failures: Vec<Failure<Box<dyn Fault>>>,
    /// At a root only: failures of scopes without an owner.
    unclaimed: Vec<Orphan>,
    unclaimed_lost: u64,
}

/// How a node differs from others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeOpts {
    pub(crate) name: &'static str,
    pub(crate) at: Site,
    pub(crate) deadline: Option<Instant>,
    pub(crate) grace: Option<Duration>,
    pub(crate) limit: u32,
}

impl Node {
    pub(crate) fn new(parent: Option<(Arc<Node>, bool)>, opts: NodeOpts) -> Arc<Node> {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let id = ScopeId {
            name: opts.name,
            at: opts.at,
            serial: SERIAL.fetch_add(1, Relaxed),
        };
        let (parent, opened_by_child) =
            parent.map_or((None, false), |(node, child)| (Some(node), child));
        let inherited = parent.as_ref().and_then(|parent| parent.deadline);
        let own = opts.deadline.map(|at| Deadline {
            at,
            declared_by: id,
        });
        Arc::new(Node {
            word: AtomicU64::new(0),
            inner: Mutex::new(Inner {
                link: NONE,
                nested: Slab::new(),
                owner: None,
                cold: None,
            }),
            parked: Mutex::new(Slab::new()),
            told: OnceLock::new(),
            stop: AtomicBool::new(false),
            opened_by_child,
            limit: opts.limit.min(MAX_CHILDREN),
            grace: opts.grace,
            // On a tie the outer one has declared it.
            deadline: match (own, inherited) {
                (Some(own), Some(above)) if own.at < above.at => Some(own),
                (Some(own), None) => Some(own),
                (_, above) => above,
            },
            id,
            parent,
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        ignore_poison(self.inner.lock())
    }

    /// The deadline, if this scope is the one that keeps its timer.
    #[inline]
    pub(crate) fn own_deadline(&self) -> Option<Instant> {
        self.deadline
            .filter(|deadline| deadline.declared_by == self.id)
            .map(|deadline| deadline.at)
    }

    /// The names from below the root down to here.
    pub(crate) fn path(&self) -> String {
        let mut names = vec![self.id.name];
        let mut node = self.parent.as_ref();
        while let Some(above) = node {
            // The root has no name that anybody gave it.
            if above.parent.is_some() {
                names.push(above.id.name);
            }
            node = above.parent.as_ref();
        }
        names.reverse();
        names.join("/")
    }

    // Counting.

    /// Takes a place for a child.
    #[inline]
    pub(crate) fn enter(self: &Arc<Self>) -> Result<(), NoEntry> {
        self.enter_unit(TASK, CLOSED | CANCELLED, self.limit)
    }

    #[inline]
    fn enter_unit(self: &Arc<Self>, unit: u64, stopped: u64, limit: u32) -> Result<(), NoEntry> {
        let mut word = self.word.load(Relaxed);
        loop {
            check(word, stopped, limit)?;
            if busy(word) == 0 {
                return self.enter_first(unit, stopped, limit);
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
    fn enter_first(self: &Arc<Self>, unit: u64, stopped: u64, limit: u32) -> Result<(), NoEntry> {
        self.link();
        if let Some(parent) = &self.parent
            && parent.enter_unit(NESTED, CLOSED, u32::MAX).is_err()
        {
            self.cancel(Reason::Ended, None);
            return Err(NoEntry::Stopped);
        }
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
        if (result.is_err() || busy(word) != 0)
            && let Some(parent) = &self.parent
        {
            parent.leave(NESTED);
        }
        result
    }

    pub(crate) fn leave_child(&self) {
        self.leave(TASK);
    }

    fn leave(&self, mut unit: u64) {
        let mut node = self;
        loop {
            let before = node.word.fetch_sub(unit, AcqRel);
            if before & WAITERS != 0 && unit == TASK {
                node.call_next();
            }
            if busy(before - unit) != 0 {
                return;
            }
            if before & JOINING != 0 {
                let owner = node.lock().owner.take();
                if let Some(owner) = owner {
                    owner.wake();
                }
            }
            if before & ORPHAN != 0 {
                node.bury();
            }
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

    /// Ends the node if nothing runs in it any more.
    pub(crate) fn try_close(&self) -> bool {
        let mut word = self.word.load(Acquire);
        loop {
            if busy(word) != 0 {
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
        true
    }

    // The owner.

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
    fn bury(&self) {
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

    // Outcomes.

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
