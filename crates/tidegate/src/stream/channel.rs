//! A bounded channel whose sender reserves first, so that a send that is given up loses nothing.

use super::Source;
use std::{
    error::Error,
    fmt,
    task::{Context, Poll},
};
use tokio::sync::mpsc::{
    self,
    error::{SendError, TryRecvError, TrySendError},
};

/// A channel that holds at most `n` values: who sends to a full one waits.
///
/// It is tokio's, with the verbs that keep the value and without those that lose it: there is [`Sender::reserve`] before
/// the send, what a closed channel does not take comes back, and nothing is unbounded. The [`Receiver`] is a
/// [`Source`] and what [`batches`](super::batches) reads from. Take `tokio::sync::mpsc` where weak senders, a send with
/// a time-out or values received many at a time are wanted; the two cost the same.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let (sender, mut receiver) = tidegate::stream::channel(1);
/// let place = sender.reserve().await.expect("the receiver is there");
/// place.send("one");
/// // Full: the value is handed back.
/// assert!(sender.try_send("two").is_err_and(|error| error.is_full()));
/// drop(sender);
/// assert_eq!(receiver.recv().await, Some("one"));
/// assert_eq!(receiver.recv().await, None);
/// # }
/// ```
///
/// # Panics
///
/// When `n` is 0, which leaves no place to reserve, or more than `usize::MAX / 8`, which is more than can be counted.
pub fn channel<T>(n: usize) -> (Sender<T>, Receiver<T>) {
    assert!(
        n > 0,
        "a channel that holds 0 values has nothing to reserve"
    );
    let (sender, receiver) = mpsc::channel(n);
    (Sender(sender), Receiver(receiver))
}

/// The end of a [`channel`] that values go into. The channel closes when the last clone is dropped.
pub struct Sender<T>(mpsc::Sender<T>);

impl<T> Sender<T> {
    /// Waits for a place, in the order of arrival; the value is made, or parted with, only when there is one.
    ///
    /// # Cancel safety
    ///
    /// Dropping it gives up the turn in the queue; nothing else is lost.
    ///
    /// # Errors
    ///
    /// [`Closed`]: nobody will receive.
    pub async fn reserve(&self) -> Result<Permit<'_, T>, Closed<()>> {
        match self.0.reserve().await {
            Ok(permit) => Ok(Permit(permit)),
            Err(SendError(())) => Err(Closed(())),
        }
    }

    /// Takes a place if there is one.
    ///
    /// # Errors
    ///
    /// [`NotSent`]: the channel is full or closed.
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, NotSent<()>> {
        Ok(Permit(self.0.try_reserve()?))
    }

    /// Sends, and waits for a place while the channel is full.
    ///
    /// # Cancel safety
    ///
    /// Dropping it before it is done drops `value`, not sent. Where that must not be, [`reserve`](Sender::reserve)
    /// first.
    ///
    /// # Errors
    ///
    /// [`Closed`]: nobody will receive; `value` comes back.
    pub async fn send(&self, value: T) -> Result<(), Closed<T>> {
        Ok(self.0.send(value).await?)
    }

    /// Sends if there is a place.
    ///
    /// # Errors
    ///
    /// [`NotSent`]: the channel is full or closed; `value` comes back.
    pub fn try_send(&self, value: T) -> Result<(), NotSent<T>> {
        Ok(self.0.try_send(value)?)
    }

    /// [`send`](Sender::send) from a thread. A full channel holds the thread, also when its scope is told to stop, until
    /// there is a place or the receiver is gone.
    ///
    /// # Errors
    ///
    /// [`Closed`]: nobody will receive; `value` comes back.
    ///
    /// # Panics
    ///
    /// On a thread that runs tasks: it would hold all of them.
    pub fn blocking_send(&self, value: T) -> Result<(), Closed<T>> {
        Ok(self.0.blocking_send(value)?)
    }

    /// Waits until nobody will receive any more.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    pub async fn closed(&self) {
        self.0.closed().await;
    }

    /// Whether nobody will receive any more.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// How many values the channel holds, reserved places included.
    pub fn len(&self) -> usize {
        self.0.max_capacity() - self.0.capacity()
    }

    /// Whether every place is free.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many values the channel can hold.
    pub fn capacity(&self) -> usize {
        self.0.max_capacity()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender(self.0.clone())
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show("Sender", self.len(), self.capacity(), f)
    }
}

