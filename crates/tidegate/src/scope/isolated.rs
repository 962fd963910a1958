//! Work whose failure stays with it: neither an error nor a panic reaches the scope it is spawned into. What it ended
//! with goes to an outlet.

use crate::cancel::{Failure, Fault, Node, Panic, Site, What};
use pin_project_lite::pin_project;
use std::{
    convert::Infallible,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// Who wants to know what a piece of isolated work ended with. Told at most once; not at all when the work is dropped
/// before its end, unless that panics.
pub(crate) trait Outlet {
    type Value;
    type Error: Fault;

    /// Takes the outcome, or gives back what nobody is there to take.
    fn put(
        &mut self,
        outcome: Settled<Self::Value, Self::Error>,
    ) -> Option<Settled<Self::Value, Self::Error>>;
}

/// What somebody who is not the scope gets to know of a child's end.
pub(crate) type Settled<T, E> = Result<T, Failure<E>>;

/// Whose work it is; what its failure is reported as.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) node: Arc<Node>,
    pub(crate) name: &'static str,
    pub(crate) at: Site,
}

pin_project! {
    /// As a child it delivers before it gives up its place, so a scope has every failure when it ends.
    #[derive(Debug)]
    pub(crate) struct Isolated<F, O>
    where
        O: Outlet,
    {
        #[pin]
        caught: Caught<F>,
        origin: Origin,
        outlet: O,
    }
    impl<F, O> PinnedDrop for Isolated<F, O>
    where
        O: Outlet,
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(panic) = this.caught.cut() {
                deliver(this.origin, this.outlet, Err(What::Panic(panic)));
            }
        }
    }
}

impl<F, O: Outlet> Isolated<F, O> {
    pub(crate) fn new(future: F, origin: Origin, outlet: O) -> Self {
        Isolated {
            caught: Caught::new(future),
            origin,
            outlet,
        }
    }

    /// The work, which has never been polled.
    pub(crate) fn into_work(mut self) -> F {
        let future = self.caught.future.take();
        future.expect("only polling or dropping takes it away")
    }
}

impl<F, O> Future for Isolated<F, O>
where
    O: Outlet,
    F: Future<Output = Result<O::Value, O::Error>>,
{
    type Output = Result<(), Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let outcome = ready!(this.caught.poll(cx));
        deliver(this.origin, this.outlet, outcome);
        Poll::Ready(Ok(()))
    }
}

fn deliver<O: Outlet>(origin: &Origin, outlet: &mut O, outcome: Result<O::Value, What<O::Error>>) {
    let failure = |what| Failure {
        task: origin.name,
        at: origin.at,
        after_cancel: origin.node.is_cancelled(),
        what,
    };
    match outlet.put(outcome.map_err(failure)) {
        Some(Ok(value)) => {
            if let Err(panic) = catch(|| drop(value)) {
                let failure: Failure<O::Error> = failure(What::Panic(panic));
                origin.node.keep(failure.boxed());
            }
        }
        Some(Err(failure)) => origin.node.keep(failure.boxed()),
        None => {}
    }
}

pin_project! {
    /// A future whose panics, while it is polled or dropped, are results.
    #[derive(Debug)]
    pub(crate) struct Caught<F> {
        #[pin]
        future: Option<F>,
    }
}

impl<F> Caught<F> {
    pub(crate) fn new(future: F) -> Self {
        Caught {
            future: Some(future),
        }
    }

    /// Drops the future where it stands.
    pub(crate) fn cut(self: Pin<&mut Self>) -> Option<Panic> {
        let mut future = self.project().future;
        catch(|| future.set(None)).err()
    }
}

impl<F, T, E> Future for Caught<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, What<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.as_mut().project().future.as_pin_mut();
        let future = future.expect("polled after it was done");
        let outcome = match catch(|| future.poll(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(outcome)) => outcome.map_err(What::Error),
            Err(panic) => Err(What::Panic(panic)),
        };
        let cut = self.cut();
        // There is one outcome: the first failure.
        Poll::Ready(outcome.and_then(|value| match cut {
            None => Ok(value),
            Some(panic) => Err(What::Panic(panic)),
        }))
    }
}

fn catch<T>(code: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(code)).map_err(Panic::new)
}
