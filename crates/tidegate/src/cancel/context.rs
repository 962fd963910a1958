//! The ambient context: which scope the code that is being polled belongs to.
//!
//! A wrapper *moves* its context into the thread-local before a poll and back after it: no reference count is
//! touched, and `ManuallyDrop` keeps the thread-local free of a destructor, hence of a state check at every access.

use super::{Node, Payload, Reason};
use std::{
    cell::Cell,
    mem::{self, ManuallyDrop},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

/// One cancellable section: a child, or the body of a scope.
#[derive(Debug, Default)]
pub(crate) struct Ctx {
    pub(crate) node: Option<Arc<Node>>,
    /// `Some`: asked when told, and forced so much later. `None`: dropped at once.
    pub(crate) grace: Option<Duration>,
    /// A child of the node; else its body.
    pub(crate) is_child: bool,
}

thread_local! {
    static CURRENT: Cell<ManuallyDrop<Ctx>> =
        const { Cell::new(ManuallyDrop::new(Ctx { node: None, grace: None, is_child: false })) };
}

#[inline]
fn swap(ctx: &mut Ctx) {
    CURRENT.with(|current| {
        let mine = ManuallyDrop::new(mem::take(ctx));
        *ctx = ManuallyDrop::into_inner(current.replace(mine));
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
fn with<R>(look: impl FnOnce(&Ctx) -> R) -> R {
    let mut ctx = Ctx::default();
    swap(&mut ctx);
    let result = look(&ctx);
    swap(&mut ctx);
    result
}

/// The node around the calling code, and whether the code is one of its children.
pub(crate) fn current() -> Option<(Arc<Node>, bool)> {
    with(|ctx| ctx.node.clone().map(|node| (node, ctx.is_child)))
}

/// Whether the code that is being polled is to be dropped as soon as it returns `Pending`.
pub(crate) fn is_doomed() -> bool {
    with(|ctx| ctx.grace.is_none() && ctx.node.as_ref().is_some_and(|node| node.is_cancelled()))
}

/// The instant at which the surrounding scope is told to stop: the earliest of its own and its ancestors' deadlines.
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
        let node = ctx.node.as_ref()?;
        let told = node.told_at()?;
        let Some(grace) = ctx.grace else {
            return Some(Duration::ZERO);
        };
        Some(
            node.force_at(told, grace)
                .saturating_duration_since(Instant::now()),
        )
    })
}

/// Whether the surrounding scope was told to stop. `false` outside a scope.
pub fn is_cancelled() -> bool {
    with(|ctx| ctx.node.as_ref().is_some_and(|node| node.is_cancelled()))
}

/// Why the surrounding scope was told to stop. `None`: it was not, or there is none.
pub fn reason() -> Option<Reason> {
    with(|ctx| ctx.node.as_ref()?.reason())
}
