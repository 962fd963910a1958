//! How a root ends.

use super::Survivor;
use crate::cancel::{OnUnclaimed, Orphan, Signal};
use std::{fmt, process, sync::Arc, time::Duration};

type OnWaiting = Arc<dyn Fn(&[Survivor]) + Send + Sync>;

/// How a root ends: which signals it hears, how long it waits, what the second signal does.
#[derive(Clone)]
#[must_use]
pub struct Shutdown {
    pub(super) grace: Duration,
    pub(super) signals: bool,
    pub(super) on_force: Arc<dyn Fn(Signal) + Send + Sync>,
    pub(super) on_waiting: OnWaiting,
    pub(super) on_unclaimed: Option<OnUnclaimed>,
}

impl Shutdown {
    /// A grace of 10 s; `SIGINT` and `SIGTERM` are heard, the second one exits the process with 128 + its number.
    pub fn new() -> Self {
        Shutdown {
            grace: Duration::from_secs(10),
            signals: true,
            on_force: Arc::new(|signal| process::exit(128 + i32::from(signal.number()))),
            on_waiting: Arc::new(|_| {}),
            on_unclaimed: None,
        }
    }

    /// How long the tree may take to end once a signal has come. Default: 10 s.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Whether signals are heard at all. Default: yes.
    pub fn signals(mut self, heard: bool) -> Self {
        self.signals = heard;
        self
    }

    /// What every signal after the first does, called on a thread of its own, so also when the runtime is stuck.
    /// Default: exits the process with 128 + the signal's number.
    pub fn on_force(mut self, hook: impl Fn(Signal) + Send + Sync + 'static) -> Self {
        self.on_force = Arc::new(hook);
        self
    }

    /// Called with what still runs, 1 s after the first signal if the grace is longer, and once more 300 ms after the
    /// grace, unless the root has ended by then. On a thread of its own, so also when the runtime is stuck: that is where
    /// to say who holds the program up, or to leave it. Default: nothing.
    pub fn on_waiting(mut self, hook: impl Fn(&[Survivor]) + Send + Sync + 'static) -> Self {
        self.on_waiting = Arc::new(hook);
        self
    }

    /// Called for every failure in a scope whose future was dropped, when the last of its children has ended; by
    /// whatever ends it, so it should be quick. The failures stand in the report as well. Default: nothing.
    pub fn on_unclaimed(mut self, hook: impl Fn(&Orphan) + Send + Sync + 'static) -> Self {
        self.on_unclaimed = Some(OnUnclaimed(Arc::new(hook)));
        self
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Shutdown::new()
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown")
            .field("grace", &self.grace)
            .field("signals", &self.signals)
            .finish_non_exhaustive()
    }
}
