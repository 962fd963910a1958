//! Children whose result goes elsewhere than to a task that somebody holds.

use super::{
    Scope, Stopped,
    child::{ChildFuture, spawn_counted},
};
use crate::cancel::{Fault, Site};
use pin_project_lite::pin_project;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

/// Where the result of a child goes. Dropped without one, it has to say itself that the runtime is gone.
pub(crate) trait Deliver<T> {
    fn deliver(&mut self, result: Result<T, Stopped>);
}

impl<E: Fault> Scope<E> {
    /// The caller has taken a place.
    pub(crate) fn start_to<F, T, D>(
        &self,
        name: &'static str,
        at: Site,
        grace: Option<Duration>,
        work: F,
        to: D,
    ) where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        D: Deliver<T> + Send + 'static,
    {
        let child = ChildFuture::new(work, self.node().clone(), name, at, grace);
        // The scope counts the child and waits for it; its result comes through `to`.
        drop(spawn_counted(Delivering { child, to }));
    }
}

pin_project! {
    /// Fields drop in this order: the place in the scope is free before the result shows, so whoever takes one may
    /// spawn one.
    struct Delivering<F, D> {
        #[pin]
        child: ChildFuture<F>,
        to: D,
    }
}

impl<F, T, E, D> Future for Delivering<F, D>
where
    F: Future<Output = Result<T, E>>,
    E: Fault,
    D: Deliver<T>,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let result = ready!(this.child.poll(cx));
        this.to.deliver(result);
        Poll::Ready(())
    }
}
