//! What the tests share: an error that is no `std::error::Error`, and steps that prove an order.

use std::{
    fmt,
    panic::Location,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tidegate::{Failure, ScopeError, Stopped, What};
use tokio::time::Instant;

/// Like `anyhow::Error`: takes every error by `?` and is none itself.
pub(crate) struct Fail(pub(crate) String);

pub(crate) fn fail<T>(text: &str) -> Result<T, Fail> {
    Err(Fail(text.into()))
}

impl<E: std::error::Error> From<E> for Fail {
    fn from(error: E) -> Self {
        Fail(error.to_string())
    }
}

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fail({})", self.0)
    }
}

/// The failures of a scope as `task: text`, panics with a `!`.
pub(crate) fn failures(error: ScopeError<Fail>) -> Vec<String> {
    let ScopeError::Failed(failures) = error else {
        panic!("nothing failed: {error}")
    };
    failures.iter().map(show).collect()
}

pub(crate) fn show(failure: &Failure<Fail>) -> String {
    match &failure.what {
        What::Error(error) => format!("{}: {error}", failure.task),
        What::Panic(panic) => format!("{}! {panic}", failure.task),
        What::CutShort { within } => format!("{}: cut after {within:?}", failure.task),
        other => format!("{}: {other:?}", failure.task),
    }
}

/// A place in the source, for comparing with the site that a report gives.
#[track_caller]
pub(crate) fn here() -> (&'static str, u32) {
    let at = Location::caller();
    (at.file(), at.line())
}

pub(crate) fn site(at: &'static Location<'static>) -> (&'static str, u32) {
    (at.file(), at.line())
}

/// Counts how many of its guards have been dropped, and remembers when the last one was.
#[derive(Clone, Default)]
pub(crate) struct Drops {
    count: Arc<AtomicUsize>,
    last: Arc<Mutex<Duration>>,
}

pub(crate) struct DropGuard {
    drops: Drops,
    start: Option<Instant>,
}

impl Drops {
    pub(crate) fn guard(&self) -> DropGuard {
        DropGuard {
            drops: self.clone(),
            start: None,
        }
    }

    /// A guard that takes down the time since `start` when it is dropped.
    pub(crate) fn timed(&self, start: Instant) -> DropGuard {
        DropGuard {
            drops: self.clone(),
            start: Some(start),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(SeqCst)
    }

    /// Waits, by the paused clock, until so many have been dropped.
    pub(crate) async fn wait_for(&self, count: usize) {
        while self.count() < count {
            tokio::time::sleep(MS).await;
        }
    }

    pub(crate) fn secs(&self) -> u64 {
        self.last.lock().unwrap().as_secs()
    }
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        self.drops.count.fetch_add(1, SeqCst);
        if let Some(start) = self.start {
            *self.drops.last.lock().unwrap() = start.elapsed();
        }
    }
}

/// Writes down what happens, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// Never ends by itself.
pub(crate) async fn forever<T>() -> Result<T, Fail> {
    std::future::pending().await
}

/// Ends after a time of the paused clock.
pub(crate) async fn after<T>(time: Duration, result: Result<T, Fail>) -> Result<T, Fail> {
    tokio::time::sleep(time).await;
    result
}

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SEC: Duration = Duration::from_secs(1);

pub(crate) fn cancelled_by<T: fmt::Debug>(result: Result<T, Stopped>) -> tidegate::Reason {
    match result {
        Err(Stopped::Cancelled(reason)) => reason,
        other => panic!("not cancelled: {other:?}"),
    }
}

/// Panics when it is dropped, with this text.
#[derive(Debug)]
pub(crate) struct Trap(pub(crate) &'static str);

impl Drop for Trap {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}
