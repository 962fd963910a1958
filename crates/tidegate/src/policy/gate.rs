//! The waiting at the gate, and the guard that gives back what a call holds.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use super::{
    admission::Look,
    error::StopReason,
    op::Op,
    state::{Held, State, Trail},
};

/// What the clones of a policy share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) name: Arc<str>,
    pub(super) attempt_timeout: Duration,
    hedges: bool,
    state: Mutex<State>,
}

impl Shared {
    pub(super) fn new(name: Arc<str>, attempt_timeout: Duration, state: State) -> Self {
        Self {
            name,
            attempt_timeout,
            hedges: state.hedge.is_some(),
            state: Mutex::new(state),
        }
    }

    /// Decides something. The clock is read under the lock, so that decisions see time in their own order.
    pub(super) fn with<R>(&self, decide: impl FnOnce(&mut State, Instant) -> R) -> R {
        // The state is consistent between decisions, and a decision does not call foreign code: poison means nothing here.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = decide(&mut state, Instant::now());
        let wake = std::mem::take(&mut state.queue.wake);
        let spent = std::mem::take(&mut state.queue.spent);
        drop(state);
        // Wakers are foreign code: they may come back to this very lock.
        drop(spent);
        for waker in wake {
            waker.wake();
        }
        result
    }
}

impl Shared {
    /// When the attempt that has just started is to be hedged, if it is.
    pub(super) fn hedge_at(&self, op: &Op, started: Instant) -> Option<Instant> {
        if !self.hedges {
            return None;
        }
        self.with(|state, _| state.hedge_at(op, started))
    }
}

/// What one call holds; gives it back when dropped.
pub(super) struct Hold<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) held: Held,
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        if !self.held.is_nothing() {
            self.shared
                .with(|state, now| state.abandon(&mut self.held, now));
        }
    }
}

impl Hold<'_> {
    /// Waits until an attempt may be sent. Returns when it was let through: it must be sent at once.
    ///
    /// Cancel safe: the place in the queue is given up with the [`Hold`].
    pub(super) async fn enter(&mut self, trail: &mut Trail) -> Result<Instant, StopReason> {
        let Self { shared, held } = self;
        if let Some(started) = shared.with(|state, now| state.arrive(held, trail, now))? {
            return Ok(started);
        }
        // One timer for the whole wait. It is armed by the first look.
        let mut alarm = pin!(sleep_until(Instant::now()));
        poll_fn(|cx| {
            loop {
                match shared.with(|state, now| state.look(held, trail, cx.waker(), now)) {
                    Look::Entered(started) => return Poll::Ready(Ok(started)),
                    Look::Refused(why) => return Poll::Ready(Err(why)),
                    Look::Until(at) if at != alarm.deadline() => alarm.as_mut().reset(at),
                    Look::Until(_) => {}
                }
                ready!(alarm.as_mut().poll(cx));
            }
        })
        .await
    }
}
