//! A value that somebody else will have.

use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::sync::oneshot::{self, Receiver, Sender};

/// A promise of one value, and the right to keep it.
///
/// Both halves go anywhere, to a thread or to foreign code; resolving never blocks and needs no runtime.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tidegate::bridge::Unresolved> {
/// let (resolver, promise) = tidegate::bridge::oneshot();
/// std::thread::spawn(move || resolver.resolve(42));
/// assert_eq!(promise.await?, 42);
/// # Ok(())
/// # }
/// ```
pub fn oneshot<T>() -> (Resolver<T>, Promise<T>) {
    let (sender, receiver) = oneshot::channel();
    (Resolver(sender), Promise(receiver))
}

/// The side that will have the value. Dropping it unused tells the [`Promise`] that there will be none.
#[must_use = "dropping it leaves the promise unresolved"]
pub struct Resolver<T>(Sender<T>);

impl<T> Resolver<T> {
    /// Keeps the promise.
    ///
    /// # Errors
    ///
    /// Nobody waits any more: the value comes back. `Ok` says that somebody did, not that it has taken the value.
    pub fn resolve(self, value: T) -> Result<(), T> {
        self.0.send(value)
    }

    /// Whether somebody still waits, or may.
    pub fn is_wanted(&self) -> bool {
        !self.0.is_closed()
    }

    /// Waits until nobody waits any more; at once if so already.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing: the next call sees the same.
    pub async fn unwanted(&mut self) {
        self.0.closed().await;
    }
}

impl<T> fmt::Debug for Resolver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("is_wanted", &self.is_wanted())
            .finish()
    }
}

/// The side that waits for the value.
///
/// # Cancel safety
///
/// Awaiting `&mut promise` may be given up and taken up again. Dropping the promise tells the [`Resolver`] that nobody
/// wants the value; one that is there already is dropped.
///
/// # Errors
///
/// [`Unresolved`]: the resolver was dropped.
///
/// # Panics
///
/// When polled after it has given its result.
#[must_use = "futures do nothing unless awaited"]
pub struct Promise<T>(Receiver<T>);

impl<T> Future for Promise<T> {
    type Output = Result<T, Unresolved>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let receiver = Pin::new(&mut self.get_mut().0);
        receiver.poll(cx).map_err(|_| Unresolved)
    }
}

impl<T> fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Promise").finish_non_exhaustive()
    }
}

/// Whoever was to have the value has gone away without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unresolved;

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the promise was dropped unresolved")
    }
}

impl Error for Unresolved {}
