//! The handle to a scope: spawns children, tells them to stop.

use super::{
    Gather, Refused, Task,
    child::{ChildFuture, spawn_counted},
};
use crate::cancel::{Cancelled, Fault, Node, Reason, Room, ScopeId, Site, after};
use std::{
    fmt,
    future::{Future, poll_fn},
    marker::PhantomData,
    panic::Location,
    sync::Arc,
    task::{Poll, ready},
    time::Duration,
};
use tokio::time::Instant;

/// A handle to a scope. Cheap to clone, may be carried anywhere, keeps nothing open: once the scope has ended, it
/// refuses what is spawned.
///
/// Children are tasks of the current tokio runtime, so spawning panics outside one. A name says what the child does; it
/// stands, with the line that spawned it, in every failure and report.
pub struct Scope<E> {
    node: Arc<Node>,
    error: PhantomData<fn(E) -> E>,
}

impl<E: Fault> Scope<E> {
    /// Spawns a child; waits while the scope is full. The task of a child that the scope does not take any more ends as
    /// [`Stopped::NotStarted`](super::Stopped::NotStarted); use [`try_spawn`](Scope::try_spawn) to get it back.
    ///
    /// A child of this scope does not wait, as it could be waiting for itself: when the scope is full, its spawn is not
    /// started. Let it open a scope of its own.
    ///
    /// # Cancel safety
    ///
    /// Dropping it before it is done drops `work`, never run, and gives up the place in the queue.
    #[track_caller]
    pub fn spawn<F, T>(&self, name: &'static str, work: F) -> impl Future<Output = Task<T>> + Send
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        self.spawn_at(name, Location::caller(), None, work)
    }

    /// As [`spawn`](Scope::spawn). When told to stop the child is asked (see [`cancelled`](crate::cancelled())); it is
    /// dropped after `grace`, or earlier when its scope has less.
    ///
    /// # Cancel safety
    ///
    /// As `spawn`.
    #[track_caller]
    pub fn spawn_with_grace<F, T>(
        &self,
        name: &'static str,
        grace: Duration,
        work: F,
    ) -> impl Future<Output = Task<T>> + Send
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        self.spawn_at(name, Location::caller(), Some(grace), work)
    }

    /// Spawns a child now.
    ///
    /// # Errors
    ///
    /// The scope is full, was told to stop or has ended: `work` comes back.
    #[track_caller]
    pub fn try_spawn<F, T>(&self, name: &'static str, work: F) -> Result<Task<T>, Refused<F>>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        self.try_spawn_at(name, Location::caller(), None, work)
    }

    /// [`try_spawn`](Scope::try_spawn) with the grace of [`spawn_with_grace`](Scope::spawn_with_grace).
    ///
    /// # Errors
    ///
    /// As `try_spawn`.
    #[track_caller]
    pub fn try_spawn_with_grace<F, T>(
        &self,
        name: &'static str,
        grace: Duration,
        work: F,
    ) -> Result<Task<T>, Refused<F>>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        self.try_spawn_at(name, Location::caller(), Some(grace), work)
    }

    /// Spawns a child that does not keep the scope open: when the body has returned and every other child has ended, it
    /// is told to stop, with [`Reason::BodyReturned`], and waited for. It does not count among
    /// [`max_children`](super::Opts::max_children); its failure is one of the scope.
    ///
    /// # Errors
    ///
    /// The scope was told to stop or has ended: `work` comes back.
    #[track_caller]
    pub fn spawn_background<F>(&self, name: &'static str, work: F) -> Result<(), Refused<F>>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let hidden = Scope::of(self.node.background());
        hidden
            .try_spawn_at(name, Location::caller(), None, work)
            .map(drop)
    }

    /// A set of children whose results are taken as they come, while more are spawned.
    pub fn gather<T: Send + 'static>(&self) -> Gather<T, E> {
        Gather::new(self.clone())
    }

    /// Tells the scope and all below it to stop: what has no grace is dropped at its current await, the rest is asked,
    /// and dropped when its own grace or `grace` is over, whichever is less.
    ///
    /// Of several calls the first reason stays; a later one may only bring the end nearer.
    pub fn cancel(&self, why: Reason, grace: Duration) {
        self.node.cancel(why, Some(after(Instant::now(), grace)));
    }

    /// Waits until the scope is told to stop; at once if it has been.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    pub fn cancelled(&self) -> Cancelled {
        Cancelled::of(self.node.clone())
    }

    /// Whether the scope was told to stop.
    pub fn is_cancelled(&self) -> bool {
        self.node.is_cancelled()
    }

    /// Why the scope was told to stop. `None`: it was not.
    pub fn reason(&self) -> Option<Reason> {
        self.node.reason()
    }

    /// The time left until the scope's or an ancestor's deadline; zero when it has passed. `None`: there is none.
    pub fn remaining(&self) -> Option<Duration> {
        self.node
            .deadline
            .map(|deadline| deadline.at.saturating_duration_since(Instant::now()))
    }

    /// Which scope this is; what a [`Reason::Deadline`] names.
    pub fn id(&self) -> ScopeId {
        self.node.id
    }

    /// How many children run in the scope itself.
    pub fn children(&self) -> usize {
        self.node.children() as usize
    }

    pub(crate) fn spawn_at<F, T>(
        &self,
        name: &'static str,
        at: Site,
        grace: Option<Duration>,
        work: F,
    ) -> impl Future<Output = Task<T>> + Send
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        let mut room = Room::new(&self.node);
        let mut work = Some(work);
        // No `async fn`: it would hold the work twice, and copy it once more.
        poll_fn(move |cx| {
            let entered = ready!(room.poll(cx));
            let work = work.take().expect("polled after it was done");
            Poll::Ready(match entered {
                Ok(()) => self.start(name, at, grace, work),
                Err(why) => Task::not_started(why.into()),
            })
        })
    }

    #[inline]
    pub(crate) fn try_spawn_at<F, T>(
        &self,
        name: &'static str,
        at: Site,
        grace: Option<Duration>,
        work: F,
    ) -> Result<Task<T>, Refused<F>>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        match self.node.try_room() {
            Ok(()) => Ok(self.start(name, at, grace, work)),
            Err(why) => Err(Refused::new(why.into(), work)),
        }
    }

    /// The caller has taken a place.
    #[inline]
    pub(crate) fn start<F, T>(
        &self,
        name: &'static str,
        at: Site,
        grace: Option<Duration>,
        work: F,
    ) -> Task<T>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        let child = ChildFuture::new(work, self.node.clone(), name, at, grace);
        Task::spawned(spawn_counted(child), self.node.clone())
    }
}

impl<E> Scope<E> {
    pub(crate) fn of(node: Arc<Node>) -> Self {
        Scope {
            node,
            error: PhantomData,
        }
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }
}

impl<E> Clone for Scope<E> {
    fn clone(&self) -> Self {
        Scope::of(self.node.clone())
    }
}

impl<E> fmt::Debug for Scope<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = &self.node;
        f.debug_struct("Scope")
            .field("name", &node.id.name)
            .field("children", &node.children())
            .field("reason", &node.reason())
            .finish()
    }
}
