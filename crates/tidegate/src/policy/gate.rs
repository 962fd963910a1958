//! The waiting at the gate, and the guard that gives back what a call holds.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    task::{Poll, Waker},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    admission::Look,
    alarm::{AlarmKey, Alarms, Rung},
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
    /// How many runtimes ended under an alarm: those who rely on one look whether it was theirs.
    ended: AtomicU32,
    state: Mutex<State>,
}

impl Shared {
    pub(super) fn new(name: Arc<str>, attempt_timeout: Duration, state: State) -> Self {
        Self {
            name,
            attempt_timeout,
            hedges: state.hedge.is_some(),
            ended: AtomicU32::new(0),
            state: Mutex::new(state),
        }
    }

    /// Decides something.
    pub(super) fn with<R>(&self, decide: impl FnOnce(&mut State, Instant) -> R) -> R {
        let now = Instant::now();
        // The state is consistent between decisions, and a decision does not call foreign code: poison means nothing here.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = state.advance(now);
        let result = decide(&mut state, now);
        let wake = std::mem::take(&mut state.queue.wake);
        let spent = std::mem::take(&mut state.queue.spent);
        let moved = state.alarms.take_moved();
        drop(state);
        // Wakers are foreign code: they may come back to this very lock.
        drop(spent);
        wake.wake_all();
        for (key, timer) in moved {
            self.set_timer(key, &timer);
        }
        result
    }

    /// An alarm rings.
    pub(super) fn ring(&self, key: AlarmKey) {
        self.with(|state, now| {
            if state.ring(key, now) == Rung::Ended {
                self.ended.fetch_add(1, Ordering::Release);
            }
        });
    }

    /// The runtime of an alarm has ended.
    pub(super) fn end_alarm(&self, key: AlarmKey) {
        self.with(|state, _| {
            state.end_alarm(key);
            self.ended.fetch_add(1, Ordering::Release);
        });
    }
}

/// The task that a call is polled by, and its runtime.
pub(super) struct Caller<'a> {
    shared: &'a Arc<Shared>,
    pub(super) waker: &'a Waker,
}

impl Caller<'_> {
    /// # Panics
    ///
    /// Outside a runtime with time enabled.
    pub(super) fn alarm(&self, alarms: &mut Alarms) -> AlarmKey {
        self.shared.alarm_here(alarms)
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
        self.settle_back();
    }
}

impl Hold<'_> {
    /// Waits until an attempt may be sent. Returns when it was let through: it must be sent at once.
    ///
    /// Cancel safe: the place in the queue is given up with the [`Hold`].
    pub(super) async fn enter(&mut self, trail: &mut Trail) -> Result<Instant, StopReason> {
        let Self { shared, held } = self;
        poll_fn(|cx| {
            let caller = Caller {
                shared,
                waker: cx.waker(),
            };
            match shared.with(|state, now| state.look(held, trail, &caller, now)) {
                Look::Entered(started) => Poll::Ready(Ok(started)),
                Look::Refused(why) => Poll::Ready(Err(why)),
                Look::Waits => Poll::Pending,
            }
        })
        .await
    }

    /// Makes the attempt that was let through, until `ends` at the latest. `None`: its time is over.
    ///
    /// Cancel safe: the attempt is dropped, and no longer waited for with the [`Hold`].
    pub(super) async fn make<F: Future>(&mut self, ends: Instant, attempt: F) -> Option<F::Output> {
        let Self { shared, held } = self;
        let mut attempt = pin!(attempt);
        let mut told: Option<(Waker, u32)> = None;
        poll_fn(|cx| {
            if let Poll::Ready(output) = attempt.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            let ended = shared.ended.load(Ordering::Acquire);
            let waker = cx.waker();
            let is_watched = told
                .as_ref()
                .is_some_and(|(known, then)| *then == ended && known.will_wake(waker));
            if is_watched {
                return match Instant::now() < ends {
                    true => Poll::Pending,
                    false => Poll::Ready(None),
                };
            }
            told = Some((waker.clone(), ended));
            let caller = Caller { shared, waker };
            match shared.with(|state, now| state.watch(held, ends, &caller, now)) {
                true => Poll::Pending,
                false => Poll::Ready(None),
            }
        })
        .await
    }
}
