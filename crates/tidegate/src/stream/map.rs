//! Many items at once, their results taken as they come or in the order of the source.

use super::{
    Concurrent, Source,
    intake::{Crew, Intake},
    shared::{Shared, SourceEnd},
};
use crate::{
    Scope, Stopped,
    cancel::{Fault, Node, Site},
};
use std::{
    convert::Infallible,
    fmt,
    future::{Future, pending, poll_fn},
    hash::Hash,
    panic::Location,
    sync::Arc,
    task::{Context, Poll},
};

/// Runs `work` for every item of `source`, several at once; the results are taken from the [`Mapped`].
///
/// Every item is a task, and so is what takes items from the source: all of it goes on while the consumer waits for
/// something else, so that no time-out fires and no lock stays taken because nobody polls (the hazard of
/// `buffer_unordered`). [`Concurrent`] says how many run at once and how many results may wait.
///
/// The tasks belong to `scope`: the first error or panic, also one of the source or of `work` itself, tells the scope to
/// stop and is among its failures, with the name of `opts` and the line of this call. They do not count among its
/// [`max_children`](crate::Opts::max_children), and they do not keep it open: when everything else in the scope has
/// ended nobody is left to take results, and they are told to stop, with [`Reason::BodyReturned`](crate::Reason::BodyReturned).
///
/// Take `futures::StreamExt` where items must borrow.
///
/// # Examples
///
/// ```
/// use tidegate::{Scope, scope, stream::{Concurrent, Order, map_concurrent}};
///
/// # #[derive(Debug)] enum Error { Stopped, Number }
/// # impl std::fmt::Display for Error { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("x") } }
/// # impl From<tidegate::Stopped> for Error { fn from(_: tidegate::Stopped) -> Self { Error::Stopped } }
/// # impl From<std::num::ParseIntError> for Error { fn from(_: std::num::ParseIntError) -> Self { Error::Number } }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tidegate::ScopeError<Error>> {
/// let texts = ["19", "23", "7"];
/// let numbers = scope("numbers", async |s: &Scope<Error>| {
///     let opts = Concurrent::named("parse").at_once(2).order(Order::Input);
///     let mut parsed = map_concurrent(s, opts, texts, async |text| Ok(text.parse::<u32>()?));
///     let mut numbers = Vec::new();
///     while let Some(number) = parsed.next().await {
///         numbers.push(number?);
///     }
///     Ok(numbers)
/// })
/// .await?;
/// assert_eq!(numbers, [19, 23, 7]);
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// Outside a tokio runtime.
#[track_caller]
pub fn map_concurrent<S, W, F, T, E>(
    scope: &Scope<E>,
    opts: impl Into<Concurrent>,
    source: S,
    work: W,
) -> Mapped<T>
where
    S: Source + 'static,
    S::Item: Send + 'static,
    W: FnMut(S::Item) -> F + Send + 'static,
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Fault,
{
    let no_key = |_: &S::Item| None::<Infallible>;
    start(
        scope,
        opts.into(),
        source,
        (no_key, false),
        work,
        Location::caller(),
    )
}

/// [`map_concurrent`] that runs items with equal keys one after the other, in the order of the source, and those with
/// different keys side by side.
///
/// Items that wait for their key count in the [`window`](Concurrent::window): when one key has filled it, nothing is
/// taken from the source until one of its items has ended.
///
/// # Panics
///
/// Outside a tokio runtime.
#[track_caller]
pub fn map_per_key<S, Q, K, W, F, T, E>(
    scope: &Scope<E>,
    opts: impl Into<Concurrent>,
    source: S,
    mut key: Q,
    work: W,
) -> Mapped<T>
where
    S: Source + 'static,
    S::Item: Send + 'static,
    Q: FnMut(&S::Item) -> K + Send + 'static,
    K: Clone + Eq + Hash + Send + 'static,
    W: FnMut(S::Item) -> F + Send + 'static,
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Fault,
{
    let key = move |item: &S::Item| Some(key(item));
    start(
        scope,
        opts.into(),
        source,
        (key, true),
        work,
        Location::caller(),
    )
}

fn start<S, Q, K, W, F, T, E>(
    scope: &Scope<E>,
    opts: Concurrent,
    source: S,
    (key, keyed): (Q, bool),
    mut work: W,
    at: Site,
) -> Mapped<T>
where
    S: Source + 'static,
    S::Item: Send + 'static,
    Q: FnMut(&S::Item) -> Option<K> + Send + 'static,
    K: Clone + Eq + Hash + Send + 'static,
    W: FnMut(S::Item) -> F + Send + 'static,
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Fault,
{
    let node = scope.node().group();
    let shared = Shared::new(&opts, keyed);
    let crew = || Crew {
        scope: Scope::of(node.clone()),
        opts,
        at,
        shared: shared.clone(),
    };
    let spawns = crew();
    let mut intake = Intake::new(source.into_pull(), key);
    let taking = async move {
        while let Some((number, item)) = poll_fn(|cx| intake.poll_next(&spawns.shared, cx)).await {
            if !spawns.start(number, work(item)) {
                // The scope was told to stop: this task is dropped here, and its end says so.
                pending::<Infallible>().await;
            }
        }
        Ok(())
    };
    crew().spawn(None, taking, SourceEnd::of(&shared));
    Mapped { node, shared }
}

/// The results of a [`map_concurrent`].
///
/// # Cancel safety
///
/// Dropping it drops the results that nobody has taken and tells the items that run to stop, as dropping a
/// [`scope`](crate::scope()) does; the scope waits for them. Items taken from the source and not begun are dropped.
#[must_use = "dropping it stops its items"]
pub struct Mapped<T> {
    node: Arc<Node>,
    shared: Arc<Shared<T>>,
}

impl<T> Mapped<T> {
    /// The next result. `None`: every item of the source has been worked on and its result taken.
    ///
    /// Of an item that has ended without a value it says how; the failure itself is in the report of the scope. When
    /// the source could not be taken to its end, the last result before `None` says why, so an end that looks whole is.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses no result.
    pub async fn next(&mut self) -> Option<Result<T, Stopped>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The poll of [`next`](Mapped::next).
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Stopped>>> {
        self.shared.poll_take(cx)
    }
}

/// Chained, the items of one map are the results of the one before, an early end included: let the work begin with `?`.
impl<T: Send> Source for Mapped<T> {
    type Item = Result<T, Stopped>;

    fn into_pull(mut self) -> impl FnMut(&mut Context<'_>) -> Poll<Option<Self::Item>> + Send {
        move |cx| self.poll_next(cx)
    }
}

impl<T> Drop for Mapped<T> {
    fn drop(&mut self) {
        let _left = self.shared.abandon();
        if !self.node.is_idle() {
            self.node.cancel_dropped();
        }
        self.node.orphan();
    }
}

impl<T> fmt::Debug for Mapped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (running, held) = self.shared.counts();
        f.debug_struct("Mapped")
            .field("running", &running)
            .field("held", &held)
            .finish_non_exhaustive()
    }
}
