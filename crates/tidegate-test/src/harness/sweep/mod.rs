//! Stopping a program at every await it has.

mod engine;
mod mode;
mod report;
mod run;
mod subject;

pub use mode::Mode;
pub use report::{Coverage, Violation, Violations};

use mode::Replay;
use run::{Ended, Run, Undisturbed};
use std::{future::Future, panic::Location, rc::Rc, time::Duration};

/// As many violations are enough to read.
const MAX_VIOLATIONS: usize = 16;

/// A sweep: runs a program to count the points at which it, or a child of it, suspends, or a child ends, then once for
/// every point and mode, and stops it there. After each run the caller's check looks at what is left.
///
/// Every run has a new runtime with a paused clock. An await that is ready is a point as well, for all leaves that take
/// part in tokio's budget; for others there is [`cancel_point`](super::cancel_point()). Code inside `tokio::spawn` or `tokio::task::unconstrained` is not seen.
///
/// Beside the check, these are violations: a task that is left, waiting for ever, an end later than
/// [`within`](Sweep::within), a panic that the undisturbed run did not have, and a run that differs from the undisturbed
/// one before its point is reached.
///
/// The environment variable `TIDEGATE_SWEEP="name=drop:3"` makes the sweep of this name run that one point only; every
/// violation says the line to copy.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use tidegate_test::Sweep;
/// use tokio::sync::{Mutex, mpsc};
///
/// struct Bank {
///     from: Mutex<i64>,
///     to: Mutex<i64>,
///     log: mpsc::Sender<i64>,
///     _reader: Mutex<mpsc::Receiver<i64>>,
/// }
///
/// /// Nothing is awaited between the first change and the last.
/// async fn transfer(bank: Arc<Bank>, amount: i64) {
///     let Ok(line) = bank.log.reserve().await else { return };
///     let mut from = bank.from.lock().await;
///     let mut to = bank.to.lock().await;
///     *from -= amount;
///     *to += amount;
///     line.send(amount);
/// }
///
/// let coverage = Sweep::new("transfer").run(
///     || {
///         let (log, reader) = mpsc::channel(8);
///         let (from, to) = (Mutex::new(100), Mutex::new(0));
///         let bank = Arc::new(Bank { from, to, log, _reader: Mutex::new(reader) });
///         (bank.clone(), transfer(bank, 30))
///     },
///     |bank| {
///         let from = bank.from.try_lock().map_err(|_| "still locked")?;
///         let to = bank.to.try_lock().map_err(|_| "still locked")?;
///         match *from + *to {
///             100 => Ok(()),
///             sum => Err(format!("the money is {sum}")),
///         }
///     },
/// );
/// // All three awaits are ready, and still it was stopped at each.
/// assert_eq!(coverage.points, 3);
/// ```
#[derive(Clone, Debug)]
#[must_use = "`run` runs it"]
pub struct Sweep {
    name: &'static str,
    modes: Vec<Mode>,
    grace: Duration,
    within: Duration,
    rest: Duration,
    at_most: usize,
    only: Option<Replay>,
}

impl Sweep {
    /// A sweep in the modes [`Drop`](Mode::Drop) and [`Cancel`](Mode::Cancel), with 10 s of grace, which has to end
    /// within 60 s of being stopped, all in virtual time, and with at most 1,000 points.
    ///
    /// The name stands in reports and picks the sweep for a replay.
    pub fn new(name: &'static str) -> Self {
        Sweep {
            name,
            modes: vec![Mode::Drop, Mode::Cancel],
            grace: Duration::from_secs(10),
            within: Duration::from_secs(60),
            rest: Duration::ZERO,
            at_most: 1000,
            only: None,
        }
    }

    /// In which ways to stop. Default: [`Mode::Drop`] and [`Mode::Cancel`].
    pub fn modes(mut self, modes: impl IntoIterator<Item = Mode>) -> Self {
        self.modes = modes.into_iter().collect();
        self
    }

    /// What [`Mode::Cancel`] gives. Default: 10 s; zero drops everything at once.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How long everything may take to end once stopped. Default: 60 s.
    pub fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// How long what `make` has spawned runs on before the check: for others that the program shares something with.
    /// Default: no time passes.
    pub fn rest(mut self, rest: Duration) -> Self {
        self.rest = rest;
        self
    }

