//! The one future of all services here.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

/// What the services of this crate return: on the heap, so that it has a name.
///
/// # Cancel safety
///
/// Nothing happens before the first poll. Dropping it drops the request that is under way and gives back permit and place
/// in the queue; a request that has left may have been acted on.
#[must_use = "futures do nothing unless awaited"]
pub struct ResponseFuture<Res, Err>(Pin<Box<dyn Future<Output = Result<Res, Err>> + Send>>);

impl<Res, Err> ResponseFuture<Res, Err> {
    pub(crate) fn new(work: impl Future<Output = Result<Res, Err>> + Send + 'static) -> Self {
        Self(Box::pin(work))
    }
}

impl<Res, Err> Future for ResponseFuture<Res, Err> {
    type Output = Result<Res, Err>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().0.as_mut().poll(cx)
    }
}

impl<Res, Err> fmt::Debug for ResponseFuture<Res, Err> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
