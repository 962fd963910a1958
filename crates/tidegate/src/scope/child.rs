//! The future around every spawned child. It lives in tokio's own task cell, so a child costs one allocation.

use super::{Outcome, RefusedBecause, Stopped, timer::passed};
#[cfg(feature = "hooks")]
use crate::cancel::hook;
use crate::cancel::{Ctx, Entry, Kind, Node, Payload, Pulse, Site, Told, inside};
use pin_project_lite::pin_project;
#[cfg(feature = "hooks")]
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    task::{self, JoinHandle},
    time::Sleep,
};

pin_project! {
    /// Fields drop in this order: the future's destructors have run before the seat is given up, also when the runtime
    /// drops the task.
    pub(crate) struct ChildFuture<F> {
        #[pin]
        future: Option<F>,
        seat: Seat,
    }
}

/// A place in a scope's count, given up exactly once.
pub(crate) struct Seat {
    ctx: Ctx,
    name: &'static str,
    at: Site,
    /// The entry among those to be woken; there is one from the first `Pending` on.
    key: Option<u32>,
    /// Forces a child that may stay for a while.
    force: Option<Pin<Box<Sleep>>>,
    /// A closure has none, and is dropped in somebody else's.
    has_task: bool,
    left: bool,
    #[cfg(feature = "tracing")]
    span: super::spans::Surrounding,
}

impl<F> ChildFuture<F> {
    /// The caller has entered the node.
    #[inline]
    pub(crate) fn new(
        future: F,
        node: Arc<Node>,
        name: &'static str,
        at: Site,
        grace: Option<Duration>,
    ) -> Self {
        ChildFuture {
            future: Some(future),
            seat: Seat::new(node, name, at, grace),
        }
    }
}

/// Spawns a child that has taken its place, or a future around one.
#[expect(
    clippy::disallowed_methods,
    reason = "the home of every task: its seat counts it, and its scope waits for it"
)]
#[inline]
pub(crate) fn spawn_counted<F>(counted: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(counted)
}

impl<F> Future for ChildFuture<F>
where
    F: Future<Output: Outcome>,
{
    type Output = Result<<F::Output as Outcome>::Value, Stopped>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let seat = this.seat;
        if seat.node().look() && seat.is_told() {
            return poll_told(this.future, seat, cx, false);
        }
        let future = this
            .future
            .as_mut()
            .as_pin_mut()
            .expect("polled after it was done");
        match seat.poll(future, cx) {
            // The node wakes this task when told, also when that came during this poll. tokio polls a task with one
            // and the same waker always.
            Ok(Poll::Pending) if seat.key.is_some() || seat.park(cx) => Poll::Pending,
            Ok(Poll::Pending) => poll_told(this.future, seat, cx, true),
            Ok(Poll::Ready(outcome)) => Poll::Ready(end(this.future, seat, outcome)),
            Err(payload) => {
                seat.panicked(payload);
                Poll::Ready(cut(this.future, seat, Stopped::Panicked))
            }
        }
    }
}

/// The child was told to stop: it ends at once, or when what lets it stay is over.
#[cold]
fn poll_told<F>(
    mut future: Pin<&mut Option<F>>,
    seat: &mut Seat,
    cx: &mut Context<'_>,
    polled: bool,
) -> Poll<Result<<F::Output as Outcome>::Value, Stopped>>
where
    F: Future<Output: Outcome>,
{
    let polled = polled || seat.key.is_some();
    while seat.may_stay(cx) {
        let shielded = seat.ctx.is_shielded();
        let running = future
            .as_mut()
            .as_pin_mut()
            .expect("polled after it was done");
        match seat.poll(running, cx) {
            // A shield that has opened or closed meanwhile changes how long it may stay.
            Ok(Poll::Pending) if seat.ctx.is_shielded() != shielded => {}
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(outcome)) => return Poll::Ready(end(future, seat, outcome)),
            Err(payload) => {
                seat.panicked(payload);
                return Poll::Ready(cut(future, seat, Stopped::Panicked));
            }
        }
    }
    let Told { reason, .. } = seat.told();
    let stopped = match polled {
        true => Stopped::Cancelled(reason),
        false => Stopped::NotStarted(RefusedBecause::Cancelling(reason)),
    };
    Poll::Ready(cut(future, seat, stopped))
}

/// Drops the future where it stands.
#[cold]
fn cut<F, T>(
    mut future: Pin<&mut Option<F>>,
    seat: &mut Seat,
    stopped: Stopped,
) -> Result<T, Stopped> {
    let gone = inside(&mut seat.ctx, || future.set(None));
    if let Err(payload) = gone {
        seat.panicked(payload);
    }
    seat.leave();
    Err(stopped)
}

#[inline]
fn end<F, O: Outcome>(
    mut future: Pin<&mut Option<F>>,
    seat: &mut Seat,
    outcome: O,
) -> Result<O::Value, Stopped> {
    // Destructors first: giving up the seat lets the scope end.
    if let Err(payload) = inside(&mut seat.ctx, || future.set(None)) {
        seat.panicked(payload);
    }
    seat.finish(outcome)
}

impl Seat {
    #[inline]
    pub(crate) fn new(
        node: Arc<Node>,
        name: &'static str,
        at: Site,
        grace: Option<Duration>,
    ) -> Self {
        Seat {
            ctx: Ctx::new(node, grace, true),
            name,
            at,
            key: None,
            force: None,
            has_task: true,
            left: false,
            #[cfg(feature = "tracing")]
            span: super::spans::Surrounding::current(),
        }
    }

