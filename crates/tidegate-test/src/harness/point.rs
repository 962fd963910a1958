//! A place at which a sweep stops although nothing there waits.

use std::{cell::Cell, future::poll_fn, task::Poll};

thread_local! {
    static SWEEPING: Cell<bool> = const { Cell::new(false) };
}

/// Suspends once when a [`Sweep`](super::Sweep) runs on this thread; else returns at once.
///
/// Leaves that take part in tokio's budget are suspended at without it. Put it before an await of one that does not: a
/// channel of another crate, a future written by hand.
///
/// # Cancel safety
///
/// Dropping it loses nothing; that is what it is for.
pub async fn cancel_point() {
    let mut passed = !SWEEPING.get();
    poll_fn(|cx| {
        if passed {
            return Poll::Ready(());
        }
        passed = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Points suspend on this thread until it is dropped.
#[derive(Debug)]
pub(super) struct Sweeping(());

impl Sweeping {
    pub(super) fn start() -> Self {
        SWEEPING.set(true);
        Sweeping(())
    }
}

impl Drop for Sweeping {
    fn drop(&mut self) {
        SWEEPING.set(false);
    }
}
