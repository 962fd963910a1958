//! How a sweep stops a program, and the one stop that a replay asks for.

use std::{env, fmt};

/// How a sweep stops a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// Its future is dropped, as by a `select!` or a time-out around it. Children that it has spawned are its scopes'.
    Drop,
    /// The scope around it is told to stop. The program itself is asked (see [`tidegate::cancelled()`]) and may go on
    /// until the grace is over; scopes within are told, as are all their children.
    Cancel,
    /// The task that has just suspended panics, outside of all that could catch it in the task. One that has ended
    /// cannot, so nothing is stopped there.
    Panic,
}

impl Mode {
    const ALL: [Mode; 3] = [Mode::Drop, Mode::Cancel, Mode::Panic];

    fn name(self) -> &'static str {
        match self {
            Mode::Drop => "drop",
            Mode::Cancel => "cancel",
            Mode::Panic => "panic",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One stop: `drop:3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Replay {
    pub(super) mode: Mode,
    /// 0 is before the first poll.
    pub(super) point: usize,
}

impl Replay {
    fn parse(text: &str) -> Option<Self> {
        let (mode, point) = text.split_once(':')?;
        let mode = Mode::ALL.into_iter().find(|known| known.name() == mode)?;
        let point = point.parse().ok()?;
        Some(Replay { mode, point })
    }
}

impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.mode, self.point)
    }
}

/// What `TIDEGATE_SWEEP` asks of the sweep `name`.
///
/// # Panics
///
/// When it is not of its form, as the sweep would silently do something else.
pub(super) fn from_environment(name: &str) -> Option<Replay> {
    let wish = env::var("TIDEGATE_SWEEP").ok()?;
    let parsed = wish.rsplit_once('=').and_then(|(of, stop)| {
        let stop = Replay::parse(stop)?;
        Some((of, stop))
    });
    let Some((of, stop)) = parsed else {
        panic!(
            "TIDEGATE_SWEEP is `{wish}`, but has to be as `name=drop:3`, with drop, cancel or panic"
        );
    };
    (of == name).then_some(stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_reads_as_it_is_written() {
        for mode in Mode::ALL {
            let stop = Replay { mode, point: 12 };
            assert_eq!(Replay::parse(&stop.to_string()), Some(stop));
        }
        for wrong in ["", "drop", "drop:", "drop:x", "stop:1", "drop:-1"] {
            assert_eq!(Replay::parse(wrong), None, "{wrong}");
        }
    }
}
