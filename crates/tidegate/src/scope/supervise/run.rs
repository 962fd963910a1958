//! The future of a supervised scope.

use super::Supervisor;
use crate::{
    cancel::{Failure, Fault, Node, Site, is_doomed},
    scope::{Drive, Failures, Opts, Owner, ScopeError, drive::node_below},
};
use pin_project_lite::pin_project;
use std::{
    future::Future,
    panic::Location,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// Runs `body`, then waits for every child that it has spawned; a child that fails stops nobody else.
///
/// Differs from [`scope`](crate::scope()) in this alone. A failure is the child's: whoever awaits its
/// [`Child`](super::Child) gets it. One whose handle was dropped, before or after the end of the child, is kept and is
/// in the result; so no failure is lost. For work that is worth nothing unless all of it succeeds take `scope`.
///
/// | what happened | result |
/// |---|---|
/// | the body returned a value | `Ok`: the value, and the failures that nobody has awaited |
/// | the body returned an error or panicked | [`ScopeError::Failed`]: the body's own first; all the others were told to stop |
/// | the body was stopped, there are failures that nobody has awaited | [`ScopeError::Failed`] with these |
/// | the body was stopped, else | [`ScopeError::Cancelled`] with the reason |
///
/// Of failures without a handle 1,024 are kept, so that a scope that lives for weeks is no leak: take them from time to
/// time with [`Supervisor::take_failures`]. What comes on top, and what fails in a handle that has outlived the scope,
/// is reported by the root at once, as unclaimed.
///
/// # Examples
///
/// ```
/// use tidegate::{ChildError, Supervisor, supervise};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tidegate::ScopeError<std::num::ParseIntError>> {
/// let done = supervise("parse", async |s: &Supervisor<_>| {
///     let bad = s.spawn("bad", async { "x".parse::<u32>() }).await;
///     let good = s.spawn("good", async { "42".parse::<u32>() }).await;
///     drop(s.spawn("unwatched", async { "y".parse::<u32>() }).await);
///     assert!(matches!(bad.await, Err(ChildError::Error(_))));
///     Ok(good.await.ok())
/// })
/// .await?;
/// assert_eq!(done.value, Some(42));
/// assert_eq!(done.failures[0].task, "unwatched");
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
///
/// Dropping it tells the children to stop ([`Reason::OwnerDropped`](crate::Reason::OwnerDropped)) before the body is
/// dropped. Nothing is detached: the parent waits for the children, and failures that nobody has awaited are reported by
/// the root as unclaimed.
///
/// # Errors
///
/// See the table.
///
/// # Panics
///
/// Not by itself: panics of body and children are caught and returned.
#[track_caller]
pub fn supervise<T, E, B>(
    opts: impl Into<Opts>,
    body: B,
) -> impl Future<Output = Result<Supervised<T, E>, ScopeError<E>>>
where
    B: AsyncFnOnce(&Supervisor<E>) -> Result<T, E>,
    E: Fault,
{
    open(None, opts.into(), body, Location::caller())
}

async fn open<T, E, B>(
    parent: Option<Arc<Node>>,
    opts: Opts,
    body: B,
    at: Site,
) -> Result<Supervised<T, E>, ScopeError<E>>
where
    B: AsyncFnOnce(&Supervisor<E>) -> Result<T, E>,
    E: Fault,
{
    let node = node_below(parent, &opts, at);
    let handle = Supervisor::of(node.clone());
    let drive = Drive::new(body(&handle), Owner::new(node, opts));
    Supervise { drive }.await
}

/// What a supervised scope has come to.
#[derive(Debug)]
#[must_use = "the failures in it have been reported to nobody else"]
pub struct Supervised<T, E> {
    /// What the body returned.
    pub value: T,
    /// What failed and was awaited by nobody, in the order in which that became certain.
    pub failures: Vec<Failure<E>>,
}

pin_project! {
    /// Differs from its `Drive` in the report.
    struct Supervise<B, T, E> {
        #[pin]
        drive: Drive<B, T, E>,
    }
}

impl<B, T, E> Future for Supervise<B, T, E>
where
    B: Future<Output = Result<T, E>>,
    E: Fault,
{
    type Output = Result<Supervised<T, E>, ScopeError<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (value, owner) = ready!(self.project().drive.poll_end(cx));
        match report(owner, value) {
            // As in `Task::poll`: code that is to be dropped at this await does not hear the news.
            Err(ScopeError::Cancelled(_)) if is_doomed() => Poll::Pending,
            result => Poll::Ready(result),
        }
    }
}

fn report<T, E: Fault>(owner: &Owner, value: Option<T>) -> Result<Supervised<T, E>, ScopeError<E>> {
    let node = owner.node();
    let failures = node.last_failures().into_iter().map(Failure::typed);
    let mut failures: Vec<Failure<E>> = failures.collect();
    if owner.body_failed() {
        let of_body =
            |failure: &Failure<E>| failure.task == node.id.name && failure.at == node.id.at;
        failures.sort_by_key(|failure| !of_body(failure));
    } else if let Some(value) = value {
        return Ok(Supervised { value, failures });
    }
    let mut failures = failures.into_iter();
    Err(match failures.next() {
        Some(first) => ScopeError::Failed(Failures {
            first,
            rest: failures.collect(),
        }),
        None => ScopeError::Cancelled(
            node.reason()
                .expect("a body without a value or a failure was told to stop"),
        ),
    })
}
