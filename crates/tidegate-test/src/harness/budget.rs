//! Making an await that is ready one that suspends.
//!
//! tokio gives every poll of a task a budget; a leaf that takes part spends one unit for what it gets, and without one
//! returns `Pending` although it is ready. So a task whose first poll has none, and every other poll one unit, suspends
//! at each of its awaits. A loaded program runs such schedules; they are not artificial.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::OnceLock,
    task::{Context, Poll},
};
use tokio::{
    sync::Semaphore,
    task::coop::{has_budget_remaining, poll_proceed},
};

/// More than any budget: what is not spent after so many units has no bound.
const UNBOUNDED: usize = 1 << 16;

/// Spends the budget of this poll, but for one unit unless the poll is the task's first.
pub(super) fn spend(is_first: bool, cx: &mut Context<'_>) {
    for _ in 0..UNBOUNDED {
        if !has_budget_remaining() {
            return;
        }
        let Poll::Ready(unit) = poll_proceed(cx) else {
            return;
        };
        // Dropped without progress the last unit comes back.
        if has_budget_remaining() || is_first {
            unit.made_progress();
        } else {
            return;
        }
    }
}

/// Checks once, within a runtime, that a known program is suspended at each of its awaits.
///
/// # Panics
///
/// When it is not: every sweep would pass without having stopped anything.
pub(super) async fn calibrate() {
    static SUSPENSIONS: OnceLock<usize> = OnceLock::new();
    let suspensions = match SUSPENSIONS.get() {
        Some(known) => *known,
        None => {
            let counted = count_suspensions().await;
            *SUSPENSIONS.get_or_init(|| counted)
        }
    };
    assert_eq!(
        suspensions, 3,
        "this version of tokio does not let its cooperative budget suspend a program at each of three ready awaits"
    );
}

async fn count_suspensions() -> usize {
    let semaphore = Semaphore::new(1);
    let mut subject = pin!(async {
        for _ in 0..3 {
            drop(semaphore.acquire().await);
        }
    });
    let mut suspensions = 0;
    poll_fn(|cx| {
        spend(suspensions == 0, cx);
        let poll = subject.as_mut().poll(cx);
        suspensions += usize::from(poll.is_pending());
        poll
    })
    .await;
    suspensions
}
