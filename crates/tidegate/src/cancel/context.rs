//! The ambient context: which scope the code that is being polled belongs to.
//!
//! A wrapper *moves* its context into the thread-local before a poll and back after it: no reference count is
//! touched, and `ManuallyDrop` keeps the thread-local free of a destructor, hence of a state check at every access.

use super::{Grace, Hold, Key, Node, Opener, Payload, Reason, Section, reason::Told};
use std::{
    cell::Cell,
    mem::{self, ManuallyDrop},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};
use tokio::{task, time::Instant};

/// One cancellable section: a child, the body of a scope, or the inside of a shield.
#[derive(Debug, Default)]
pub(crate) struct Ctx {
    pub(crate) node: Option<Arc<Node>>,
    /// What few sections ever need.
    section: Option<Arc<Section>>,
    pub(crate) grace: Grace,
    /// A child's entry among those to be woken; there is one from the first `Pending` on.
    pub(crate) key: Key,
    pub(crate) part: Part,
}

/// Which part of a node a section is. As wide as the key beside it: no hole that would be copied around.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Part {
    #[default]
    Body,
    /// A child that is a task.
    Task,
    /// A child that is a closure on a thread, and may be dropped in somebody else's task.
    Closure,
}

/// Within one line of the cache: a context that lies across two is read back only once it has been written to both.
#[repr(align(32))]
struct Current(Cell<ManuallyDrop<Ctx>>);

thread_local! {
    static CURRENT: Current = const { Current(Cell::new(ManuallyDrop::new(Ctx::NONE))) };
}

#[inline]
fn swap(ctx: &mut Ctx) {
    CURRENT.with(|current| {
        let mine = ManuallyDrop::new(mem::take(ctx));
        *ctx = ManuallyDrop::into_inner(current.0.replace(mine));
    });
}

/// Runs user code with the context in place. A panic is caught, so the context always comes back.
#[inline]
pub(crate) fn inside<T>(ctx: &mut Ctx, code: impl FnOnce() -> T) -> Result<T, Payload> {
    swap(ctx);
    let result = catch_unwind(AssertUnwindSafe(code));
    swap(ctx);
    result
}

/// Looks at the thread's context. `look` runs no user code.
#[inline]
fn with<R>(look: impl FnOnce(&mut Ctx) -> R) -> R {
    let mut ctx = Ctx::default();
    swap(&mut ctx);
    let result = look(&mut ctx);
    swap(&mut ctx);
    result
}

impl Ctx {
    const NONE: Ctx = Ctx {
        node: None,
        section: None,
        grace: Grace::NONE,
        key: Key::NONE,
        part: Part::Body,
    };

    pub(crate) fn new(node: Arc<Node>, grace: Option<Duration>, part: Part) -> Ctx {
        Ctx {
            node: Some(node),
            section: None,
            grace: Grace::from(grace),
            key: Key::NONE,
            part,
        }
    }

    /// Whether a shield is open in this section, so that its code is not dropped.
    #[inline]
    pub(crate) fn is_shielded(&self) -> bool {
        self.section
            .as_ref()
            .is_some_and(|section| section.is_shielded())
    }

    /// What only this section was told, or else its node.
    pub(crate) fn told(&self) -> Option<Told> {
        let alone = self.section.as_ref().and_then(|section| section.told());
        alone.or_else(|| self.node.as_ref()?.told())
    }

    /// Tells this section alone.
    pub(crate) fn tell_alone(&mut self, told: Told) {
        self.section().tell(told);
    }

    pub(crate) fn is_told_alone(&self) -> bool {
        self.section
            .as_ref()
            .is_some_and(|section| section.told().is_some())
    }

    fn section(&mut self) -> &Arc<Section> {
        self.section.get_or_insert_default()
    }
}

/// The node around the calling code, and what kind of code that is.
pub(crate) fn current() -> Option<(Arc<Node>, Opener)> {
    with(|ctx| {
        let is_child = ctx.part != Part::Body;
        let opener = Opener {
            is_child,
            task: if is_child { task::try_id() } else { None },
        };
        ctx.node.clone().map(|node| (node, opener))
    })
}

/// Keeps the section around the calling code from being dropped when told. `None`: it is outside every scope.
pub(crate) fn hold() -> Option<Hold> {
    with(|ctx| {
        ctx.node.as_ref()?;
        Some(Hold::new(ctx.section()))
    })
}

/// What the calling code was told.
pub(super) fn told() -> Option<Told> {
    with(|ctx| ctx.told())
}

/// Whether the code that is being polled is to be dropped as soon as it returns `Pending`.
pub(crate) fn is_doomed() -> bool {
    with(|ctx| ctx.grace.is_none() && !ctx.is_shielded() && ctx.told().is_some())
}

/// The instant at which the surrounding scope is told to stop: the earliest of its own and its ancestors' deadlines.
/// Inside a [`shield`](crate::shield()) it is the end of the shield.
pub fn deadline() -> Option<Instant> {
    with(|ctx| Some(ctx.node.as_ref()?.deadline?.at))
}

/// The time left until [`deadline`]; zero when it has passed. `None`: there is no deadline.
pub fn remaining() -> Option<Duration> {
    deadline().map(|at| at.saturating_duration_since(Instant::now()))
}

/// The time the calling code has left before it is dropped, once it has been told to stop. `None`: not told.
///
/// Zero for code without a grace: it is dropped at its next await.
pub fn grace_left() -> Option<Duration> {
    with(|ctx| {
        let told = ctx.told()?;
        let Some(grace) = ctx.grace.get() else {
            return Some(Duration::ZERO);
        };
        Some(
            ctx.node
                .as_ref()?
                .force_at(told.at, grace)
                .saturating_duration_since(Instant::now()),
        )
    })
}

/// Whether the calling code was told to stop: its scope, or its task alone. `false` outside a scope and inside a
/// [`shield`](crate::shield()).
pub fn is_cancelled() -> bool {
    with(|ctx| ctx.told().is_some())
}

/// Why the calling code was told to stop. `None`: it was not, or there is no scope around it.
pub fn reason() -> Option<Reason> {
    with(|ctx| Some(ctx.told()?.reason))
}
