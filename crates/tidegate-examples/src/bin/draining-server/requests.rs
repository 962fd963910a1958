//! What has become of each request.

use std::{
    fmt,
    mem::take,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::Instant;

/// The requests of the server's life.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    open: AtomicU64,
    answered: AtomicU64,
    refused: AtomicU64,
    /// A connection has one request at a time, so no more than there are connections.
    cut: Mutex<Vec<Cut>>,
}

/// A request that was under way when the grace was over.
#[derive(Debug)]
pub(crate) struct Cut {
    target: String,
    after: Duration,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cut { target, after } = self;
        write!(f, "{target} after {:.1} s", after.as_secs_f64())
    }
}

impl Requests {
    pub(crate) fn begin(self: &Arc<Self>, target: String) -> Open {
        self.open.fetch_add(1, Relaxed);
        Open {
            requests: self.clone(),
            target,
            start: Instant::now(),
            answered: false,
        }
    }

    pub(crate) fn refuse(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub(crate) fn open(&self) -> u64 {
        self.open.load(Relaxed)
    }

    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Relaxed)
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    pub(crate) fn take_cut(&self) -> Vec<Cut> {
        take(&mut *self.cut())
    }

    fn cut(&self) -> MutexGuard<'_, Vec<Cut>> {
        self.cut.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request under way. Dropped without an answer it was cut, or its client has gone.
#[derive(Debug)]
pub(crate) struct Open {
    requests: Arc<Requests>,
    target: String,
    start: Instant,
    answered: bool,
}

impl Open {
    pub(crate) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.requests.open.fetch_sub(1, Relaxed);
        if self.answered {
            self.requests.answered.fetch_add(1, Relaxed);
            return;
        }
        // A client that leaves while the server runs has cut its request itself.
        if tidegate::is_cancelled() {
            let cut = Cut {
                target: take(&mut self.target),
                after: self.start.elapsed(),
            };
            self.requests.cut().push(cut);
        }
    }
}
