//! One number of a scenario and its target.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tidegate_test::overload::Outcome;

use crate::figure::{Figure, Target, Wanted};

/// A number that a scenario gave, beside what it has to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    name: &'static str,
    value: f64,
    target: Target,
}

impl Part {
    pub(super) fn at_most(name: &'static str, value: f64, most: f64) -> Self {
        Self {
            name,
            value,
            target: Target::AtMost(most),
        }
    }

    pub(super) fn at_least(name: &'static str, value: f64, least: f64) -> Self {
        Self {
            name,
            value,
            target: Target::AtLeast(least),
        }
    }

    /// 1 at the target, more beyond it.
    fn of_target(&self) -> f64 {
        match self.target {
            Target::AtMost(most) => self.value / most,
            Target::AtLeast(least) => least / self.value,
        }
    }
}

/// The share of the target that the worst part takes.
pub(super) const fn wanted(name: &'static str) -> Wanted {
    Wanted::at_most(name, "of target", 1.0)
}

/// The figure of these parts, with what rivals did beside them.
pub(super) fn figure(wanted: Wanted, parts: &[Part], rivals: Value) -> Figure {
    let detail: Map<_, _> = parts
        .iter()
        .map(|part| {
            let value = (part.value * 1e4).round() / 1e4;
            let line = json!({ "value": value, "target": part.target });
            (part.name.to_owned(), line)
        })
        .collect();
    // Not `max`, which leaves out what is not a number.
    let worse = |next: f64, worst: f64| next > worst || next.is_nan();
    let worst =
        parts.iter().map(Part::of_target).fold(
            0.0,
            |worst, next| {
                if worse(next, worst) { next } else { worst }
            },
        );
    wanted.measured(worst, json!({ "parts": detail, "rivals": rivals }))
}

/// Runs of the same scenario with different seeds.
#[derive(Debug)]
pub(super) struct Runs(Vec<Outcome>);

impl Runs {
    pub(super) fn of(seeds: u64, run: impl Fn(u64) -> Outcome) -> Self {
        Self((1..=seeds).map(run).collect())
    }

    pub(super) fn mean(&self, value: impl Fn(&Outcome) -> f64) -> f64 {
        self.0.iter().map(value).sum::<f64>() / self.0.len() as f64
    }

    /// In seconds; `None` if a run did not recover.
    pub(super) fn worst_recovery(&self) -> Option<f64> {
        self.0.iter().try_fold(0.0, |worst: f64, outcome| {
            let recovery = outcome.recovery()?;
            Some(worst.max(recovery.as_secs_f64()))
        })
    }
}

pub(super) const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(super) const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// What a test of a figure asserts.
#[cfg(test)]
#[track_caller]
pub(super) fn assert_all_met(parts: &[Part]) {
    let missed: Vec<_> = parts
        .iter()
        .filter(|part| !part.target.is_met_by(part.value))
        .collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIGURE: Wanted = wanted("policy/t0");

    fn value(parts: &[Part]) -> Value {
        serde_json::to_value(figure(FIGURE, parts, Value::Null)).unwrap()
    }

    #[test]
    fn a_figure_is_its_worst_part() {
        let half = Part::at_most("a", 1.0, 2.0);
        let near = Part::at_least("b", 100.0, 90.0);
        let line = value(&[half, near]);
        assert_eq!((&line["value"], &line["ok"]), (&json!(0.9), &json!(true)));
        let missed = Part::at_least("c", 80.0, 90.0);
        let line = value(&[half, missed, near]);
        assert_eq!(
            (&line["value"], &line["ok"]),
            (&json!(1.125), &json!(false))
        );
        assert_eq!(line["detail"]["parts"]["c"]["value"], 80.0);
    }

    #[test]
    fn a_part_that_is_no_number_is_not_met() {
        let line = value(&[
            Part::at_most("a", f64::NAN, 1.0),
            Part::at_most("b", 0.5, 1.0),
        ]);
        assert_eq!(line["ok"], false);
    }
}
