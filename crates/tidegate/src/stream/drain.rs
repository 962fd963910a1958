//! A stop that gives up what has not begun and lets the rest finish.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::Poll,
};
use tokio::sync::Notify;

/// Tells many units of work at once that the program wants to end.
///
/// Work that has begun (a request has left) is worth finishing; work that only waits for its turn is worth giving up. When
/// there is no more time, [`Drain::cut`] gives up what is left. Clones share the state, which only ever advances.
///
/// # Examples
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use tidegate::stream::Drain;
///
/// let drain = Drain::new();
/// drain.begin();
/// // Not begun: given up. Begun: runs to its end.
/// assert_eq!(drain.unless_drained(|| false, std::future::pending::<u8>()).await, None);
/// assert_eq!(drain.unless_drained(|| true, async { 7 }).await, Some(7));
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Drain(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    stage: AtomicU8,
    bell: Notify,
}

const DRAINING: u8 = 1;
const CUT: u8 = 2;

impl Drain {
    /// Nothing is to be given up yet.
    pub fn new() -> Drain {
        Drain::default()
    }

    /// Gives up all work that has not begun, now and from now on.
    pub fn begin(&self) {
        self.advance(DRAINING);
    }

    /// Gives up all work, begun or not.
    pub fn cut(&self) {
        self.advance(CUT);
    }

    /// Whether all work is given up.
    pub fn is_cut(&self) -> bool {
        self.stage() >= CUT
    }

    fn advance(&self, stage: u8) {
        self.0.stage.fetch_max(stage, Ordering::AcqRel);
        self.0.bell.notify_waiters();
    }

    fn stage(&self) -> u8 {
        self.0.stage.load(Ordering::Acquire)
    }

    /// Whether the drain has begun.
    pub fn has_begun(&self) -> bool {
        self.stage() >= DRAINING
    }

    /// Runs `work`, unless the drain begins before `begun` says that the work has, or cuts it: then it is dropped and
    /// gives none.
    ///
    /// # Cancel safety
    /// Dropping it drops `work`.
    pub async fn unless_drained<F: Future>(
        &self,
        begun: impl Fn() -> bool,
        work: F,
    ) -> Option<F::Output> {
        let mut work = pin!(work);
        let mut bell = pin!(self.0.bell.notified());
        // Registered before the stage is read, so that a change in between is not missed.
        bell.as_mut().enable();
        poll_fn(|cx| {
            while bell.as_mut().poll(cx).is_ready() {
                bell.set(self.0.bell.notified());
            }
            match self.stage() {
                CUT => return Poll::Ready(None),
                DRAINING if !begun() => return Poll::Ready(None),
                _ => {}
            }
            work.as_mut().poll(cx).map(Some)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_work_is_given_up_when_the_drain_begins() {
        let drain = Drain::new();
        let other = drain.clone();
        let given_up = drain.unless_drained(|| false, std::future::pending::<()>());
        let (given_up, ()) = tokio::join!(given_up, async move { other.begin() });
        assert_eq!(given_up, None);
        assert!(drain.has_begun());
    }

    #[tokio::test]
    async fn begun_work_finishes_after_the_drain_begins() {
        let drain = Drain::new();
        let (send, receive) = tokio::sync::oneshot::channel();
        let other = drain.clone();
        let (done, ()) = tokio::join!(drain.unless_drained(|| true, receive), async move {
            other.begin();
            send.send(7).expect("the receiver waits");
        });
        assert_eq!(done, Some(Ok(7)));
    }

    #[tokio::test]
    async fn a_cut_ends_begun_work_too() {
        let drain = Drain::new();
        let other = drain.clone();
        let work = drain.unless_drained(|| true, std::future::pending::<()>());
        let (given_up, ()) = tokio::join!(work, async move {
            other.begin();
            tokio::task::yield_now().await;
            other.cut();
        });
        assert_eq!(given_up, None);
    }
}
