//! Where items come from.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Where the items of a concurrent map come from: anything that can be iterated over, a
/// [`Receiver`](super::Receiver), [`Batches`](super::Batches), the results of another map, or what [`pull`] and
/// [`from_stream`](super::from_stream) make.
///
/// A source that can fail gives `Result`s; the work of an item then begins with `?`, and the error is that of an item.
#[diagnostic::on_unimplemented(
    message = "`{Self}` gives no items",
    note = "anything that can be iterated over does, if its iterator is `Send`; for what waits see `stream::pull`"
)]
pub trait Source {
    /// What it gives.
    type Item;

    /// Turns it into a function that is polled for one item after the other and ends with `None`, after which it is
    /// called no more.
    fn into_pull(self) -> impl FnMut(&mut Context<'_>) -> Poll<Option<Self::Item>> + Send;
}

impl<I> Source for I
where
    I: IntoIterator,
    I::IntoIter: Send,
{
    type Item = I::Item;

    fn into_pull(self) -> impl FnMut(&mut Context<'_>) -> Poll<Option<I::Item>> + Send {
        let mut items = self.into_iter();
        move |_| Poll::Ready(items.next())
    }
}

/// A source that waits: `step` gives the next item and what it needs for the one after, or `None` at the end.
///
/// # Examples
///
/// ```
/// use tidegate::stream::{for_each_concurrent, pull};
///
/// # async fn page(number: u32) -> Option<Vec<u8>> { (number < 3).then(Vec::new) }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tidegate::ScopeError<std::io::Error>> {
/// let pages = pull(0, async |number| Some((page(number).await?, number + 1)));
/// for_each_concurrent("page", pages, async |_page| Ok(())).await?;
/// # Ok(())
/// # }
/// ```
pub fn pull<St, T, P, F>(state: St, step: P) -> Pull<St, P>
where
    P: FnMut(St) -> F,
    F: Future<Output = Option<(T, St)>> + Send,
{
    Pull { state, step }
}

/// See [`pull`].
#[derive(Clone, Debug)]
#[must_use = "a source does nothing until it is given to what works on its items"]
pub struct Pull<St, P> {
    state: St,
    step: P,
}

impl<St, T, P, F> Source for Pull<St, P>
where
    St: Send,
    P: FnMut(St) -> F + Send,
    F: Future<Output = Option<(T, St)>> + Send,
{
    type Item = T;

    fn into_pull(self) -> impl FnMut(&mut Context<'_>) -> Poll<Option<T>> + Send {
        let Pull { state, mut step } = self;
        // One allocation for all steps.
        let mut running: Pin<Box<Option<F>>> = Box::pin(None);
        let mut state = Some(state);
        move |cx| {
            if let Some(state) = state.take() {
                running.set(Some(step(state)));
            }
            let Some(future) = running.as_mut().as_pin_mut() else {
                return Poll::Ready(None);
            };
            let stepped = ready!(future.poll(cx));
            running.set(None);
            Poll::Ready(stepped.map(|(item, next)| {
                state = Some(next);
                item
            }))
        }
    }
}
