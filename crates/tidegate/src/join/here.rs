//! Joins whose arms run inside the caller's own task: they may borrow and need not be `Send`, take turns instead of
//! running in parallel, and losers are dropped.
//!
//! All arms are polled from this one place, each when it was woken, until they have ended or the condition holds; the
//! losers' destructors have run before a result is handed out. So no arm is ever left with a lock that the code after
//! the join waits for. Arms belong to the caller: they see its deadline and its being told to stop, and are dropped
//! with it.

use super::{Joined, Until};
use crate::{
    cancel::{Reason, ScopeId, What},
    scope::{Caught, passed},
};
use futures_util::stream::{FuturesUnordered, StreamExt};
use pin_project_lite::pin_project;
use std::{
    future::{Future, poll_fn},
    panic::Location,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::time::Instant;

/// Runs `arms` in this task until a condition holds, then drops the others.
///
/// # Examples
///
/// ```
/// use std::convert::Infallible;
/// use tidegate::join::{Until, here};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let words = vec!["to".to_owned(), "be".to_owned()];
/// let arms = words.iter().map(|word| async move { Ok::<_, Infallible>(word.len()) });
/// let joined = here::join(Until::All, arms).await;
/// assert_eq!(joined.into_values().ok(), Some(vec![2, 2]));
/// # }
/// ```
///
/// # Cancel safety
///
/// Dropping it drops the arms where they stand, and loses the results so far.
///
/// # Panics
///
/// With [`Until::Deadline`], outside a tokio runtime. Panics of arms are caught and returned.
#[track_caller]
pub fn join<T, E, F>(
    until: Until,
    arms: impl IntoIterator<Item = F>,
) -> impl Future<Output = Joined<T, E>>
where
    F: Future<Output = Result<T, E>>,
{
    run("join", until, arms, Location::caller())
}

/// Runs `arms` in this task until every one has ended; a failure stops nobody.
///
/// # Cancel safety
///
/// As [`join`].
#[track_caller]
pub fn all<T, E, F>(arms: impl IntoIterator<Item = F>) -> impl Future<Output = Joined<T, E>>
where
    F: Future<Output = Result<T, E>>,
{
    run("all", Until::All, arms, Location::caller())
}

/// Runs `arms` in this task until one has succeeded; see [`Joined::into_first_ok`].
///
/// # Cancel safety
///
/// As [`join`].
#[track_caller]
pub fn first_ok<T, E, F>(arms: impl IntoIterator<Item = F>) -> impl Future<Output = Joined<T, E>>
where
    F: Future<Output = Result<T, E>>,
{
    run("first_ok", Until::FirstOk, arms, Location::caller())
}

/// Runs `arms` in this task until one has ended: the first of [`finished`](Joined::finished).
///
/// # Cancel safety
///
/// As [`join`].
#[track_caller]
pub fn race<T, E, F>(arms: impl IntoIterator<Item = F>) -> impl Future<Output = Joined<T, E>>
where
    F: Future<Output = Result<T, E>>,
{
    run("race", Until::First, arms, Location::caller())
}

/// Runs `arms` in this task until `wanted` of them have succeeded, or cannot any more.
///
/// # Cancel safety
///
/// As [`join`].
#[track_caller]
pub fn quorum<T, E, F>(
    wanted: usize,
    arms: impl IntoIterator<Item = F>,
) -> impl Future<Output = Joined<T, E>>
where
    F: Future<Output = Result<T, E>>,
{
    run("quorum", Until::Quorum(wanted), arms, Location::caller())
}

/// Runs `arms` in this task until `deadline` or until all have ended.
///
/// # Cancel safety
///
/// As [`join`].
///
/// # Panics
///
/// Outside a tokio runtime.
#[track_caller]
pub fn until<T, E, F>(
    deadline: Instant,
    arms: impl IntoIterator<Item = F>,
) -> impl Future<Output = Joined<T, E>>
where
    F: Future<Output = Result<T, E>>,
{
    run("until", Until::Deadline(deadline), arms, Location::caller())
}

fn run<T, E, F>(
    form: &'static str,
    until: Until,
    arms: impl IntoIterator<Item = F>,
    at: &'static Location<'static>,
) -> impl Future<Output = Joined<T, E>>
where
    F: Future<Output = Result<T, E>>,
{
    let arms = arms.into_iter().enumerate().map(|(index, future)| Arm {
        caught: Caught::new(future),
        index,
    });
    let mut arms: FuturesUnordered<_> = arms.collect();
    async move {
        let count = arms.len();
        let mut finished = Vec::new();
        let mut ok = 0;
        let mut timer = None;
        let reason = poll_fn(|cx| {
            // All that were woken, so that of arms which are ready together the input decides.
            let before = finished.len();
            if !until.is_decided(count, before, ok) {
                while let Poll::Ready(Some((index, result))) = arms.poll_next_unpin(cx) {
                    ok += usize::from(result.is_ok());
                    finished.push((index, result));
                }
            }
            finished[before..].sort_unstable_by_key(|(index, _)| *index);
            if until.is_decided(count, finished.len(), ok) {
                return Poll::Ready(Reason::LostJoin);
            }
            match until.deadline() {
                Some(deadline) if passed(&mut timer, deadline, cx) => {
                    let declared_by = ScopeId::new(form, at);
                    Poll::Ready(Reason::Deadline { declared_by })
                }
                _ => Poll::Pending,
            }
        })
        .await;
        let cut = finished.len();
        for arm in Pin::new(&mut arms).iter_pin_mut() {
            let arm = arm.project();
            if let Some(panic) = arm.caught.cut() {
                finished.push((*arm.index, Err(What::Panic(panic))));
            }
        }
        finished[cut..].sort_unstable_by_key(|(index, _)| *index);
        Joined::new(count, finished, reason)
    }
}

pin_project! {
    struct Arm<F> {
        #[pin]
        caught: Caught<F>,
        index: usize,
    }
}

impl<F, T, E> Future for Arm<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = (usize, Result<T, What<E>>);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.caught.poll(cx));
        Poll::Ready((*this.index, result))
    }
}
