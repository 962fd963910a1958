//! A function that calls back, as a future.

use super::{Promise, Resolver, Unresolved, oneshot};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Turns a function that calls back into a future.
///
/// `register` runs at the first poll: it hands the [`Resolver`] to whoever calls back, and returns what has to live
/// until then, or `()`. That is dropped as soon as the future is done or dropped, so its destructor is the place to
/// unregister; [`on_drop`] makes one from a closure.
///
/// # Examples
///
/// ```
/// use tidegate::bridge::{from_callback, on_drop};
///
/// # struct Timer;
/// # impl Timer {
/// #     fn start(&self, callback: impl FnOnce(&'static str) + Send + 'static) -> u32 { callback("rang"); 7 }
/// #     fn stop(&self, _id: u32) {}
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tidegate::bridge::Unresolved> {
/// # let timer = Timer;
/// let rang = from_callback(|resolver| {
///     // Who gave up has no use for the value.
///     let id = timer.start(move |what| drop(resolver.resolve(what)));
///     on_drop(move || timer.stop(id))
/// });
/// assert_eq!(rang.await?, "rang");
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
///
/// Dropping it before the first poll registers nothing. Dropping it later drops what `register` has returned; a callback
/// that comes all the same finds a resolver that is not wanted.
///
/// # Errors
///
/// [`Unresolved`]: the callback was dropped without a call.
///
/// # Panics
///
/// When `register` does, and when polled after it has given its result.
pub fn from_callback<T, R, G>(register: R) -> FromCallback<T, R, G>
where
    R: FnOnce(Resolver<T>) -> G,
{
    FromCallback {
        register: Some(register),
        waiting: None,
    }
}

/// See [`from_callback`].
///
/// # Cancel safety
///
/// Dropping it drops the guard that `register` gave, and the callback finds that nobody waits.
#[must_use = "futures do nothing unless awaited"]
pub struct FromCallback<T, R, G> {
    register: Option<R>,
    /// The guard goes first: whoever is unregistered by it must not hear before that nobody waits.
    waiting: Option<(G, Promise<T>)>,
}

// Nothing in it is pinned: neither the closure nor what it has returned is ever polled.
impl<T, R, G> Unpin for FromCallback<T, R, G> {}

impl<T, R, G> Future for FromCallback<T, R, G>
where
    R: FnOnce(Resolver<T>) -> G,
{
    type Output = Result<T, Unresolved>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Some(register) = this.register.take() {
            let (resolver, promise) = oneshot();
            this.waiting = Some((register(resolver), promise));
        }
        let (_, promise) = this
            .waiting
            .as_mut()
            .expect("polled after it has given its result");
        let result = ready!(Pin::new(promise).poll(cx));
        this.waiting = None;
        Poll::Ready(result)
    }
}

impl<T, R, G> fmt::Debug for FromCallback<T, R, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromCallback")
            .field("is_registered", &self.waiting.is_some())
            .finish_non_exhaustive()
    }
}

/// Calls `undo` when the value it gives is dropped.
pub fn on_drop<F: FnOnce()>(undo: F) -> OnDrop<F> {
    OnDrop(Some(undo))
}

/// See [`on_drop`].
#[must_use = "dropped at once, it undoes at once"]
pub struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(undo) = self.0.take() {
            undo();
        }
    }
}

impl<F: FnOnce()> fmt::Debug for OnDrop<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnDrop").finish_non_exhaustive()
    }
}
