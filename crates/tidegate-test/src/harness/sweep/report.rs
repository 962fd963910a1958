//! What a sweep tells.

use super::{
    super::stack::{Place, Places, innermost},
    Mode,
    engine::Hit,
    mode::Replay,
};
use std::{error::Error, fmt, panic::Location};

/// What a sweep has covered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Coverage {
    /// The sweep's name.
    pub name: &'static str,
    /// How often the program, or a child of it, suspends, or a child ends, when nobody stops it.
    pub points: usize,
    /// Of these, at how many it would not have suspended by itself, as what it awaits was ready.
    pub forced: usize,
    /// How often it was run and stopped.
    pub runs: usize,
}

impl Coverage {
    pub(super) fn new(name: &'static str) -> Self {
        Coverage {
            name,
            points: 0,
            forced: 0,
            runs: 0,
        }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Coverage {
            name,
            points,
            forced,
            runs,
        } = self;
        write!(
            f,
            "sweep `{name}`: {points} points, {forced} of them forced; stopped in {runs} runs"
        )
    }
}

/// One run that ended badly.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// How the program was stopped. `None`: it was not, and does not end well by itself.
    pub mode: Option<Mode>,
    /// The point at which it was stopped: the number of suspensions and ends until then, 0 before the first poll.
    pub point: usize,
    /// The task that had just suspended or ended, and where it was spawned; for the program itself, the sweep.
    pub task: Option<(&'static str, &'static Location<'static>)>,
    /// The awaits at which it had suspended; several when it waited for several things at once, none when it had ended.
    pub awaits: Vec<Place>,
    /// Whether that task had ended.
    pub has_ended: bool,
    /// What is wrong.
    pub what: String,
    /// Makes the sweep run only this: `TIDEGATE_SWEEP="name=drop:3"`.
    pub replay: Option<String>,
}

impl Violation {
    pub(super) fn new(name: &str, stop: Option<Replay>, hit: Option<&Hit>, what: String) -> Self {
        Violation {
            mode: stop.map(|stop| stop.mode),
            point: stop.map_or(0, |stop| stop.point),
            task: hit.map(|hit| hit.who),
            awaits: hit.map_or_else(Vec::new, |hit| innermost(&hit.stacks)),
            has_ended: hit.is_some_and(|hit| hit.ended),
            what,
            replay: stop.map(|stop| format!("TIDEGATE_SWEEP=\"{name}={stop}\"")),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.mode, self.task) {
            (None, _) => f.write_str("undisturbed")?,
            (Some(mode), None) => write!(f, "{mode} before the first poll")?,
            (Some(mode), Some((name, at))) => {
                let point = self.point;
                match self.has_ended {
                    true => write!(f, "{mode} at point {point}, the end of ")?,
                    false => write!(f, "{mode} at point {point}, {}, ", Places(&self.awaits))?,
                }
                write!(f, "task `{name}` ({at})")?;
            }
        }
        write!(f, ": {}", self.what)?;
        match &self.replay {
            Some(replay) => write!(f, "\n    replay: {replay}"),
            None => Ok(()),
        }
    }
}

/// All that a sweep has found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violations {
    /// What it has covered.
    pub coverage: Coverage,
    /// At least one, in the order of the runs.
    pub list: Vec<Violation>,
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {} of them violate", self.coverage, self.list.len())?;
        for violation in &self.list {
            write!(f, "\n  {violation}")?;
        }
        Ok(())
    }
}

impl Error for Violations {}
