//! The scope's future: runs the body inline and ends after the last child.

use super::{
    Leave, Opts, Scope, ScopeError,
    error::Failures,
    timer::{Watchdog, passed},
};
use crate::{
    cancel::{
        Ctx, Failure, Fault, Hold, Node, Opener, Part, Payload, Role, Site, current, hold, inside,
        is_doomed, tenure,
    },
    root,
};
use pin_project_lite::pin_project;
use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    panic::Location,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::time::Sleep;

/// Runs `body`, then waits for every child that it has spawned.
///
/// The body runs inline, in the task of the caller, and may borrow; children are tasks and may not. The first error or
/// panic, of a child or of the body, tells all the others to stop at once; all of them are waited for, and every failure
/// is in the error. The scope hangs below the one whose code first polls it, else below the process root
/// (see [`root::unclaimed`]): it inherits deadline and cancellation, and the parent does not end before it.
///
/// | what happened | result |
/// |---|---|
/// | an error or a panic, in a child or the body | [`ScopeError::Failed`], all failures in order |
/// | else, the body returned a value | `Ok`, even when the scope was told to stop meanwhile |
/// | else | [`ScopeError::Cancelled`] with the reason |
///
/// There is no bound on the wait for children: a deadline bounds when they are *told*, and what is told has only its
/// grace; but a poll that does not return, or a thread, cannot be ended from outside.
///
/// # Cancel safety
///
/// Dropping it tells the children to stop ([`Reason::OwnerDropped`](crate::Reason::OwnerDropped)) before the body is
/// dropped. Nothing is detached: the parent waits for the children, and what fails in them is reported by the root as
/// unclaimed.
///
/// # Panics
///
/// Not by itself: panics of body and children are caught and returned.
#[track_caller]
pub fn scope<T, E, B>(
    opts: impl Into<Opts>,
    body: B,
) -> impl Future<Output = Result<T, ScopeError<E>>>
where
    B: AsyncFnOnce(&Scope<E>) -> Result<T, E>,
    E: Fault,
{
    open(None, opts.into(), body, Location::caller())
}

pub(crate) async fn open<T, E, B>(
    parent: Option<Arc<Node>>,
    opts: Opts,
    body: B,
    at: Site,
) -> Result<T, ScopeError<E>>
where
    B: AsyncFnOnce(&Scope<E>) -> Result<T, E>,
    E: Fault,
{
    let node = node_below(parent, &opts, at);
    let handle = Scope::of(node.clone());
    Drive::new(body(&handle), Owner::new(node, opts)).await
}

/// A node below `parent` or else below the calling code, so called at the first poll: nothing happens before.
pub(crate) fn node_below(parent: Option<Arc<Node>>, opts: &Opts, at: Site) -> Arc<Node> {
    let (parent, opener) = parent
        .map(|node| (node, Opener::default()))
        .or_else(current)
        .unwrap_or_else(|| (root::process_node(), Opener::default()));
    Node::held_by(tenure(), Some(parent), opener, Role::Scope, opts.node(at))
}

pin_project! {
    /// Body and owner in one future. On drop the children are told first, then the body goes, then the owner.
    pub(crate) struct Drive<B, T, E> {
        #[pin]
        body: Option<B>,
        value: Option<T>,
        owner: Owner,
        error: PhantomData<fn() -> E>,
    }
    impl<B, T, E> PinnedDrop for Drive<B, T, E> {
        fn drop(this: Pin<&mut Self>) {
            let owner = this.project().owner;
            if !owner.done {
                owner.node().cancel_dropped();
            }
        }
    }
}

/// The owner's side of a scope. Not counted: one that is forgotten delays nobody.
pub(crate) struct Owner {
    ctx: Ctx,
    on_leave: Leave,
    body_failed: bool,
    /// Identity of the waker that the node holds.
    parked: (usize, usize),
    done: bool,
    /// The deadline's timer while there are no children.
    timer: Option<Pin<Box<Sleep>>>,
    watchdog: Option<Watchdog>,
    force: Option<Pin<Box<Sleep>>>,
    /// Told, and staying: whether a shield was open when that was decided.
    staying: Option<bool>,
    /// A shield in the body keeps the section around as well, being in the same task.
    hold: Option<Hold>,
    #[cfg(feature = "tracing")]
    slow_end: super::spans::SlowEnd,
}

