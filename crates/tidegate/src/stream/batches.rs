//! What comes out of a channel, in batches.

use super::{Batcher, Limits, Receiver, Source};
use crate::scope::passed;
use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::time::{Instant, Sleep};

/// Collects what comes out of `receiver` into batches: the [`Batcher`] with the clock. `weigh` says how many bytes an
/// item counts.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tidegate::stream::{Limits, batches, channel};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let (sender, receiver) = channel(8);
/// for line in ["a", "b", "c"] {
///     sender.send(line).await.expect("the receiver is there");
/// }
/// drop(sender);
/// let limits = Limits { count: 2, bytes: 1_000, age: Duration::from_millis(200) };
/// let mut batches = batches(receiver, limits, |line| line.len());
/// assert_eq!(batches.next().await, Some(vec!["a", "b"]));
/// assert_eq!(batches.next().await, Some(vec!["c"]));
/// assert_eq!(batches.next().await, None);
/// # }
/// ```
pub fn batches<T, W>(receiver: Receiver<T>, limits: Limits, weigh: W) -> Batches<T, W>
where
    W: FnMut(&T) -> usize,
{
    Batches {
        receiver,
        batcher: Batcher::new(limits),
        weigh,
        timer: None,
    }
}

/// See [`batches`]. Also a [`Source`], whose items are the batches.
///
/// Dropping it drops the batch that was begun; [`close`](Batches::close) and go on to the end to lose nothing.
pub struct Batches<T, W> {
    receiver: Receiver<T>,
    batcher: Batcher<T>,
    weigh: W,
    /// Kept from batch to batch.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<T, W: FnMut(&T) -> usize> Batches<T, W> {
    /// The next batch, as soon as a bound is reached or nothing more will come; never an empty one. `None`: the channel
    /// is closed and everything has been given.
    ///
    /// The age of a batch counts from the receipt of its first item. While nobody asks for a batch nothing is received,
    /// so the channel fills and slows its senders down.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing: the batch that was begun is gone on with.
    pub async fn next(&mut self) -> Option<Vec<T>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The poll of [`next`](Batches::next).
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Vec<T>>> {
        while self.batcher.is_empty() || !self.batcher.is_full() {
            match self.receiver.poll_recv(cx) {
                Poll::Ready(Some(item)) => {
                    let bytes = (self.weigh)(&item);
                    self.batcher.push(item, bytes, Instant::now());
                }
                Poll::Ready(None) if self.batcher.is_empty() => return Poll::Ready(None),
                Poll::Ready(None) => break,
                Poll::Pending if self.is_due(cx) => break,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Some(self.batcher.take()))
    }

    /// Receives no more from senders: what is in the channel and in the batch still comes.
    pub fn close(&mut self) {
        self.receiver.close();
    }

    /// Whether the batch is old enough; else this task is woken when it is.
    fn is_due(&mut self, cx: &mut Context<'_>) -> bool {
        let due = self.batcher.due_at();
        due.is_some_and(|due| passed(&mut self.timer, due, cx))
    }
}

impl<T, W> Source for Batches<T, W>
where
    T: Send,
    W: FnMut(&T) -> usize + Send,
{
    type Item = Vec<T>;

    fn into_pull(mut self) -> impl FnMut(&mut Context<'_>) -> Poll<Option<Vec<T>>> + Send {
        move |cx| self.poll_next(cx)
    }
}

impl<T, W> fmt::Debug for Batches<T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches")
            .field("receiver", &self.receiver)
            .field("begun", &self.batcher.len())
            .finish_non_exhaustive()
    }
}
