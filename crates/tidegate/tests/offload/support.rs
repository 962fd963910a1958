//! What the tests share: an error, and what shows an order.

use std::{
    fmt,
    sync::{Arc, Mutex},
    thread,
};
use tidegate::{Reason, StopFlag};

/// Takes every error by `?`.
#[derive(Debug)]
pub(crate) struct Fail(pub(crate) String);

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

pub(crate) const ENOUGH: Reason = Reason::User("enough");

/// Until it is told to stop.
pub(crate) fn until_told(stop: &StopFlag) {
    while !stop.is_set() {
        thread::yield_now();
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

/// The failures of a scope as `task: text`, panics with a `!`.
pub(crate) fn failures<E: fmt::Debug + fmt::Display>(
    error: tidegate::ScopeError<E>,
) -> Vec<String> {
    let tidegate::ScopeError::Failed(failures) = error else {
        panic!("nothing failed: {error}")
    };
    let show = |failure: &tidegate::Failure<E>| match &failure.what {
        tidegate::What::Error(error) => format!("{}: {error}", failure.task),
        tidegate::What::Panic(panic) => format!("{}! {panic}", failure.task),
        other => panic!("no clean-ups here: {other:?}"),
    };
    failures.iter().map(show).collect()
}
