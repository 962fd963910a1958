//! To and from the streams of `futures`.

use super::{Batches, Mapped, Receiver, Source};
use crate::Stopped;
use futures_core::Stream;
use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// Makes a stream of `futures` a source: what a client library gives of its rows or bytes.
///
/// # Examples
///
/// ```
/// use tidegate::stream::{for_each_concurrent, from_stream};
///
/// # fn rows() -> impl futures_util::Stream<Item = Result<u32, std::io::Error>> + Send {
/// #     futures_util::stream::iter([Ok(1), Ok(2)])
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tidegate::ScopeError<std::io::Error>> {
/// for_each_concurrent("row", from_stream(rows()), async |row| {
///     let _row: u32 = row?;
///     Ok(())
/// })
/// .await?;
/// # Ok(())
/// # }
/// ```
pub fn from_stream<S: Stream>(stream: S) -> FromStream<S> {
    FromStream(stream)
}

/// See [`from_stream`].
#[derive(Clone, Debug)]
#[must_use = "a source does nothing until it is given to what works on its items"]
pub struct FromStream<S>(S);

impl<S: Stream + Send> Source for FromStream<S> {
    type Item = S::Item;

    fn into_pull(self) -> impl FnMut(&mut Context<'_>) -> Poll<Option<S::Item>> + Send {
        let mut stream = Box::pin(self.0);
        move |cx| stream.as_mut().poll_next(cx)
    }
}

impl<T> Stream for Mapped<T> {
    type Item = Result<T, Stopped>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Mapped::poll_next(self.get_mut(), cx)
    }
}

impl<T> Stream for Receiver<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.get_mut().poll_recv(cx)
    }
}

/// Items are moved whole; none is pinned where it is.
impl<T, W> Unpin for Batches<T, W> {}

impl<T, W: FnMut(&T) -> usize> Stream for Batches<T, W> {
    type Item = Vec<T>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Vec<T>>> {
        Batches::poll_next(self.get_mut(), cx)
    }
}
