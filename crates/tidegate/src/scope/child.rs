//! The future around every spawned child. It lives in tokio's own task cell, so a child costs one allocation.

use super::{RefusedBecause, Stopped, timer::passed};
use crate::cancel::{Ctx, Entry, Fault, Kind, Node, Site, inside};
use pin_project_lite::pin_project;
use std::{
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Sleep;

pin_project! {
    /// Fields drop in this order: the future's destructors have run before the seat is given up, also when the runtime
    /// drops the task.
    pub(super) struct Child<F, T, E> {
        #[pin]
        future: Option<F>,
        seat: Seat,
        types: PhantomData<fn() -> (T, E)>,
    }
}

/// A place in a scope's count, given up exactly once.
pub(crate) struct Seat {
    ctx: Ctx,
    name: &'static str,
    at: Site,
    /// The entry among those to be woken; there is one from the first `Pending` on.
    key: Option<u32>,
    /// Forces a child with a grace.
    force: Option<Pin<Box<Sleep>>>,
    left: bool,
}

impl<F, T, E> Child<F, T, E> {
    /// The caller has entered the node.
    #[inline]
    pub(super) fn new(
        future: F,
        node: Arc<Node>,
        name: &'static str,
        at: Site,
        grace: Option<Duration>,
    ) -> Self {
        Child {
            future: Some(future),
            seat: Seat::new(node, name, at, grace),
            types: PhantomData,
        }
    }
}

impl<F, T, E> Future for Child<F, T, E>
where
    F: Future<Output = Result<T, E>>,
    E: Fault,
{
    type Output = Result<T, Stopped>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let seat = this.seat;
        if seat.node().stop() {
            return poll_told(this.future, seat, cx, false);
        }
        let future = this
            .future
            .as_mut()
            .as_pin_mut()
            .expect("polled after it was done");
        match inside(&mut seat.ctx, || future.poll(cx)) {
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

/// The scope was told to stop: so is the child, at once or when its grace is over.
#[cold]
fn poll_told<F, T, E>(
    mut future: Pin<&mut Option<F>>,
    seat: &mut Seat,
    cx: &mut Context<'_>,
    polled: bool,
) -> Poll<Result<T, Stopped>>
where
    F: Future<Output = Result<T, E>>,
    E: Fault,
{
    let polled = polled || seat.key.is_some();
    if seat.may_stay(cx) {
        let running = future
            .as_mut()
            .as_pin_mut()
            .expect("polled after it was done");
        match inside(&mut seat.ctx, || running.poll(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(outcome)) => return Poll::Ready(end(future, seat, outcome)),
            Err(payload) => {
                seat.panicked(payload);
                return Poll::Ready(cut(future, seat, Stopped::Panicked));
            }
        }
    }
    let reason = seat
        .node()
        .reason()
        .expect("a node that was told has its reason");
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
fn end<F, T, E: Fault>(
    mut future: Pin<&mut Option<F>>,
    seat: &mut Seat,
    outcome: Result<T, E>,
) -> Result<T, Stopped> {
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
        let ctx = Ctx {
            node: Some(node),
            grace,
            is_child: true,
        };
        Seat {
            ctx,
            name,
            at,
            key: None,
            force: None,
            left: false,
        }
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

    fn entry(&self, cx: &Context<'_>) -> Entry {
        Entry {
            waker: Some(cx.waker().clone()),
            name: self.name,
            at: self.at,
            kind: Kind::Child,
        }
    }

    /// Asks the node to wake this task when told. `false`: that has come already.
    fn park(&mut self, cx: &Context<'_>) -> bool {
        self.key = self.node().park(self.entry(cx));
        self.key.is_some()
    }

    /// Makes `key` the seat's entry, which goes when the seat is left.
    pub(crate) fn set_key(&mut self, key: u32) {
        self.key = Some(key);
    }

    /// Told to stop: does a grace still hold?
    fn may_stay(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(grace) = self.ctx.grace else {
            return false;
        };
        // Before looking at the hard instant, so that none that comes nearer is missed.
        match self.key {
            Some(key) => drop(self.node().rearm(key, cx.waker().clone())),
            None => self.key = Some(self.node().park_told(self.entry(cx))),
        }
        let told = self
            .node()
            .told_at()
            .expect("a node that was told knows when");
        let until = self.node().force_at(told, grace);
        !passed(&mut self.force, until, cx)
    }

    pub(crate) fn panicked(&self, payload: Box<dyn std::any::Any + Send>) {
        self.node().panicked(self.name, self.at, payload);
    }

    /// Records the outcome, then gives up the place.
    #[inline]
    pub(crate) fn finish<T, E: Fault>(&mut self, outcome: Result<T, E>) -> Result<T, Stopped> {
        let result = outcome.map_err(|error| {
            self.node().failed(self.name, self.at, error);
            Stopped::Failed
        });
        self.leave();
        result
    }

    #[inline]
    pub(crate) fn leave(&mut self) {
        self.left = true;
        if let Some(key) = self.key.take() {
            self.node().unpark(key);
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
