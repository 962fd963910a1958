//! What the tests share: an error, and closures that hold a thread until they are let go.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        mpsc::{Sender, channel},
    },
    thread,
};
use tidegate::{
    Reason, RefusedBecause, Scope, StopFlag, Stopped, Task,
    offload::{Pool, PoolOpts},
};
use tokio::sync::oneshot;

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

pub(crate) const TOLD: Stopped = Stopped::NotStarted(RefusedBecause::Cancelling(ENOUGH));

/// One thread and this many places in the queue.
pub(crate) fn narrow(queue: usize) -> Pool {
    Pool::new(PoolOpts::named("narrow").threads(1).queue(queue))
}

/// A closure that holds its thread until [`let_go`](Held::let_go).
pub(crate) struct Held {
    task: Task<()>,
    hold: Sender<()>,
}

impl Held {
    pub(crate) async fn let_go(self) {
        self.hold.send(()).unwrap();
        self.task.await.unwrap();
    }
}

/// Returns when the closure runs.
pub(crate) async fn hold(pool: &Pool, scope: &Scope<Fail>) -> Held {
    let (hold, held) = channel();
    let (runs, running) = oneshot::channel();
    let work = move |_: &StopFlag| {
        runs.send(()).unwrap();
        held.recv()?;
        Ok(())
    };
    let task = pool.spawn(scope, "holds", work).await;
    running.await.unwrap();
    Held { task, hold }
}

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

/// Notes that it was dropped.
pub(crate) struct NoteDrop(pub(crate) Log, pub(crate) &'static str);

impl Drop for NoteDrop {
    fn drop(&mut self) {
        self.0.note(self.1);
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