    /// For a closure on a thread: asked, and nothing can force it.
    pub(crate) fn of_closure(node: Arc<Node>, name: &'static str, at: Site) -> Self {
        let mut seat = Seat::new(node, name, at, Some(Duration::MAX));
        seat.has_task = false;
        seat
    }

    #[inline]
    pub(crate) fn node(&self) -> &Arc<Node> {
        self.ctx
            .node
            .as_ref()
            .expect("the context is back between polls")
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn at(&self) -> Site {
        self.at
    }

    pub(crate) fn ctx(&mut self) -> &mut Ctx {
        &mut self.ctx
    }

    /// Polls the child's own code. An error is a panic.
    #[inline]
    fn poll<F: Future>(
        &mut self,
        future: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Result<Poll<F::Output>, Payload> {
        #[cfg(feature = "hooks")]
        if let Some(hook) = hook::installed() {
            return self.poll_hooked(&*hook, future, cx);
        }
        let pulse = Pulse::begin(self.node().id.serial, self.key, self.at);
        #[cfg(feature = "tracing")]
        let polled = inside(&mut self.ctx, || self.span.within(|| future.poll(cx)));
        #[cfg(not(feature = "tracing"))]
        let polled = inside(&mut self.ctx, || future.poll(cx));
        pulse.end();
        polled
    }

    #[cfg(feature = "hooks")]
    fn poll_hooked<F: Future>(
        &mut self,
        hook: &dyn hook::PollHook,
        mut future: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Result<Poll<F::Output>, Payload> {
        let child = hook::Polled {
            name: self.name,
            at: self.at,
            scope: self.node().id,
        };
        let mut polled = Ok(Poll::Pending);
        let mut poll = |cx: &mut Context<'_>| {
            if matches!(polled, Ok(Poll::Pending)) {
                polled = inside(&mut self.ctx, || future.as_mut().poll(cx));
            }
            match polled {
                Ok(Poll::Pending) => hook::Progress::Pending,
                _ => hook::Progress::Ended,
            }
        };
        let hooked = catch_unwind(AssertUnwindSafe(|| hook.poll(&child, cx, &mut poll)));
        match hooked {
            Err(payload) if matches!(polled, Ok(Poll::Pending)) => Err(payload),
            _ => polled,
        }
    }

    fn entry(&self, cx: &Context<'_>) -> Entry {
        Entry {
            waker: Some(cx.waker().clone()),
            name: self.name,
            at: self.at,
            kind: Kind::Child,
            task: task::try_id(),
        }
    }

    /// Asks the node to wake this task when told. `false`: that has come already.
    fn park(&mut self, cx: &Context<'_>) -> bool {
        self.key = self.node().park(self.entry(cx));
        // After parking: a mark for this child alone that comes later wakes it.
        self.key.is_some() && !(self.node().look() && self.is_told())
    }

    /// Makes `key` the seat's entry, which goes when the seat is left.
    pub(crate) fn set_key(&mut self, key: u32) {
        self.key = Some(key);
    }

    /// The node has something to say: is it for this child?
    #[cold]
    fn is_told(&mut self) -> bool {
        if self.ctx.is_told_alone() {
            return true;
        }
        // Before the node: a mark was made while that had nothing to say, so it was first.
        let alone = task::try_id().and_then(|id| self.node().singled(id));
        if let Some(told) = alone {
            self.ctx.tell_alone(told);
        }
        alone.is_some() || self.node().is_told()
    }

    fn told(&self) -> Told {
        self.ctx.told().expect("it was told, so there is a word")
    }

    /// Told to stop: does a grace or a shield still hold?
    fn may_stay(&mut self, cx: &mut Context<'_>) -> bool {
        let shielded = self.ctx.is_shielded();
        if self.ctx.grace.is_none() && !shielded {
            return false;
        }
        let kind = match shielded {
            true => Kind::Shielded,
            false => Kind::Child,
        };
        // Before looking at the hard instant, so that none that comes nearer is missed.
        match self.key {
            Some(key) => drop(self.node().rearm(key, cx.waker().clone(), kind)),
            None => {
                let entry = Entry {
                    kind,
                    ..self.entry(cx)
                };
                self.key = Some(self.node().park_told(entry));
            }
        }
        let until = match self.ctx.grace.get() {
            Some(grace) if !shielded => Some(self.node().force_at(self.told().at, grace)),
            _ => self.node().hard(),
        };
        until.is_none_or(|until| !passed(&mut self.force, until, cx))
    }

    pub(crate) fn panicked(&self, payload: Payload) {
        self.node().panicked(self.name, self.at, payload);
    }

    /// Records the outcome, then gives up the place.
    #[inline]
    pub(crate) fn finish<O: Outcome>(&mut self, outcome: O) -> Result<O::Value, Stopped> {
        let result = outcome.settle(self.node(), self.name, self.at);
        self.leave();
        result
    }

    #[inline]
    pub(crate) fn leave(&mut self) {
        self.left = true;
        if let Some(key) = self.key.take() {
            self.node().unpark(key);
        }
        if self.has_task
            && self.node().look()
            && let Some(id) = task::try_id()
        {
            self.node().forget_singled(id);
        }
        self.node().leave_child();
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if !self.left {
            self.leave();
        }
    }
}
