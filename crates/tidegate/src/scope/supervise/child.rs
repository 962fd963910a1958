//! What a spawner holds of a supervised child.

use crate::{
    cancel::{Failure, Fault, Node, Panic, Reason, What, ignore_poison, is_doomed},
    scope::{
        Stopped, Task,
        isolated::{Outlet, Settled},
    },
};
use std::{
    error::Error,
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
};

/// What a child of a supervised scope will end with. Whoever awaits it has the failure, and nobody else is told.
///
/// Dropping it lets the child run on: its scope owns it, waits for it, and keeps its failure for the result.
///
/// # Cancel safety
///
/// Awaiting `&mut child` may be given up and taken up again.
#[must_use = "await it for the child's outcome, or drop it: the scope keeps what fails"]
pub struct Child<T, E: Fault> {
    task: Task<()>,
    slot: Slot<T, E>,
    node: Arc<Node>,
    /// How the task has ended, when `poll` has kept that back.
    ended: Option<Result<(), Stopped>>,
}

impl<T, E: Fault> Child<T, E> {
    pub(super) fn new(task: Task<()>, slot: Slot<T, E>, node: Arc<Node>) -> Self {
        Child {
            task,
            slot,
            node,
            ended: None,
        }
    }

    /// Tells this child alone to stop: without a grace it is dropped at its current await, with one it is asked first;
    /// scopes that it has opened are told as well. Its siblings hear nothing. It ends as [`ChildError::Stopped`] with
    /// `why`, or with its own outcome if it ends by itself in its grace.
    ///
    /// Does nothing to a child that has ended, and to a second call.
    pub fn cancel(&self, why: Reason) {
        self.task.cancel(why);
    }

    /// Whether awaiting it would give the outcome at once.
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }
}

impl<T, E: Fault> Future for Child<T, E> {
    type Output = Result<T, ChildError<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let stopped = match this.ended.take() {
            Some(ended) => ended,
            None => ready!(Pin::new(&mut this.task).poll(cx)),
        };
        // As in `Task::poll`: code that is to be dropped at this await does not hear the news. The scope keeps it.
        if is_doomed() && this.slot.has_failed() {
            this.ended = Some(stopped);
            return Poll::Pending;
        }
        Poll::Ready(match (this.slot.take(), stopped) {
            (Some(Ok(value)), _) => Ok(value),
            (Some(Err(failure)), _) => Err(match failure.what {
                What::Error(error) => ChildError::Error(error),
                What::Panic(panic) => ChildError::Panic(panic),
                What::CutShort { .. } | What::NotRun => {
                    unreachable!("only clean-ups and critical sections end so")
                }
            }),
            (None, Err(stopped)) => Err(ChildError::Stopped(stopped)),
            (None, Ok(())) => unreachable!("a child delivers before it ends"),
        })
    }
}

impl<T, E: Fault> Drop for Child<T, E> {
    fn drop(&mut self) {
        if let Some(Err(failure)) = self.slot.take() {
            self.node.keep(failure.boxed());
        }
    }
}

impl<T, E: Fault> fmt::Debug for Child<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("is_finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}

/// A supervised child ended without a value.
#[derive(Debug)]
#[non_exhaustive]
pub enum ChildError<E> {
    /// It returned this error.
    Error(E),
    /// It panicked.
    Panic(Panic),
    /// It was told to stop, or never ran.
    Stopped(Stopped),
}

impl<E: fmt::Display> fmt::Display for ChildError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The alternate form is the one in which `anyhow` prints its causes.
            ChildError::Error(error) => write!(f, "the task failed: {error:#}"),
            ChildError::Panic(panic) => write!(f, "the task panicked: {panic}"),
            ChildError::Stopped(stopped) => stopped.fmt(f),
        }
    }
}

/// Without a source, as [`ScopeError`](crate::ScopeError): the message carries the causes.
impl<E: Fault> Error for ChildError<E> {}

/// Between a child and its handle.
pub(super) struct Slot<T, E>(Arc<Mutex<State<T, E>>>);

enum State<T, E> {
    Running,
    Ended(Settled<T, E>),
    /// Taken, or never to be asked for.
    Gone,
}

impl<T, E> Slot<T, E> {
    pub(super) fn new() -> Self {
        Slot(Arc::new(Mutex::new(State::Running)))
    }

    pub(super) fn clone(&self) -> Self {
        Slot(self.0.clone())
    }

    fn has_failed(&self) -> bool {
        matches!(*ignore_poison(self.0.lock()), State::Ended(Err(_)))
    }

    /// Whoever takes does it once, and what comes later is not wanted.
    fn take(&self) -> Option<Settled<T, E>> {
        match mem::replace(&mut *ignore_poison(self.0.lock()), State::Gone) {
            State::Ended(outcome) => Some(outcome),
            State::Running | State::Gone => None,
        }
    }
}

impl<T, E: Fault> Outlet for Slot<T, E> {
    type Value = T;
    type Error = E;

    fn put(&mut self, outcome: Result<T, Failure<E>>) -> Option<Settled<T, E>> {
        let mut state = ignore_poison(self.0.lock());
        match *state {
            State::Running => {
                *state = State::Ended(outcome);
                None
            }
            State::Ended(_) | State::Gone => Some(outcome),
        }
    }
}
