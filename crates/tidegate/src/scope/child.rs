//! The future around every spawned child. It lives in tokio's own task cell, so a child costs one allocation.

use super::{Outcome, RefusedBecause, Stopped, timer::passed};
#[cfg(feature = "hooks")]
use crate::cancel::hook;
use crate::cancel::{Ctx, Entry, Key, Kind, Node, Part, Payload, Pulse, Site, Told, inside};
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

/// A place in a scope's count, given up exactly once: then the context has no node any more.
///
/// It is copied several times on its way into the task's cell, so its size is speed too.
pub(crate) struct Seat {
    ctx: Ctx,
    name: &'static str,
    at: Site,
    /// Forces a child that may stay for a while.
    force: Option<Pin<Box<Sleep>>>,
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
        let mut has_run = seat.has_entry();
        // One place that polls, so that the child's code is compiled into it.
        loop {
            let told = seat.node().look() && seat.is_told();
            if told && !seat.may_stay(cx) {
                return Poll::Ready(stop(this.future, seat, has_run));
            }
            let stays = told.then(|| seat.ctx.is_shielded());
            let mut outcome = None;
            match seat.poll(this.future.as_mut(), &mut outcome, cx) {
                Ok(Poll::Pending) if let Some(shielded) = stays => {
                    // A shield that has opened or closed meanwhile changes how long it may stay.
                    if seat.ctx.is_shielded() == shielded {
                        return Poll::Pending;
                    }
                }
                // The node wakes this task when told, also when that came during this poll. tokio polls a task with
                // one and the same waker always.
                Ok(Poll::Pending) if seat.has_entry() || seat.park(cx) => return Poll::Pending,
                Ok(Poll::Pending) => {}
                Ok(Poll::Ready(())) => return Poll::Ready(end(seat, outcome)),
                Err(payload) => {
                    return Poll::Ready(panicked(this.future, seat, outcome, payload));
                }
            }
            has_run = true;
        }
    }
}

/// The child was told to stop, and nothing lets it stay.
#[cold]
fn stop<F, T>(future: Pin<&mut Option<F>>, seat: &mut Seat, has_run: bool) -> Result<T, Stopped> {
    let Told { reason, .. } = seat.told();
    let stopped = match has_run {
        true => Stopped::Cancelled(reason),
        false => Stopped::NotStarted(RefusedBecause::Cancelling(reason)),
    };
    cut(future, seat, stopped)
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

/// It has returned, and its destructors have run.
#[inline]
fn end<O: Outcome>(seat: &mut Seat, outcome: Option<O>) -> Result<O::Value, Stopped> {
    let outcome = outcome.expect("a child that is ready has an outcome");
    seat.finish(outcome)
}

/// The child's code has panicked: its destructors, if there is an outcome.
#[cold]
fn panicked<F, O: Outcome>(
    future: Pin<&mut Option<F>>,
    seat: &mut Seat,
    outcome: Option<O>,
    payload: Payload,
) -> Result<O::Value, Stopped> {
    seat.panicked(payload);
    match outcome {
        Some(outcome) => seat.finish(outcome),
        None => cut(future, seat, Stopped::Panicked),
    }
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
            ctx: Ctx::new(node, grace, Part::Task),
            name,
            at,
            force: None,
            #[cfg(feature = "tracing")]
            span: super::spans::Surrounding::current(),
        }
    }

    /// For a closure on a thread: asked, and nothing can force it.
    pub(crate) fn of_closure(node: Arc<Node>, name: &'static str, at: Site) -> Self {
        let mut seat = Seat::new(node, name, at, Some(Duration::MAX));
        seat.ctx.part = Part::Closure;
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

    #[inline]
    fn has_entry(&self) -> bool {
        self.ctx.key != Key::NONE
    }

    /// Polls the child's own code, and drops it when it has returned: destructors first, as giving up the seat lets the
    /// scope end. An error is a panic.
    #[inline]
    fn poll<F: Future>(
        &mut self,
        mut future: Pin<&mut Option<F>>,
        outcome: &mut Option<F::Output>,
        cx: &mut Context<'_>,
    ) -> Result<Poll<()>, Payload> {
        let mut code = |cx: &mut Context<'_>| {
            let running = future.as_mut().as_pin_mut();
            match running.expect("polled after it was done").poll(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(output) => {
                    *outcome = Some(output);
                    future.set(None);
                    Poll::Ready(())
                }
            }
        };
        #[cfg(feature = "hooks")]
        if let Some(hook) = hook::installed() {
            return self.poll_hooked(&*hook, &mut code, cx);
        }
        let pulse = Pulse::begin(self.node().id.serial, self.ctx.key, self.at);
        #[cfg(feature = "tracing")]
        let polled = inside(&mut self.ctx, || self.span.within(|| code(cx)));
        #[cfg(not(feature = "tracing"))]
        let polled = inside(&mut self.ctx, || code(cx));
        pulse.end();
        polled
    }

    #[cfg(feature = "hooks")]
    fn poll_hooked(
        &mut self,
        hook: &dyn hook::PollHook,
        code: &mut dyn FnMut(&mut Context<'_>) -> Poll<()>,
        cx: &mut Context<'_>,
    ) -> Result<Poll<()>, Payload> {
        let child = hook::Polled {
            name: self.name,
            at: self.at,
            scope: self.node().id,
        };
        let mut polled = Ok(Poll::Pending);
        let mut poll = |cx: &mut Context<'_>| {
            if matches!(polled, Ok(Poll::Pending)) {
                polled = inside(&mut self.ctx, || code(cx));
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
        let Some(key) = self.node().park(self.entry(cx)) else {
            return false;
        };
        self.ctx.key = Key::from(key);
        // After parking: a mark for this child alone that comes later wakes it.
        !(self.node().look() && self.is_told())
    }

    /// Makes `key` the seat's entry, which goes when the seat is left.
    pub(crate) fn set_key(&mut self, key: u32) {
        self.ctx.key = Key::from(key);
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
        match self.ctx.key.get() {
            Some(key) => drop(self.node().rearm(key, cx.waker().clone(), kind)),
            None => {
                let entry = Entry {
                    kind,
                    ..self.entry(cx)
                };
                self.ctx.key = Key::from(self.node().park_told(entry));
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
        let Some(node) = self.ctx.node.take() else {
            return;
        };
        if let Some(key) = self.ctx.key.get() {
            node.unpark(key);
        }
        if node.look() && self.ctx.part == Part::Task {
            forget_singled(&node);
        }
        node.leave_child();
    }
}

#[cold]
fn forget_singled(node: &Node) {
    if let Some(id) = task::try_id() {
        node.forget_singled(id);
    }
}

impl Drop for Seat {
    #[inline]
    fn drop(&mut self) {
        self.leave();
    }
}
