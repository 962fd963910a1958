//! Many items at once, for what they do and not for a result.

use super::{
    Concurrent, Order, Source,
    intake::{Crew, Intake},
    shared::Shared,
};
use crate::{
    Opts, Reason, Scope, ScopeError,
    cancel::{Fault, Site},
    scope::open,
};
use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    hash::Hash,
    panic::Location,
    task::Poll,
    time::Duration,
};

/// Runs `work` for every item of `source`, several at once, in a scope of its own.
///
/// Items are tasks, children of that scope, so they go on while the caller does something else. The source is asked for
/// more only while the caller polls this, and may borrow. The first error or panic tells the others to stop, and all
/// failures are in the error.
///
/// # Examples
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
/// use tidegate::stream::{Concurrent, for_each_concurrent};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tidegate::ScopeError<std::num::ParseIntError>> {
/// let sum = Arc::new(AtomicU32::new(0));
/// for_each_concurrent(Concurrent::named("add").at_once(2), ["19", "23"], |text| {
///     let sum = sum.clone();
///     async move {
///         sum.fetch_add(text.parse()?, Ordering::Relaxed);
///         Ok(())
///     }
/// })
/// .await?;
/// assert_eq!(sum.load(Ordering::Relaxed), 42);
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
///
/// Dropping it tells the items that run to stop, as dropping a [`scope`](crate::scope()) does; what was taken from the
/// source and not begun is dropped.
///
/// # Errors
///
/// [`ScopeError::Failed`] with every failure, or [`ScopeError::Cancelled`] if it was told to stop before every item had
/// ended.
#[track_caller]
pub fn for_each_concurrent<S, W, F, E>(
    opts: impl Into<Concurrent>,
    source: S,
    work: W,
) -> impl Future<Output = Result<(), ScopeError<E>>>
where
    S: Source,
    W: FnMut(S::Item) -> F,
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Fault,
{
    let no_key = |_: &S::Item| None::<Infallible>;
    let at = Location::caller();
    run(opts.into(), source, (no_key, false), work, at)
}

/// [`for_each_concurrent`] that runs items with equal keys one after the other, in the order of the source, and those
/// with different keys side by side.
///
/// Items that wait for their key count in the [`window`](Concurrent::window).
///
/// # Cancel safety
///
/// As `for_each_concurrent`.
///
/// # Errors
///
/// As `for_each_concurrent`.
#[track_caller]
pub fn for_each_per_key<S, Q, K, W, F, E>(
    opts: impl Into<Concurrent>,
    source: S,
    mut key: Q,
    work: W,
) -> impl Future<Output = Result<(), ScopeError<E>>>
where
    S: Source,
    Q: FnMut(&S::Item) -> K,
    K: Clone + Eq + Hash,
    W: FnMut(S::Item) -> F,
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Fault,
{
    let key = move |item: &S::Item| Some(key(item));
    let at = Location::caller();
    run(opts.into(), source, (key, true), work, at)
}

fn run<S, Q, K, W, F, E>(
    opts: Concurrent,
    source: S,
    (key, keyed): (Q, bool),
    mut work: W,
    at: Site,
) -> impl Future<Output = Result<(), ScopeError<E>>>
where
    S: Source,
    Q: FnMut(&S::Item) -> Option<K>,
    K: Clone + Eq + Hash,
    W: FnMut(S::Item) -> F,
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Fault,
{
    let around = Opts::named(opts.name).max_children(opts.at_once);
    // An item without a result holds nothing back that others behind it could need.
    let opts = opts.order(Order::Any);
    let body = async move |scope: &Scope<E>| {
        let shared = Shared::new(&opts, keyed);
        let crew = Crew {
            scope: scope.clone(),
            opts,
            at,
            shared,
        };
        let mut intake = Intake::new(source.into_pull(), key);
        let mut taking = true;
        poll_fn(|cx| {
            loop {
                match crew.shared.poll_take(cx) {
                    Poll::Ready(Some(Ok(()))) => continue,
                    Poll::Ready(None) => return Poll::Ready(Ok(())),
                    Poll::Ready(Some(Err(_))) => {
                        // Its runtime is gone, or the scope was told to stop: either way there will be no value.
                        scope.cancel(Reason::Ended, Duration::ZERO);
                        return Poll::Pending;
                    }
                    Poll::Pending if !taking => return Poll::Pending,
                    Poll::Pending => {}
                }
                match intake.poll_next(&crew.shared, cx) {
                    Poll::Ready(Some((number, item))) => {
                        if !crew.start(number, work(item)) {
                            // The scope was told to stop: this body is dropped here.
                            return Poll::Pending;
                        }
                    }
                    Poll::Ready(None) => {
                        taking = false;
                        crew.shared.end_source(Ok(()));
                    }
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    };
    open(None, around, body, at)
}
