//! The timer behind an alarm: how it is set from anywhere, and what it does when it rings.
//!
//! It is set without the policy's lock, since tokio may wake at once whoever waits for it, and that takes the lock. So two
//! may want to set it at a time, in the wrong order: only one does, and looks again if others have come meanwhile.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Wake, Waker},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    task::coop::unconstrained,
    time::{Instant, Sleep, sleep},
};

use super::{
    alarm::{AlarmKey, Alarms},
    call::{FAR, after},
    gate::Shared,
};

#[derive(Debug)]
pub(super) struct Timer {
    sleep: Mutex<Pin<Box<Sleep>>>,
    waker: Waker,
    /// How many want it set and have not been heard.
    calls: AtomicUsize,
}

/// How the setting of a timer ended.
enum Set {
    Waits,
    /// It would ring at once.
    Due,
    /// Its runtime has ended.
    Ended,
}

impl Timer {
    /// Of the runtime that this is called in.
    fn new(shared: &Arc<Shared>, key: AlarmKey) -> Self {
        let ring = Ring {
            shared: Arc::downgrade(shared),
            key,
        };
        Self {
            // Not a timer yet: that it becomes when it is set.
            sleep: Mutex::new(Box::pin(sleep(Duration::ZERO))),
            waker: Waker::from(Arc::new(ring)),
            calls: AtomicUsize::new(0),
        }
    }

    fn set(&self, at: Instant) -> Set {
        let mut sleep = self.sleep.lock().unwrap_or_else(PoisonError::into_inner);
        // tokio panics when a timer is set in a runtime that has ended, and has no way to ask.
        let is_due = catch_unwind(AssertUnwindSafe(|| {
            // It cannot count to the end of all time.
            sleep.as_mut().reset(at.min(after(Instant::now(), FAR)));
            // Who happens to set it must not pay for it.
            pin!(unconstrained(sleep.as_mut()))
                .poll(&mut Context::from_waker(&self.waker))
                .is_ready()
        }));
        match is_due {
            Ok(false) => Set::Waits,
            Ok(true) => Set::Due,
            Err(_) => Set::Ended,
        }
    }
}

/// Not the timer itself, which holds this.
struct Ring {
    shared: Weak<Shared>,
    key: AlarmKey,
}

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(shared) = self.shared.upgrade() {
            shared.ring(self.key);
        }
    }
}

impl Shared {
    /// The alarm of the runtime that this is called in.
    ///
    /// # Panics
    ///
    /// Outside a runtime with time enabled.
    pub(super) fn alarm_here(self: &Arc<Self>, alarms: &mut Alarms) -> AlarmKey {
        let runtime = Handle::current().id();
        alarms
            .find(runtime)
            .unwrap_or_else(|| alarms.open(runtime, |key| Timer::new(self, key)))
    }

    /// Tells the timer when its alarm rings.
    pub(super) fn set_timer(&self, key: AlarmKey, timer: &Timer) {
        if timer.calls.fetch_add(1, Ordering::AcqRel) > 0 {
            return;
        }
        let mut heard = 1;
        let mut last = Set::Waits;
        while heard > 0 {
            if let Some(at) = self.with(|state, _| state.alarms.at(key)) {
                last = timer.set(at);
            }
            heard = timer.calls.fetch_sub(heard, Ordering::AcqRel) - heard;
        }
        match last {
            Set::Waits => {}
            Set::Due => self.ring(key),
            Set::Ended => self.end_alarm(key),
        }
    }
}
