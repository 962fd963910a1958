//! The waiting at the gate, and the guard that gives back what a call holds.

use std::{
    future::poll_fn,
    panic::resume_unwind,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    task::{Poll, Waker},
    time::Duration,
};

use crossbeam_utils::CachePadded;
use tokio::time::Instant;

use super::{
    admission::Look,
    alarm::{AlarmKey, Alarms},
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
    /// Not in one line of the cache with the count of clones, which every call changes.
    state: CachePadded<Mutex<State>>,
}

impl Shared {
    pub(super) fn new(name: Arc<str>, attempt_timeout: Duration, state: State) -> Self {
        Self {
            name,
            attempt_timeout,
            hedges: state.hedge.is_some(),
            ended: AtomicU32::new(0),
            state: CachePadded::new(Mutex::new(state)),
        }
    }

    /// Decides something.
    pub(super) fn with<R>(&self, decide: impl FnOnce(&mut State, Instant) -> R) -> R {
        // Read before the lock is taken, which is held as briefly as possible: a clock may be slower than a decision.
        self.with_at(Instant::now(), decide)
    }

    /// The same, where it is known how late it is.
    fn with_at<R>(&self, now: Instant, decide: impl FnOnce(&mut State, Instant) -> R) -> R {
        // The state is consistent between decisions, and a decision does not call foreign code: poison means nothing here.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = state.advance(now);
        let result = decide(&mut state, now);
        let aside = state.queue.take_aside();
        let moved = state.alarms.is_moved().then(|| state.alarms.take_moved());
        drop(state);
        // Wakers are foreign code: they may come back to this very lock, and panic, which must not cost others their turn.
        let woken = match aside {
            Some((wake, _spent)) => wake.wake_all(),
            None => Ok(()),
        };
        if let Some(moved) = moved {
            for (key, timer) in moved {
                self.set_timer(key, &timer);
            }
        }
        if let Err(panic) = woken {
            resume_unwind(panic);
        }
        result
    }

    /// An alarm rings.
    pub(super) fn ring(&self, key: AlarmKey) {
        let clock = Instant::now();
        self.with(|state, now| {
            state.ring(key, clock, now);
            self.ended.store(state.alarms.ended(), Ordering::Release);
        });
    }

    /// The runtime of an alarm has ended.
    pub(super) fn end_alarm(&self, key: AlarmKey) {
        self.with(|state, _| {
            state.end_alarm(key);
            self.ended.store(state.alarms.ended(), Ordering::Release);
        });
    }
}

/// The task that a call is polled by, and its runtime.
pub(super) struct Caller<'a> {
    shared: &'a Arc<Shared>,
    pub(super) waker: &'a Waker,
}

impl<'a> Caller<'a> {
    fn new(shared: &'a Arc<Shared>, waker: &'a Waker) -> Self {
        Self { shared, waker }
    }

    /// When an attempt of `op` that starts now ends at the latest.
    pub(super) fn ends(&self, op: &Op, started: Instant) -> Instant {
        op.ends(started, self.shared.attempt_timeout)
    }

    /// The alarm of this runtime.
    ///
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
            let caller = Caller::new(shared, cx.waker());
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
    /// The attempt stays with the caller: it may be large, and is not to be moved. Cancel safe: it is no longer waited for
    /// with the [`Hold`].
    pub(super) async fn make<F: Future>(
        &mut self,
        ends: Instant,
        mut attempt: Pin<&mut F>,
    ) -> Option<F::Output> {
        let Self { shared, held } = self;
        let mut has_waited = false;
        poll_fn(|cx| {
            if let Poll::Ready(output) = attempt.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            let has_waited = std::mem::replace(&mut has_waited, true);
            let ended = shared.ended.load(Ordering::Acquire);
            let is_watched = held
                .watch
                .is_some_and(|watch| watch.tells(cx.waker(), ended));
            let goes_on = if !is_watched {
                let caller = Caller::new(shared, cx.waker());
                let entered = held.pass.filter(|_| !has_waited).map(|pass| pass.started);
                let now = entered.unwrap_or_else(Instant::now);
                shared.with_at(now, |state, now| state.watch(held, ends, &caller, now))
            } else {
                // If it has just been let through it has time left, and will be told.
                !has_waited || Instant::now() < ends
            };
            match goes_on {
                true => Poll::Pending,
                false => Poll::Ready(None),
            }
        })
        .await
    }
}