impl<B, T, E> Drive<B, T, E> {
    pub(crate) fn new(body: B, owner: Owner) -> Self {
        Drive {
            body: Some(body),
            value: None,
            owner,
            error: PhantomData,
        }
    }
}

impl<B, T, E> Drive<B, T, E>
where
    E: Fault,
{
    /// Reports what is known now, although not all children have ended. They stay where they are in the tree.
    pub(crate) fn give_up(self: Pin<&mut Self>) -> Result<T, ScopeError<E>> {
        let mut this = self.project();
        let owner = this.owner;
        if let Err(payload) = inside(&mut owner.ctx, || this.body.set(None)) {
            owner.panicked(payload);
        }
        owner.report(this.value.take())
    }
}

impl<B, T, E> Future for Drive<B, T, E>
where
    B: Future<Output = Result<T, E>>,
    E: Fault,
{
    type Output = Result<T, ScopeError<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (value, owner) = ready!(self.poll_end(cx));
        match owner.report(value) {
            // As in `Task::poll`: code that is to be dropped at this await does not hear the news. Nothing is in this
            // report that the next one would not say as well.
            Err(ScopeError::Cancelled(_)) if is_doomed() => Poll::Pending,
            result => Poll::Ready(result),
        }
    }
}

impl<B, T, E> Drive<B, T, E>
where
    B: Future<Output = Result<T, E>>,
    E: Fault,
{
    /// Runs the body, then waits for the last child. Gives the body's value, at the first time; the owner has what failed.
    pub(crate) fn poll_end(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<(Option<T>, &mut Owner)> {
        let mut this = self.project();
        let owner = this.owner;
        if owner.done {
            return Poll::Ready((None, owner));
        }
        while let Some(body) = this.body.as_mut().as_pin_mut() {
            if !owner.node().look() || !owner.node().is_told() || owner.may_stay(cx) {
                let polled = inside(&mut owner.ctx, || body.poll(cx));
                owner.pass_shield_on();
                match polled {
                    Ok(Poll::Pending) if owner.wait(cx) => return Poll::Pending,
                    Ok(Poll::Pending) => continue,
                    Ok(Poll::Ready(Ok(value))) => *this.value = Some(value),
                    Ok(Poll::Ready(Err(error))) => owner.failed(error),
                    Err(payload) => owner.panicked(payload),
                }
            }
            if let Err(payload) = inside(&mut owner.ctx, || this.body.set(None)) {
                owner.panicked(payload);
            }
            owner.hold = None;
            owner.leave_body();
        }
        if !owner.join(cx) {
            return Poll::Pending;
        }
        owner.done = true;
        Poll::Ready((this.value.take(), owner))
    }
}

impl Owner {
    pub(crate) fn new(node: Arc<Node>, opts: Opts) -> Self {
        Owner {
            ctx: Ctx::new(node, opts.body_grace(), Part::Body),
            on_leave: opts.on_leave,
            body_failed: false,
            parked: (0, 0),
            done: false,
            timer: None,
            watchdog: None,
            force: None,
            staying: None,
            hold: None,
            #[cfg(feature = "tracing")]
            slow_end: Default::default(),
        }
    }

    #[inline]
    pub(crate) fn node(&self) -> &Arc<Node> {
        self.ctx
            .node
            .as_ref()
            .expect("the context is back between polls")
    }

    fn name(&self) -> &'static str {
        self.node().id.name
    }

    /// Whether the body has returned an error or has panicked.
    pub(crate) fn body_failed(&self) -> bool {
        self.body_failed
    }

    fn failed<E: Fault>(&mut self, error: E) {
        self.body_failed = true;
        self.node().failed(self.name(), self.node().id.at, error);
    }

    fn panicked(&mut self, payload: Payload) {
        self.body_failed = true;
        self.node()
            .panicked(self.name(), self.node().id.at, payload);
    }

    fn leave_body(&self) {
        if self.on_leave == Leave::Cancel && !self.node().is_idle() {
            self.node().cancel(crate::Reason::BodyReturned, None);
        }
    }

    /// Told to stop: does a grace or a shield still hold for the body?
    fn may_stay(&mut self, cx: &mut Context<'_>) -> bool {
        let shielded = self.ctx.is_shielded();
        self.staying = None;
        if self.ctx.grace.is_none() && !shielded {
            return false;
        }
        // Before looking at the hard instant, so that none that comes nearer is missed.
        self.node().park_owner(cx.waker(), false);
        let until = match self.ctx.grace.get() {
            Some(grace) if !shielded => {
                let told = self
                    .node()
                    .told_at()
                    .expect("a node that was told knows when");
                Some(self.node().force_at(told, grace))
            }
            _ => self.node().hard(),
        };
        let stays = until.is_none_or(|until| !passed(&mut self.force, until, cx));
        self.staying = stays.then_some(shielded);
        stays
    }

    #[inline]
    fn pass_shield_on(&mut self) {
        match (self.ctx.is_shielded(), &self.hold) {
            (true, None) => self.hold = hold(),
            (false, Some(_)) => self.hold = None,
            _ => {}
        }
    }

    /// The body is pending. `false`: there is news, look again.
    fn wait(&mut self, cx: &mut Context<'_>) -> bool {
        if self.node().is_told() {
            // `may_stay` has parked; unless the news came during the poll, or a shield has opened or closed in it.
            return self.staying == Some(self.ctx.is_shielded());
        }
        if self.deadline_passed(cx) {
            return false;
        }
        let waker = (
            cx.waker().data() as usize,
            std::ptr::from_ref(cx.waker().vtable()) as usize,
        );
        // While the node holds this very waker its address cannot be used again, so the comparison is exact.
        if self.parked == waker {
            return true;
        }
        self.node().link();
        let told = self.node().park_owner(cx.waker(), false);
        self.parked = waker;
        !told
    }

    /// Keeps the timer of a deadline that this scope has declared itself. `true`: it has just passed.
    fn deadline_passed(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(at) = self.node().own_deadline() else {
            return false;
        };
        if self.node().is_told() || self.watchdog.is_some() {
            return false;
        }
        if !self.node().is_idle() {
            // The children must hear of it also while nobody polls this future.
            self.timer = None;
            self.watchdog = Some(Watchdog::start(self.node(), at));
            return false;
        }
        if !passed(&mut self.timer, at, cx) {
            return false;
        }
        self.node().cancel_by_deadline();
        true
    }

    /// Waits for the last child. `true`: the node is closed.
    fn join(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            if self.node().try_close() {
                return true;
            }
            // When it passes it tells the children; there is nothing more to hear about it here.
            self.deadline_passed(cx);
            self.node().clean_up();
            self.node().end_background();
            self.node().end_unpolled();
            // After parking: what ended before it has woken nobody.
            if !self.node().park_owner(cx.waker(), true)
                && !self.node().end_background()
                && !self.node().end_unpolled()
            {
                #[cfg(feature = "tracing")]
                {
                    let node = self.node().clone();
                    self.slow_end.wait(&node, cx);
                }
                return false;
            }
        }
    }

    fn report<T, E: Fault>(&self, value: Option<T>) -> Result<T, ScopeError<E>> {
        let mut failures = self.node().last_failures().into_iter().map(Failure::typed);
        if let Some(first) = failures.next() {
            return Err(ScopeError::Failed(Failures {
                first,
                rest: failures.collect(),
            }));
        }
        value.ok_or_else(|| {
            let reason = self
                .node()
                .reason()
                .expect("a body without a value or a failure was told to stop");
            ScopeError::Cancelled(reason)
        })
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if !self.done {
            self.node().orphan();
        }
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owner")
            .field("scope", &self.name())
            .finish_non_exhaustive()
    }
}
