//! A ledger of what a program has begun, and the sweep that every program here goes through.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tidegate_test::{Coverage, Mode, Sweep};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SEC: Duration = Duration::from_secs(1);

/// What a program has begun and what has ended.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Entries>);

#[derive(Default)]
struct Entries {
    running: AtomicUsize,
    taken: AtomicUsize,
    begun: AtomicUsize,
    ended: AtomicUsize,
    faults: Mutex<Vec<String>>,
}

/// A child, or a body, that has begun and is not yet gone.
pub(crate) struct Running(Ledger);

impl Ledger {
    pub(crate) fn running(&self) -> Running {
        self.0.running.fetch_add(1, SeqCst);
        Running(self.clone())
    }

    /// Where a scope has ended: nothing that ran in it may be there.
    pub(crate) fn nothing_runs(&self, what: &str) {
        let running = self.0.running.load(SeqCst);
        if running > 0 {
            self.fault(format!("{what}: {running} still running"));
        }
    }

    /// A scope has taken work that must begin: a clean-up, a critical section.
    pub(crate) fn taken(&self) {
        self.0.taken.fetch_add(1, SeqCst);
    }

    /// It was taken back.
    pub(crate) fn disarmed(&self) {
        self.0.taken.fetch_sub(1, SeqCst);
    }

    pub(crate) fn begun(&self) {
        self.0.begun.fetch_add(1, SeqCst);
    }

    pub(crate) fn ended(&self) {
        self.0.ended.fetch_add(1, SeqCst);
    }

    pub(crate) fn fault(&self, what: impl fmt::Display) {
        self.0.faults.lock().unwrap().push(what.to_string());
    }

    fn check(&self, has_time: bool) -> Result<(), String> {
        self.nothing_runs("in the end");
        let count = |number: &AtomicUsize| number.load(SeqCst);
        let (taken, begun) = (count(&self.0.taken), count(&self.0.begun));
        if begun > taken || (has_time && begun < taken) {
            self.fault(format!("{taken} were taken, {begun} have begun"));
        }
        let ended = count(&self.0.ended);
        // Without time it is cut short.
        if ended > begun || (has_time && ended < begun) {
            self.fault(format!("{begun} have begun, {ended} have ended"));
        }
        match self.0.faults.lock().unwrap().as_slice() {
            [] => Ok(()),
            faults => Err(faults.join("; ")),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.running.fetch_sub(1, SeqCst);
    }
}

/// Stops `program` at each of its points: dropped, told with a grace and without, by a panic.
pub(crate) fn swept<F: Future>(name: &'static str, program: impl Fn(Ledger) -> F) -> Coverage {
    let run = |sweep: Sweep, mode: Mode, has_time: bool| {
        sweep.modes([mode]).run(
            || {
                let ledger = Ledger::default();
                (ledger.clone(), program(ledger))
            },
            |ledger| ledger.check(has_time),
        )
    };
    run(Sweep::new(name), Mode::Drop, true);
    // It may hit the task that runs the clean-ups.
    run(Sweep::new(name), Mode::Panic, false);
    run(
        Sweep::new(name).grace(Duration::ZERO).within(MS),
        Mode::Cancel,
        false,
    );
    let coverage = run(Sweep::new(name), Mode::Cancel, true);
    assert!(
        coverage.points > 2,
        "hardly anything to stop at: {coverage}"
    );
    coverage
}
