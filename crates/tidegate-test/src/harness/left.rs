//! Tasks that a test has left behind.

use std::{fmt, panic::Location};
use tidegate::root::running;
use tokio::{runtime::Handle, task::yield_now};

/// How many turns what is about to end gets.
const TURNS: usize = 256;

/// Tasks that still run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Left {
    /// How many tasks of the runtime run that should have ended.
    pub count: usize,
    /// The tasks whose name is known, those that a scope has spawned: one text each.
    pub known: Vec<String>,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Left { count, known } = self;
        match count {
            1 => f.write_str("a task was left running")?,
            n => write!(f, "{n} tasks were left running")?,
        }
        for task in known {
            write!(f, "\n  {task}")?;
        }
        match count.saturating_sub(known.len()) {
            0 => Ok(()),
            n => write!(f, "\n  {n} that no scope has spawned"),
        }
    }
}

/// How many tasks the current runtime has, but for the one that it blocks on.
pub(super) fn alive() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Lets tasks that are about to end do so until at most `allowed` are there; says how many are too many.
pub(super) async fn settle(allowed: usize) -> usize {
    for _ in 0..TURNS {
        if alive() <= allowed {
            break;
        }
        yield_now().await;
    }
    alive().saturating_sub(allowed)
}

/// Asserts that the current runtime runs nothing but the caller: for the end of a `#[tokio::test]`. Tasks that are about
/// to end are let do so, but no time passes.
///
/// Names what scopes below the process root have spawned, in this runtime or another of the process.
///
/// # Cancel safety
///
/// Dropping it loses nothing.
///
/// # Panics
///
/// When a task was left, or when called outside a runtime.
#[track_caller]
pub fn no_task_left() -> impl Future<Output = ()> {
    let at = Location::caller();
    async move {
        let count = settle(0).await;
        if count > 0 {
            let known = running()
                .iter()
                .map(|task| format!("{} ({})", task.path, task.at))
                .collect();
            let left = Left { count, known };
            panic!("at {at}: {left}");
        }
    }
}
