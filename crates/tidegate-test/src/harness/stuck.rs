//! A program that waits for itself.

use super::{
    stack::{Place, Places, innermost},
    tasks::Answer,
};
use std::{fmt, panic::Location};
use tidegate::root::{State, Survivor, running};

/// What still waited, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stuck {
    /// Every task that waited.
    pub tasks: Vec<Waiting>,
    /// So many more tasks of the runtime that no scope has spawned, of which nothing is known.
    pub foreign: usize,
}

/// One task that waited.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waiting {
    /// The names from the outermost scope down to the task, joined by `/`.
    pub path: String,
    /// Where it was spawned.
    pub at: &'static Location<'static>,
    /// What its scope knows of it, and why it was told to stop if it was.
    pub state: String,
    /// The awaits at which it waits; several when it waits for several things at once. Empty when it did not answer.
    pub awaits: Vec<Place>,
}

impl Stuck {
    /// Those that answered, and what else runs below the scope of this name. `alive` tasks are in the runtime.
    pub(super) fn new(scope: &str, answers: Vec<Answer>, alive: usize) -> Stuck {
        let mut tree = running();
        let mut spawned = 0;
        let mut tasks: Vec<Waiting> = answers
            .into_iter()
            .map(|Answer { who, stacks }| {
                let (name, at) = who;
                let found = tree.iter().position(|task| is(task, who));
                let found = found.map(|i| tree.swap_remove(i));
                spawned += usize::from(found.is_some());
                Waiting {
                    at,
                    state: found.as_ref().map_or_else(|| "waiting".into(), state),
                    path: found.map_or_else(|| name.into(), |task| task.path),
                    awaits: innermost(&stacks),
                }
            })
            .collect();
        // The process may run other tests, on other threads.
        tree.retain(|task| task.path.split('/').next() == Some(scope));
        spawned += tree.iter().map(tokio_tasks).sum::<usize>();
        tasks.extend(tree.into_iter().map(|task| Waiting {
            at: task.at,
            state: state(&task),
            path: task.path,
            awaits: Vec::new(),
        }));
        Stuck {
            tasks,
            foreign: alive.saturating_sub(spawned),
        }
    }
}

fn is(task: &Survivor, (name, at): (&str, &Location<'_>)) -> bool {
    let last = task.path.rsplit('/').next();
    task.at == at && last == Some(name)
}

fn state(task: &Survivor) -> String {
    let mut text = task.state.to_string();
    if task.state == State::Thread {
        text.push_str(", which the paused clock need not wait for");
    }
    if let Some(reason) = &task.reason {
        text.push_str(", told to stop: ");
        text.push_str(&reason.to_string());
    }
    text
}

fn tokio_tasks(task: &Survivor) -> usize {
    match task.state {
        State::Thread => 0,
        State::NotPolled { count } => count as usize,
        _ => 1,
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Waiting {
            path,
            at,
            state,
            awaits,
        } = self;
        write!(f, "{path} ({at}): {state}")?;
        match awaits.as_slice() {
            [] => Ok(()),
            awaits => write!(f, ", at {}", Places(awaits)),
        }
    }
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for task in &self.tasks {
            write!(f, "\n  {task}")?;
        }
        match self.foreign {
            0 => Ok(()),
            n => write!(f, "\n  {n} more that no scope has spawned"),
        }
    }
}