/// A place in a [`channel`], held until it is used or dropped.
#[must_use = "dropping it frees the place"]
pub struct Permit<'s, T>(mpsc::Permit<'s, T>);

impl<T> Permit<'_, T> {
    /// Sends. A receiver that has closed the channel meanwhile still gets the value; one that was dropped does not, and
    /// the value is dropped with it.
    pub fn send(self, value: T) {
        self.0.send(value);
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

/// The end of a [`channel`] that values come out of. Dropping it drops those inside.
pub struct Receiver<T>(mpsc::Receiver<T>);

impl<T> Receiver<T> {
    /// The next value. `None`: the channel is closed and empty.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    pub async fn recv(&mut self) -> Option<T> {
        self.0.recv().await
    }

    /// The poll of [`recv`](Receiver::recv).
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.0.poll_recv(cx)
    }

    /// The next value if it is there.
    ///
    /// # Errors
    ///
    /// [`NotReceived`]: there is none now, or ever.
    pub fn try_recv(&mut self) -> Result<T, NotReceived> {
        self.0.try_recv().map_err(|error| match error {
            TryRecvError::Empty => NotReceived::Empty,
            TryRecvError::Disconnected => NotReceived::Closed,
        })
    }

    /// [`recv`](Receiver::recv) from a thread. An empty channel holds the thread, also when its scope is told to stop,
    /// until a value comes or every sender is gone.
    ///
    /// # Panics
    ///
    /// On a thread that runs tasks: it would hold all of them.
    pub fn blocking_recv(&mut self) -> Option<T> {
        self.0.blocking_recv()
    }

    /// Takes no more: senders are refused from now on. What is inside, and what has a place reserved, still comes.
    pub fn close(&mut self) {
        self.0.close();
    }

    /// How many values wait.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no value waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many values the channel can hold.
    pub fn capacity(&self) -> usize {
        self.0.max_capacity()
    }
}

impl<T: Send> Source for Receiver<T> {
    type Item = T;

    fn into_pull(mut self) -> impl FnMut(&mut Context<'_>) -> Poll<Option<T>> + Send {
        move |cx| self.poll_recv(cx)
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show("Receiver", self.len(), self.capacity(), f)
    }
}

fn show(name: &str, len: usize, capacity: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.debug_struct(name)
        .field("len", &len)
        .field("capacity", &capacity)
        .finish()
}

/// Nobody will receive; with the value that was to be sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Closed<T>(pub T);

/// Why a value was not sent at once, with the value.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotSent<T> {
    /// Every place is taken.
    Full(T),
    /// Nobody will receive.
    Closed(T),
}

impl<T> NotSent<T> {
    /// Whether there may be a place later.
    pub fn is_full(&self) -> bool {
        matches!(self, NotSent::Full(_))
    }

    /// The value.
    pub fn into_value(self) -> T {
        match self {
            NotSent::Full(value) | NotSent::Closed(value) => value,
        }
    }
}

/// Why no value was received at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotReceived {
    /// None is there yet.
    Empty,
    /// None will come.
    Closed,
}

const CLOSED: &str = "the channel is closed";

impl<T> From<SendError<T>> for Closed<T> {
    fn from(SendError(value): SendError<T>) -> Self {
        Closed(value)
    }
}

impl<T> From<TrySendError<T>> for NotSent<T> {
    fn from(error: TrySendError<T>) -> Self {
        match error {
            TrySendError::Full(value) => NotSent::Full(value),
            TrySendError::Closed(value) => NotSent::Closed(value),
        }
    }
}

impl<T> fmt::Display for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(CLOSED)
    }
}

impl<T> fmt::Debug for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed").finish_non_exhaustive()
    }
}

impl<T> Error for Closed<T> {}

impl<T> fmt::Display for NotSent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotSent::Full(_) => "the channel is full",
            NotSent::Closed(_) => CLOSED,
        })
    }
}

impl<T> fmt::Debug for NotSent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotSent::Full(_) => "Full(..)",
            NotSent::Closed(_) => "Closed(..)",
        })
    }
}

impl<T> Error for NotSent<T> {}

impl fmt::Display for NotReceived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotReceived::Empty => "the channel is empty",
            NotReceived::Closed => CLOSED,
        })
    }
}

impl Error for NotReceived {}
