//! One scope's shared state: its only allocation, not generic over the user's types. Here: what it holds, and what must
//! stay true.
//!
//! Invariants
//! 1. `word` counts the running children (TASK) and the nested scopes that have running children (NESTED). While a
//!    node's count is above 0 its parent counts it at least once: the parent is entered before the count leaves 0 and
//!    left after the count is back at 0. So a count of 0 at the root means: nothing runs below.
//! 2. CLOSED is set only by an exchange that sees a count of 0; nothing enters a closed node.
//! 3. `told` is set before CANCELLED and `look`, and these before any waker is taken from `parked`: whoever parks under
//!    that lock and does not see `look` will be woken. For one child alone: it parks first and looks for its mark then.
//! 4. Only children count, never the owner: an owner that is forgotten delays nobody.
//! 5. No user code (wakers, destructors of errors) runs while a lock is held.
//! 6. A failure is recorded before its child gives up its place.
//! 7. CLEANUPS is set while there are deferred clean-ups; a node with that bit is not closed and not buried.
//! 8. What a node is told does not enter a masked one below it: that is what a shield stands for.
//!
//! Lock order: a thread holds at most one of all the locks of all the nodes, so there is none to get wrong.

use super::{
    Fault, Orphan, Tenure,
    cleanup::Cleanups,
    ignore_poison,
    outcome::Failure,
    owner::OnUnclaimed,
    parked::Entry,
    reason::{Deadline, ScopeId, Told},
    room::Queue,
    slab::{NONE, Slab},
};
use crate::sync::{AtomicU8, AtomicU64, Mutex, MutexGuard};
use std::{
    fmt,
    panic::Location,
    sync::{Arc, OnceLock},
    task::Waker,
    time::Duration,
};
use tokio::{task, time::Instant};

/// Where something was spawned or opened.
pub(crate) type Site = &'static Location<'static>;

pub(super) const CLOSED: u64 = 1;
pub(super) const CANCELLED: u64 = 1 << 1;
/// The body is done; the owner waits for the count to reach 0.
pub(super) const JOINING: u64 = 1 << 2;
/// Somebody waits for room.
pub(super) const WAITERS: u64 = 1 << 3;
/// The owner is gone; the last child to leave tidies up.
pub(super) const ORPHAN: u64 = 1 << 4;
/// Known to the parent, so that what the parent is told arrives here.
pub(super) const LINKED: u64 = 1 << 5;
/// There is, or was, a hidden node for background children.
pub(super) const BACKGROUND: u64 = 1 << 6;
/// There are deferred clean-ups that have not begun.
pub(super) const CLEANUPS: u64 = 1 << 7;
pub(super) const TASK: u64 = 1 << 8;
pub(super) const NESTED: u64 = 1 << 36;

/// In `look`: the node was told.
pub(super) const TOLD: u8 = 1;
/// In `look`: one of its children was told alone, and has not ended yet. Further bits are free for whoever has to be seen
/// by every child at its next poll.
pub(super) const SINGLED: u8 = 1 << 1;

/// The most children that a node can count.
pub(crate) const MAX_CHILDREN: u32 = (1 << 28) - 1;

pub(super) const fn busy(word: u64) -> u64 {
    word >> 8
}

pub(super) const fn tasks(word: u64) -> u32 {
    ((word >> 8) & MAX_CHILDREN as u64) as u32
}

/// In this order in memory: what every spawn and every end writes, what is locked, what polls only read.
#[repr(C)]
pub(crate) struct Node {
    pub(super) word: AtomicU64,
    pub(super) inner: Mutex<Inner>,
    /// Who must be woken when told: children that have returned `Pending`, threads, watchers.
    pub(super) parked: Mutex<Slab<Entry>>,
    pub(super) told: OnceLock<Told>,
    /// Whether there is anything but plain running to do; on a line that polls only read.
    pub(super) look: AtomicU8,
    pub(crate) opener: Opener,
    pub(super) role: Role,
    pub(crate) limit: u32,
    /// How long after `told` everything in here is forced. `None`: only an ancestor's or a caller's wish bounds it.
    pub(super) grace: Option<Duration>,
    /// The earliest of the scope's own and its ancestors'.
    pub(crate) deadline: Option<Deadline>,
    pub(crate) id: ScopeId,
    pub(crate) parent: Option<Arc<Node>>,
    /// What its opener has taken and gives back only when the node, too, runs nothing any more.
    pub(super) tenure: Option<Arc<dyn Tenure>>,
}

/// What a node stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A scope, or a root.
    Scope,
    /// The background children of its parent, which their failures belong to.
    Background,
    /// The inside of a shield: what the parent is told does not reach it.
    Shield,
}

/// What kind of code opened a node.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Opener {
    /// A child of the parent; else the parent's body, or nobody.
    pub(crate) is_child: bool,
    /// The task that is being polled at that moment.
    pub(crate) task: Option<task::Id>,
}

pub(super) struct Inner {
    /// The key in the parent's `nested`.
    pub(super) link: u32,
    /// The owner has taken the failures for the last time.
    pub(super) reported: bool,
    pub(super) nested: Slab<Arc<Node>>,
    pub(super) owner: Option<Waker>,
    pub(super) cold: Option<Box<Cold>>,
}

/// What most scopes never need.
#[derive(Default)]
pub(super) struct Cold {
    /// When everything is forced. May only come nearer.
    pub(super) hard: Option<Instant>,
    pub(super) queue: Queue,
    pub(super) background: Option<Arc<Node>>,
    pub(super) cleanups: Cleanups,
    /// Children that were told alone; a mark goes when its child has ended.
    pub(super) singled: Vec<(task::Id, Told)>,
    pub(super) failures: Vec<Failure<Box<dyn Fault>>>,
    /// At a root only: failures of scopes without an owner.
    pub(super) unclaimed: Vec<Orphan>,
    pub(super) unclaimed_lost: u64,
    pub(super) on_unclaimed: Option<OnUnclaimed>,
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
    pub(crate) fn new(
        parent: Option<Arc<Node>>,
        opener: Opener,
        role: Role,
        opts: NodeOpts,
    ) -> Arc<Node> {
        Node::held_by(None, parent, opener, role, opts)
    }

    pub(crate) fn held_by(
        tenure: Option<Arc<dyn Tenure>>,
        parent: Option<Arc<Node>>,
        opener: Opener,
        role: Role,
        opts: NodeOpts,
    ) -> Arc<Node> {
        let id = ScopeId::new(opts.name, opts.at);
        let inherited = parent
            .as_ref()
            .filter(|_| role != Role::Shield)
            .and_then(|parent| parent.deadline);
        let own = opts.deadline.map(|at| Deadline {
            at,
            declared_by: id,
        });
        Arc::new(Node {
            word: AtomicU64::new(0),
            inner: Mutex::new(Inner {
                link: NONE,
                reported: false,
                nested: Slab::new(),
                owner: None,
                cold: None,
            }),
            parked: Mutex::new(Slab::new()),
            told: OnceLock::new(),
            look: AtomicU8::new(0),
            opener,
            role,
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
            tenure,
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
            // The root has no name that anybody gave it, and other nodes than scopes are not a user's.
            if above.parent.is_some() && above.role == Role::Scope {
                names.push(above.id.name);
            }
            node = above.parent.as_ref();
        }
        names.reverse();
        names.join("/")
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Node").field(&self.id.name).finish()
    }
}
