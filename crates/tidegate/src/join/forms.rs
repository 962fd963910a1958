//! The joins that have a name.

use super::{Joined, Losers, Until, run::Plan};
use crate::cancel::Fault;
use std::{future::Future, panic::Location, time::Duration};
use tokio::time::Instant;

/// Runs `arms` in parallel until every one has ended. A failure stops nobody; where it should, take
/// [`scope`](crate::scope()).
///
/// `losers` says what becomes of the arms when the caller's scope is told to stop.
///
/// # Examples
///
/// ```
/// use tidegate::join::{Losers, all};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let arms = ["19", "23"].map(|text| async move { text.parse::<u32>() });
/// let numbers = all(Losers::Drop, arms).await.into_values()?;
/// assert_eq!(numbers, [19, 23]);
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
///
/// As [`join`](super::join()): dropping it loses the values, tells the arms to stop, and leaves them to the caller's
/// scope.
///
/// # Panics
///
/// Outside a tokio runtime.
#[track_caller]
pub fn all<T, E, F>(
    losers: Losers,
    arms: impl IntoIterator<Item = F>,
) -> impl Future<Output = Joined<T, E>> + Send
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Fault,
{
    Plan::new("all", Until::All, losers, Location::caller()).run(arms)
}

/// Runs `arms` in parallel until one has succeeded.
///
/// [`Joined::into_first_ok`] gives its value. With [`Losers::Drop`] the arms must bear being dropped half-way; else
/// drain them.
///
/// # Examples
///
/// ```
/// use tidegate::join::{Losers, first_ok};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let arms = ["forty-two", "42"].map(|text| async move { text.parse::<u32>() });
/// assert_eq!(first_ok(Losers::Drop, arms).await.into_first_ok()?, (1, 42));
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
///
/// As [`join`](super::join()).
///
/// # Panics
///
/// Outside a tokio runtime.
#[track_caller]
pub fn first_ok<T, E, F>(
    losers: Losers,
    arms: impl IntoIterator<Item = F>,
) -> impl Future<Output = Joined<T, E>> + Send
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Fault,
{
    Plan::new("first_ok", Until::FirstOk, losers, Location::caller()).run(arms)
}

/// Runs `arms` in parallel until one has ended, with a value, an error or a panic: the first of
/// [`finished`](Joined::finished).
///
/// # Examples
///
/// ```
/// use std::{convert::Infallible, time::Duration};
/// use tidegate::join::{Losers, race};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let arms = [1_u64, 60].map(|ms| async move {
///     tokio::time::sleep(Duration::from_millis(ms)).await;
///     Ok::<_, Infallible>(ms)
/// });
/// let joined = race(Losers::Drop, arms).await;
/// assert!(matches!(joined.finished[0], (0, Ok(1))));
/// # }
/// ```
///
/// # Cancel safety
///
/// As [`join`](super::join()).
///
/// # Panics
///
/// Outside a tokio runtime.
#[track_caller]
pub fn race<T, E, F>(
    losers: Losers,
    arms: impl IntoIterator<Item = F>,
) -> impl Future<Output = Joined<T, E>> + Send
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Fault,
{
    Plan::new("race", Until::First, losers, Location::caller()).run(arms)
}

/// Runs `arms` in parallel until `wanted` of them have succeeded, or so many have failed that this cannot be reached
/// any more; with fewer arms than `wanted` that is so at once.
///
/// # Examples
///
/// ```
/// use tidegate::join::{Losers, quorum};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let replicas = [Ok("a"), Err("down"), Ok("b")].map(std::future::ready);
/// let joined = quorum(2, Losers::Drop, replicas).await;
/// assert_eq!(joined.finished.iter().filter(|(_, result)| result.is_ok()).count(), 2);
/// # }
/// ```
///
/// # Cancel safety
///
/// As [`join`](super::join()).
///
/// # Panics
///
/// Outside a tokio runtime.
#[track_caller]
pub fn quorum<T, E, F>(
    wanted: usize,
    losers: Losers,
    arms: impl IntoIterator<Item = F>,
) -> impl Future<Output = Joined<T, E>> + Send
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Fault,
{
    Plan::new("quorum", Until::Quorum(wanted), losers, Location::caller()).run(arms)
}

/// Runs `arms` in parallel until `deadline` or until all have ended: what is there by then, and why the rest is not.
///
/// What is unfinished gives the reason [`Reason::Deadline`](crate::Reason::Deadline), declared by this join, or by an
/// ancestor whose deadline is not later.
///
/// # Examples
///
/// ```
/// use std::{convert::Infallible, time::Duration};
/// use tidegate::{Reason, join::{Losers, until}};
/// use tokio::time::Instant;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let arms = [0_u64, 60_000].map(|ms| async move {
///     tokio::time::sleep(Duration::from_millis(ms)).await;
///     Ok::<_, Infallible>(ms)
/// });
/// let joined = until(Instant::now() + Duration::from_millis(50), Losers::Drop, arms).await;
/// assert!(matches!(joined.finished[..], [(0, Ok(0))]));
/// assert!(matches!(joined.unfinished[..], [(1, Reason::Deadline { .. })]));
/// # }
/// ```
///
/// # Cancel safety
///
/// As [`join`](super::join()).
///
/// # Panics
///
/// Outside a tokio runtime.
#[track_caller]
pub fn until<T, E, F>(
    deadline: Instant,
    losers: Losers,
    arms: impl IntoIterator<Item = F>,
) -> impl Future<Output = Joined<T, E>> + Send
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Fault,
{
    Plan::new(
        "until",
        Until::Deadline(deadline),
        losers,
        Location::caller(),
    )
    .run(arms)
}

/// Starts `arms` one after the other until one has succeeded: the next one when `delay` has passed since the last one
/// was started, or as soon as that one has failed.
///
/// Cuts off slow answers at the price of some doubled work, so the arms must be free to happen twice. Arms that were
/// never started are unfinished.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tidegate::join::{Losers, hedged};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let arms = ["down", "up", "spare"].map(|replica| async move {
///     if replica == "down" { Err(replica) } else { Ok(replica) }
/// });
/// let joined = hedged(Duration::from_millis(50), Losers::Drop, arms).await;
/// assert_eq!(joined.unfinished.len(), 1);
/// assert_eq!(joined.into_first_ok().ok(), Some((1, "up")));
/// # }
/// ```
///
/// # Cancel safety
///
/// As [`join`](super::join()).
///
/// # Panics
///
/// Outside a tokio runtime.
#[track_caller]
pub fn hedged<T, E, F>(
    delay: Duration,
    losers: Losers,
    arms: impl IntoIterator<Item = F>,
) -> impl Future<Output = Joined<T, E>> + Send
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Fault,
{
    Plan::new("hedged", Until::FirstOk, losers, Location::caller())
        .stagger(delay)
        .run(arms)
}