    /// At how many points to stop; of more, so many are taken in even distances, the first and the last among them. The
    /// time that a sweep takes grows with the square of this. Default: 1,000.
    pub fn at_most(mut self, points: usize) -> Self {
        self.at_most = points.max(1);
        self
    }

    /// Stops at this point only, as `TIDEGATE_SWEEP` does, which is not asked then.
    pub fn only(mut self, mode: Mode, point: usize) -> Self {
        self.only = Some(Replay { mode, point });
        self
    }

    /// Runs the sweep. `make` gives what `check` looks at, and the program; it is called within the runtime of the run,
    /// and tasks that it spawns are not the program's. `check` is called when everything has ended.
    ///
    /// # Panics
    ///
    /// When there is a violation, with all of them. When called within a runtime, when `TIDEGATE_SWEEP` is not of its
    /// form, when tokio does not suspend a known program at its awaits.
    #[track_caller]
    pub fn run<S, F: Future>(
        &self,
        make: impl Fn() -> (S, F),
        check: impl Fn(&S) -> Result<(), String>,
    ) -> Coverage {
        match self.try_run(make, check) {
            Ok(coverage) => coverage,
            Err(violations) => panic!("{violations}"),
        }
    }

    /// As [`run`](Sweep::run), but gives the violations back.
    ///
    /// # Errors
    ///
    /// There is a violation. After 16 the sweep has ended early.
    ///
    /// # Panics
    ///
    /// As `run`, but not for a violation.
    #[track_caller]
    pub fn try_run<S, F: Future>(
        &self,
        make: impl Fn() -> (S, F),
        check: impl Fn(&S) -> Result<(), String>,
    ) -> Result<Coverage, Violations> {
        let only = self.only.or_else(|| mode::from_environment(self.name));
        let at = Location::caller();
        let run = |splits, reference: Option<&Rc<Undisturbed>>, stop: Option<Replay>| {
            let run = Run {
                sweep: self,
                at,
                reference: reference.cloned(),
                stop,
                splits,
            };
            run.run(&make, &check)
        };
        let mut report = Report::new(self.name);
        let first = run(true, None, None);
        let points = first.undisturbed.trace.points();
        report.coverage.points = points;
        report.add(None, first.violation.clone(), &first);
        if report.violations.is_empty() && points == 0 {
            let what = "nothing to stop at: the program never suspends, see `cancel_point`";
            report.add(None, Some(what.into()), &first);
        }
        if !report.violations.is_empty() {
            return report.end();
        }
        let by_itself = run(false, None, None).undisturbed.trace.points();
        report.coverage.forced = points.saturating_sub(by_itself);
        let reference = Rc::new(first.undisturbed);
        let stops = only.map_or_else(|| self.stops(points), |only| vec![only]);
        for stop in stops {
            let ended = run(true, Some(&reference), Some(stop));
            report.coverage.runs += 1;
            let differs = ended.differs;
            report.add(Some(stop), ended.violation.clone(), &ended);
            if differs || report.violations.len() >= MAX_VIOLATIONS {
                break;
            }
        }
        report.end()
    }

    /// Point 0 is before the first poll.
    fn stops(&self, points: usize) -> Vec<Replay> {
        let taken = self.at_most.min(points);
        let point = |i: usize| match i {
            0 => 0,
            i if taken == points => i,
            1 => 1,
            i => 1 + (i - 1) * (points - 1) / (taken - 1),
        };
        let of_mode = |&mode| {
            (0..=taken).map(move |i| Replay {
                mode,
                point: point(i),
            })
        };
        self.modes.iter().flat_map(of_mode).collect()
    }
}

/// What the runs so far have found.
struct Report {
    name: &'static str,
    coverage: Coverage,
    violations: Vec<Violation>,
}

impl Report {
    fn new(name: &'static str) -> Self {
        Report {
            name,
            coverage: Coverage::new(name),
            violations: Vec::new(),
        }
    }

    fn add(&mut self, stop: Option<Replay>, what: Option<String>, ended: &Ended) {
        if let Some(what) = what {
            let violation = Violation::new(self.name, stop, ended.hit.as_ref(), what);
            self.violations.push(violation);
        }
    }

    fn end(self) -> Result<Coverage, Violations> {
        match self.violations.is_empty() {
            true => Ok(self.coverage),
            false => Err(Violations {
                coverage: self.coverage,
                list: self.violations,
            }),
        }
    }
}
