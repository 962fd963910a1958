//! What is seen of a run, by the program itself; the same for the library and the model.

use crate::program::{End, Ticks};
use std::fmt;

/// Per block, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) block: &'static str,
    pub(crate) at: u64,
    pub(crate) what: What,
    /// What the ambient functions say; nothing is asked in a destructor.
    pub(crate) ambient: Option<Ambient>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Started,
    Slept,
    Spawned,
    Refused(Because),
    Told(Why),
    Task(Result<(), Stopped>),
    /// The handle of a task was dropped.
    Forgot,
    Scope(Outcome),
    Shield(Shielded),
    /// The scope's, or the shield's, future was dropped by the time-out around it.
    GaveUp,
    Ends(End),
    Dropped {
        started: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ambient {
    pub(crate) reason: Option<Why>,
    pub(crate) grace_left: Option<u64>,
    pub(crate) remaining: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    Deadline(&'static str),
    Failed(&'static str),
    Panicked(&'static str),
    OwnerDropped,
    BodyReturned,
    User(&'static str),
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Because {
    Full(usize),
    Told(Why),
    /// Which of the two a scope that has ended says depends on what it was told before, and on its ancestors.
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    Failed,
    Panicked,
    Cancelled(Why),
    NotStarted(Because),
    /// Of a supervised child: what it failed with comes with this.
    Own {
        is_panic: bool,
    },
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Value,
    /// Of a supervised scope: a value, and what failed and was awaited by nobody.
    Supervised(Vec<Failure>),
    Failed(Vec<Failure>),
    Cancelled(Why),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shielded {
    Value,
    Error,
    Overdue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Failure {
    pub(crate) block: &'static str,
    pub(crate) after_cancel: bool,
    pub(crate) is_panic: bool,
}

#[derive(Default)]
pub(crate) struct Account {
    pub(crate) events: Vec<Event>,
    /// Failures that nobody was there to read, with the path of their scope.
    pub(crate) unclaimed: Vec<(String, Failure)>,
}

impl Account {
    /// Comparable: of events of different blocks at one tick the order is nobody's promise.
    pub(crate) fn sorted(mut self) -> Self {
        // Stable, so that the order within a block stays.
        self.events.sort_by_key(|event| event.block);
        self.unclaimed.sort();
        self
    }

    /// The first line in which the library's account differs from the model's, with what was before it.
    pub(crate) fn difference(mut self, model: &Account) -> Option<String> {
        for (ours, theirs) in self.events.iter_mut().zip(&model.events) {
            if let (What::Refused(_), What::Refused(Because::Ended)) = (&ours.what, &theirs.what) {
                ours.what = theirs.what.clone();
            }
        }
        let (ours, theirs) = (self.lines(), model.lines());
        if ours == theirs {
            return None;
        }
        let common = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
        let show = |lines: &[String]| {
            lines[common..]
                .iter()
                .take(4)
                .fold(String::new(), |text, line| text + "\n  " + line)
        };
        let before = &ours[common.saturating_sub(8)..common];
        Some(format!(
            "both:\n  {}\nlibrary:{}\nmodel:{}",
            before.join("\n  "),
            show(&ours),
            show(&theirs)
        ))
    }

    fn lines(&self) -> Vec<String> {
        let events = self.events.iter().map(ToString::to_string);
        let unclaimed = self
            .unclaimed
            .iter()
            .map(|(path, failure)| format!("unclaimed in {path}: {failure:?}"));
        events.chain(unclaimed).collect()
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {:?}", self.block, Ticks(self.at), self.what)?;
        let Some(ambient) = &self.ambient else {
            return Ok(());
        };
        if let Some(why) = &ambient.reason {
            write!(f, ", told {why:?}")?;
        }
        if let Some(left) = ambient.grace_left {
            write!(f, ", left {}", Ticks(left))?;
        }
        if let Some(remaining) = ambient.remaining {
            write!(f, ", remaining {}", Ticks(remaining))?;
        }
        Ok(())
    }
}
