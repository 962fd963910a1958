//! The handle to a supervised scope.

use super::{Child, child::Slot};
use crate::{
    cancel::{Cancelled, Failure, Fault, Node, Reason, ScopeId, Site},
    scope::{
        Refused, Scope,
        isolated::{Isolated, Origin},
    },
};
use std::{
    convert::Infallible, fmt, future::Future, marker::PhantomData, panic::Location, sync::Arc,
    time::Duration,
};

/// A handle to a scope in which a failure stays with its child; see [`supervise`](super::supervise()). Cheap to clone,
/// may be carried anywhere, keeps nothing open: once the scope has ended, it refuses what is spawned.
///
/// Children are tasks of the current tokio runtime, so spawning panics outside one.
pub struct Supervisor<E> {
    // Nothing that is spawned through it can fail: failures go to the handles.
    scope: Scope<Infallible>,
    error: PhantomData<fn(E) -> E>,
}

impl<E: Fault> Supervisor<E> {
    /// Spawns a child; waits while the scope is full. A child that the scope does not take any more ends as
    /// [`Stopped::NotStarted`](crate::Stopped::NotStarted); use [`try_spawn`](Supervisor::try_spawn) to get it back.
    ///
    /// A child of this scope does not wait, as it could be waiting for itself: when the scope is full, its spawn is not
    /// started.
    ///
    /// # Cancel safety
    ///
    /// Dropping it before it is done drops `work`, never run, and gives up the place in the queue.
    #[track_caller]
    pub fn spawn<F, T>(
        &self,
        name: &'static str,
        work: F,
    ) -> impl Future<Output = Child<T, E>> + Send
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        self.spawn_at(name, Location::caller(), None, work)
    }

    /// As [`spawn`](Supervisor::spawn). When told to stop the child is asked (see [`cancelled`](crate::cancelled()));
    /// it is dropped after `grace`, or earlier when its scope has less.
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
    ) -> impl Future<Output = Child<T, E>> + Send
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
    pub fn try_spawn<F, T>(&self, name: &'static str, work: F) -> Result<Child<T, E>, Refused<F>>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        let origin = origin(&self.scope, name, Location::caller());
        try_spawn_in(&self.scope, origin, None, work)
    }

    /// [`try_spawn`](Supervisor::try_spawn) with the grace of [`spawn_with_grace`](Supervisor::spawn_with_grace).
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
    ) -> Result<Child<T, E>, Refused<F>>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        let origin = origin(&self.scope, name, Location::caller());
        try_spawn_in(&self.scope, origin, Some(grace), work)
    }

    /// Spawns a child that does not keep the scope open: when the body has returned and every other child has ended, it
    /// is told to stop, with [`Reason::BodyReturned`], and waited for. It does not count among
    /// [`max_children`](crate::Opts::max_children); its failure is kept for the scope's result.
    ///
    /// # Errors
    ///
    /// The scope was told to stop or has ended: `work` comes back.
    #[track_caller]
    pub fn spawn_background<F>(&self, name: &'static str, work: F) -> Result<(), Refused<F>>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let hidden = Scope::of(self.scope.node().background());
        // The hidden scope is told when the others have ended; whether this one was is what the failure says.
        let origin = origin(&self.scope, name, Location::caller());
        try_spawn_in(&hidden, origin, None, work).map(drop)
    }

    /// Takes the failures so far of children whose handle was dropped; they are not in the scope's result then.
    pub fn take_failures(&self) -> Vec<Failure<E>> {
        let failures = self.scope.node().take_failures();
        failures.into_iter().map(Failure::typed).collect()
    }

    /// Tells the scope and all below it to stop: what has no grace is dropped at its current await, the rest is asked,
    /// and dropped when its own grace or `grace` is over, whichever is less.
    ///
    /// Of several calls the first reason stays; a later one may only bring the end nearer.
    pub fn cancel(&self, why: Reason, grace: Duration) {
        self.scope.cancel(why, grace);
    }

    /// Waits until the scope is told to stop; at once if it has been.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    pub fn cancelled(&self) -> Cancelled {
        self.scope.cancelled()
    }

    /// Whether the scope was told to stop.
    pub fn is_cancelled(&self) -> bool {
        self.scope.is_cancelled()
    }

    /// Why the scope was told to stop. `None`: it was not.
    pub fn reason(&self) -> Option<Reason> {
        self.scope.reason()
    }

    /// The time left until the scope's or an ancestor's deadline; zero when it has passed. `None`: there is none.
    pub fn remaining(&self) -> Option<Duration> {
        self.scope.remaining()
    }

    /// Which scope this is; what a [`Reason::Deadline`] names.
    pub fn id(&self) -> ScopeId {
        self.scope.id()
    }

    /// How many children run in the scope itself.
    pub fn children(&self) -> usize {
        self.scope.children()
    }

    async fn spawn_at<F, T>(
        &self,
        name: &'static str,
        at: Site,
        grace: Option<Duration>,
        work: F,
    ) -> Child<T, E>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        let slot = Slot::new();
        let work = Isolated::new(work, origin(&self.scope, name, at), slot.clone());
        let task = self.scope.spawn_at(name, at, grace, work).await;
        Child::new(task, slot, self.scope.node().clone())
    }
}

fn try_spawn_in<F, T, E>(
    scope: &Scope<Infallible>,
    origin: Origin,
    grace: Option<Duration>,
    work: F,
) -> Result<Child<T, E>, Refused<F>>
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Fault,
{
    let slot = Slot::new();
    let (name, at) = (origin.name, origin.at);
    let work = Isolated::new(work, origin, slot.clone());
    match scope.try_spawn_at(name, at, grace, work) {
        Ok(task) => Ok(Child::new(task, slot, scope.node().clone())),
        Err(refused) => Err(refused.map(Isolated::into_work)),
    }
}

fn origin(scope: &Scope<Infallible>, name: &'static str, at: Site) -> Origin {
    let node = scope.node().clone();
    Origin { node, name, at }
}

impl<E> Supervisor<E> {
    pub(crate) fn of(node: Arc<Node>) -> Self {
        Supervisor {
            scope: Scope::of(node),
            error: PhantomData,
        }
    }
}

impl<E> Clone for Supervisor<E> {
    fn clone(&self) -> Self {
        Supervisor::of(self.scope.node().clone())
    }
}

impl<E> fmt::Debug for Supervisor<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self.scope.node();
        f.debug_struct("Supervisor")
            .field("name", &node.id.name)
            .field("children", &node.children())
            .field("reason", &node.reason())
            .finish()
    }
}
