//! What the tests share: an error, a gauge of what runs, and a source that counts what was taken from it.

use std::{
    fmt, iter,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tidegate::{ScopeError, Stopped, What};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SEC: Duration = Duration::from_secs(1);

#[derive(Debug, PartialEq)]
pub(crate) struct Fail(pub(crate) String);

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Stopped> for Fail {
    fn from(stopped: Stopped) -> Self {
        Fail(stopped.to_string())
    }
}

pub(crate) fn fail<T>(text: &str) -> Result<T, Fail> {
    Err(Fail(text.into()))
}

/// The failures of a scope as `task: text`, panics with a `!`.
pub(crate) fn failures(error: ScopeError<Fail>) -> Vec<String> {
    let ScopeError::Failed(failures) = error else {
        panic!("nothing failed: {error}")
    };
    let shown = failures.iter().map(|failure| match &failure.what {
        What::Error(error) => format!("{}: {error}", failure.task),
        What::Panic(panic) => format!("{}! {panic}", failure.task),
        other => format!("{}: {other:?}", failure.task),
    });
    shown.collect()
}

/// Counts what runs now, ran at most at once, has begun, and has been dropped or has ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gauge(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    now: AtomicUsize,
    most: AtomicUsize,
    begun: AtomicUsize,
}

pub(crate) struct Running(Gauge);

impl Gauge {
    pub(crate) fn enter(&self) -> Running {
        let now = self.0.now.fetch_add(1, SeqCst) + 1;
        self.0.most.fetch_max(now, SeqCst);
        self.0.begun.fetch_add(1, SeqCst);
        Running(self.clone())
    }

    pub(crate) fn now(&self) -> usize {
        self.0.now.load(SeqCst)
    }

    pub(crate) fn most(&self) -> usize {
        self.0.most.load(SeqCst)
    }

    pub(crate) fn begun(&self) -> usize {
        self.0.begun.load(SeqCst)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.now.fetch_sub(1, SeqCst);
    }
}

/// 0, 1, 2 … below `end`, and how many have been taken.
pub(crate) fn counted(end: u64) -> (impl Iterator<Item = u64> + Send, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let seen = taken.clone();
    let mut numbers = 0..end;
    let source = iter::from_fn(move || {
        let number = numbers.next()?;
        taken.fetch_add(1, SeqCst);
        Some(number)
    });
    (source, seen)
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
