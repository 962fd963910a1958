//! What a spawner holds of a child.

use super::RefusedBecause;
use crate::cancel::{Node, Reason, is_doomed};
use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::{sync::oneshot, task::JoinHandle};

/// The value that a child will have. Dropping it lets the child run on: its scope owns it and waits for it.
///
/// Code that was told to stop, and is to be dropped at its next await, does not hear that a child has ended without a
/// value: it stays at that await until it is dropped. So do not block a thread on a task from inside a child without a
/// grace (`block_on` in `block_in_place`): nobody could drop it there. Closures of `spawn_thread` and `spawn_blocking`
/// may.
///
/// # Cancel safety
///
/// Awaiting `&mut task` may be given up and taken up again.
#[must_use = "await it for the child's value, or drop it: the scope waits for the child either way"]
pub struct Task<T>(State<T>);

enum State<T> {
    Spawned(JoinHandle<Result<T, Stopped>>, Arc<Node>),
    Thread(oneshot::Receiver<Result<T, Stopped>>),
    /// Known without asking: it was not started, or `Task::poll` has kept it back.
    Ended(Stopped),
}

impl<T> Task<T> {
    pub(super) fn spawned(handle: JoinHandle<Result<T, Stopped>>, node: Arc<Node>) -> Self {
        Task(State::Spawned(handle, node))
    }

    pub(crate) fn thread(receiver: oneshot::Receiver<Result<T, Stopped>>) -> Self {
        Task(State::Thread(receiver))
    }

    pub(crate) fn not_started(because: RefusedBecause) -> Self {
        Task(State::Ended(Stopped::NotStarted(because)))
    }

    /// Tells this child alone to stop: without a grace it is dropped at its current await, with one it is asked first;
    /// scopes that it has opened are told as well. Its scope and its siblings hear nothing, and it is no failure: the
    /// task ends as [`Stopped::Cancelled`] with `why`, or with its value if it ends by itself in its grace.
    ///
    /// Does nothing to a child that has ended, to a second call, and to a thread, which hears only of its scope.
    pub fn cancel(&self, why: Reason) {
        if let State::Spawned(handle, node) = &self.0
            && !handle.is_finished()
        {
            node.cancel_task(handle.id(), why);
            if handle.is_finished() {
                // It left before it could see the mark, and would not take it away.
                node.forget_singled(handle.id());
            }
        }
    }

    /// Whether awaiting it would give the result at once.
    pub fn is_finished(&self) -> bool {
        match &self.0 {
            State::Spawned(handle, _) => handle.is_finished(),
            State::Thread(receiver) => !receiver.is_empty() || receiver.is_terminated(),
            State::Ended(_) => true,
        }
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, Stopped>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let result = match &mut this.0 {
            State::Spawned(handle, _) => {
                ready!(Pin::new(handle).poll(cx)).unwrap_or(Err(Stopped::RuntimeGone))
            }
            State::Thread(receiver) => {
                ready!(Pin::new(receiver).poll(cx)).unwrap_or(Err(Stopped::RuntimeGone))
            }
            State::Ended(stopped) => Err(*stopped),
        };
        if let Err(stopped) = result
            && is_doomed()
        {
            // The waiting code is to be dropped at this very await, as its scope is stopping. Did it hear the news, it
            // could turn it into an error of its own first, and whether it did would depend on a race. Code
            // further out, that only lent the task, may ask again, and so may a shield that it opens instead.
            this.0 = State::Ended(stopped);
            return Poll::Pending;
        }
        Poll::Ready(result)
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("is_finished", &self.is_finished())
            .finish()
    }
}

/// A child ended without a value. What failed is in its scope's report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stopped {
    /// It returned an error.
    Failed,
    /// It panicked.
    Panicked,
    /// It was dropped half-way.
    Cancelled(Reason),
    /// It never ran.
    NotStarted(RefusedBecause),
    /// Its runtime was shut down under it.
    RuntimeGone,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stopped::Failed => f.write_str("the task failed, see its scope's report"),
            Stopped::Panicked => f.write_str("the task panicked, see its scope's report"),
            Stopped::Cancelled(reason) => write!(f, "the task was stopped: {reason}"),
            Stopped::NotStarted(because) => write!(f, "the task was not started: {because}"),
            Stopped::RuntimeGone => f.write_str("the task's runtime was shut down"),
        }
    }
}

impl Error for Stopped {}
