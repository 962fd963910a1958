//! Which figures there are, and what all of them are measured with.

use crate::Fallible;
use crate::figure::{Figure, Wanted};
use crate::programs::Programs;
use crate::{policy, proofs, runner, scenarios, scope, waiting};

/// Figures that come from the same measurement.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) figures: &'static [Wanted],
    /// Whether it needs programs that have to be installed.
    pub(crate) peers: bool,
    pub(crate) run: fn(&Setting) -> Fallible<Vec<Figure>>,
}

/// Everything, in the order in which it is measured.
pub(crate) fn all() -> impl Iterator<Item = &'static Bench> {
    [scope::BENCHES, waiting::BENCHES, policy::BENCHES]
        .into_iter()
        .chain(runner::BENCHES.iter().copied())
        // Last: once a clock of the process was virtual, tokio's cost more.
        .chain([scenarios::BENCHES, proofs::BENCHES])
        .flatten()
}

impl Bench {
    pub(crate) fn has(&self, prefix: &str) -> bool {
        self.figures
            .iter()
            .any(|wanted| wanted.name.starts_with(prefix))
    }

    pub(crate) fn is_asked_for(&self, prefix: &str, setting: &Setting) -> bool {
        self.has(prefix) && (setting.peers || !self.peers)
    }

    pub(crate) fn names(&self) -> String {
        let names: Vec<_> = self.figures.iter().map(|wanted| wanted.name).collect();
        names.join(", ")
    }
}

/// What the arguments ask for, and the programs to measure.
#[derive(Debug)]
pub(crate) struct Setting {
    peers: bool,
    quick: bool,
    pub(crate) programs: Programs,
}

impl Setting {
    pub(crate) fn new(peers: bool, quick: bool, programs: Programs) -> Self {
        Self {
            peers,
            quick,
            programs,
        }
    }

    /// How much to measure.
    pub(crate) fn amount<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}
