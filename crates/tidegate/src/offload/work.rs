//! A closure that is a child: everything about it but which thread runs it.

use super::StopFlag;
use crate::{
    cancel::{Entry, Fault, Kind, Node, Payload, Site, inside},
    scope::{RefusedBecause, Seat, Stopped, Task},
};
use std::{sync::Arc, task::Waker};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, oneshot},
};

/// A closure with its place in a scope. Fields drop in this order: the closure's destructors have run before the seat
/// is given up, and the scope has counted the child out before its task shows a result.
pub(super) struct Work<F, T, E> {
    closure: Option<F>,
    call: fn(F, StopFlag) -> Result<T, E>,
    outcome: Option<Result<Result<T, E>, Payload>>,
    /// The place in a pool, if it is one that counts them.
    place: Option<OwnedSemaphorePermit>,
    queued: Option<Queued>,
    seat: Seat,
    runtime: Option<Handle>,
    task: oneshot::Sender<Result<T, Stopped>>,
}

/// What a thread does with a [`Work`], whatever its types.
pub(super) trait Job: Send {
    /// Runs the closure; not at all when its scope was told to stop before.
    fn run(&mut self);

    /// Tells the scope and the task how it ended.
    fn settle(self: Box<Self>);

    /// Drops the closure unrun.
    fn give_up(self: Box<Self>, because: RefusedBecause);
}

/// The entry through which a scope that is told takes its closure out of a queue.
struct Queued {
    node: Arc<Node>,
    key: u32,
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.node.unpark(self.key);
    }
}

impl<F, T, E> Work<F, T, E>
where
    F: FnOnce(StopFlag) -> Result<T, E>,
{
    /// The caller has entered the node.
    pub(super) fn new(
        closure: F,
        node: Arc<Node>,
        name: &'static str,
        at: Site,
    ) -> (Self, Task<T>) {
        Work::with(closure, |closure, stop| closure(stop), node, name, at)
    }
}

impl<F, T, E> Work<F, T, E> {
    /// As `new`, for a closure that is called in another way.
    pub(super) fn with(
        closure: F,
        call: fn(F, StopFlag) -> Result<T, E>,
        node: Arc<Node>,
        name: &'static str,
        at: Site,
    ) -> (Self, Task<T>) {
        let (sender, receiver) = oneshot::channel();
        let work = Work {
            closure: Some(closure),
            call,
            outcome: None,
            place: None,
            queued: None,
            // It is asked, and nothing can force it.
            seat: Seat::of_closure(node, name, at),
            runtime: Handle::try_current().ok(),
            task: sender,
        };
        (work, Task::thread(receiver))
    }

    /// Gives `place` up as soon as the closure has returned, or is dropped.
    pub(super) fn holding(mut self, place: OwnedSemaphorePermit) -> Self {
        self.place = Some(place);
        self
    }

    pub(super) fn node(&self) -> &Arc<Node> {
        self.seat.node()
    }

    /// The closure, never run; the place in the scope is given up.
    pub(super) fn into_closure(mut self) -> F {
        self.closure.take().expect("only a thread runs it")
    }

    /// Has `waker` called when the scope is told while the closure waits for a thread. `false`: that has come already.
    pub(super) fn queue(&mut self, waker: Waker) -> bool {
        let entry = Entry {
            waker: Some(waker),
            name: self.seat.name(),
            at: self.seat.at(),
            kind: Kind::Child,
            task: None,
        };
        let node = self.node().clone();
        self.queued = node.park(entry).map(|key| Queued { node, key });
        self.queued.is_some()
    }

    /// Runs the closure, whether the scope was told to stop or not.
    pub(super) fn call(&mut self) {
        self.queued = None;
        let closure = self.closure.take().expect("a closure runs once");
        let node = self.node().clone();
        let entry = Entry {
            waker: None,
            name: self.seat.name(),
            at: self.seat.at(),
            kind: Kind::Thread,
            task: None,
        };
        self.seat.set_key(node.park_told(entry));
        let _runtime = self.runtime.as_ref().map(Handle::enter);
        let call = self.call;
        self.outcome = Some(inside(self.seat.ctx(), || {
            call(closure, StopFlag::of(node))
        }));
        self.place = None;
    }
}

impl<F, T, E: Fault> Work<F, T, E> {
    /// What `call` has given, told to the scope and the task.
    pub(super) fn report(mut self) {
        let result = match self.outcome.take() {
            Some(Ok(outcome)) => self.seat.finish(outcome),
            Some(Err(payload)) => {
                self.seat.panicked(payload);
                self.seat.leave();
                Err(Stopped::Panicked)
            }
            None => return self.drop_unrun(None),
        };
        // Nobody listens when the task was dropped; the scope has the outcome.
        drop(self.task.send(result));
    }

    fn drop_unrun(mut self, because: Option<RefusedBecause>) {
        self.queued = None;
        self.place = None;
        let closure = self.closure.take();
        let gone = inside(self.seat.ctx(), || drop(closure));
        let stopped = match gone {
            Ok(()) => {
                let told = || self.node().reason().map(RefusedBecause::Cancelling);
                Stopped::NotStarted(because.or_else(told).unwrap_or(RefusedBecause::Closed))
            }
            Err(payload) => {
                self.seat.panicked(payload);
                Stopped::Panicked
            }
        };
        self.seat.leave();
        drop(self.task.send(Err(stopped)));
    }
}

impl<F, T, E> Job for Work<F, T, E>
where
    F: Send,
    T: Send,
    E: Fault,
{
    fn run(&mut self) {
        if !self.node().is_told() {
            self.call();
        }
    }

    fn settle(self: Box<Self>) {
        self.report();
    }

    fn give_up(self: Box<Self>, because: RefusedBecause) {
        self.drop_unrun(Some(because));
    }
}
