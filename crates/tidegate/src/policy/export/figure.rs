//! What an exporter must know of one figure.

use std::time::Duration;

use tokio::time::Instant;

use crate::policy::Snapshot;

/// A figure of a policy: its name in every metrics system, and how it is read.
#[derive(Debug)]
pub(super) struct Figure {
    pub(super) name: &'static str,
    /// In the notation of UCUM, as OpenTelemetry has it: `s`, `1`, and counted things in braces.
    pub(super) unit: &'static str,
    /// Tells the points of one figure apart; none if there is one point only.
    pub(super) label: Option<&'static str>,
    pub(super) meaning: &'static str,
    pub(super) read: Read,
}

/// How a figure is read, which also says what kind it is.
#[derive(Debug)]
pub(super) enum Read {
    /// Never falls.
    Counter(fn(&Look<'_>) -> Points<u64>),
    /// Never falls, and is not whole.
    Total(fn(&Look<'_>) -> Points<f64>),
    /// Rises and falls.
    Gauge(fn(&Look<'_>) -> Points<f64>),
}

/// The values of a figure, each with the value of its label. None if the policy has not what they are about.
pub(super) type Points<T> = Vec<(Option<&'static str>, T)>;

/// A snapshot, and when it was taken: instants are exported as what is left until then.
#[derive(Debug)]
pub(super) struct Look<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) now: Instant,
}

impl Look<'_> {
    /// Seconds until `at`; 0 if it is over, or never comes.
    pub(super) fn until(&self, at: Option<Instant>) -> f64 {
        at.map_or(Duration::ZERO, |at| at.saturating_duration_since(self.now))
            .as_secs_f64()
    }
}

impl Figure {
    pub(super) const fn counter(
        name: &'static str,
        unit: &'static str,
        meaning: &'static str,
        read: fn(&Look<'_>) -> Points<u64>,
    ) -> Self {
        Self::new(name, unit, meaning, Read::Counter(read))
    }

    pub(super) const fn total(
        name: &'static str,
        unit: &'static str,
        meaning: &'static str,
        read: fn(&Look<'_>) -> Points<f64>,
    ) -> Self {
        Self::new(name, unit, meaning, Read::Total(read))
    }

    pub(super) const fn gauge(
        name: &'static str,
        unit: &'static str,
        meaning: &'static str,
        read: fn(&Look<'_>) -> Points<f64>,
    ) -> Self {
        Self::new(name, unit, meaning, Read::Gauge(read))
    }

    pub(super) const fn by(self, label: &'static str) -> Self {
        Self {
            label: Some(label),
            ..self
        }
    }

    const fn new(
        name: &'static str,
        unit: &'static str,
        meaning: &'static str,
        read: Read,
    ) -> Self {
        Self {
            name,
            unit,
            label: None,
            meaning,
            read,
        }
    }
}

/// The value of a figure that has no label.
pub(super) fn one<T>(value: T) -> Points<T> {
    vec![(None, value)]
}

/// The value of a figure of something that not every policy has.
pub(super) fn of<S, T>(part: Option<S>, value: impl FnOnce(S) -> T) -> Points<T> {
    part.map_or_else(Vec::new, |part| one(value(part)))
}

/// The values of a figure that has a label.
pub(super) fn each<T, const N: usize>(values: [(&'static str, T); N]) -> Points<T> {
    values
        .into_iter()
        .map(|(label, value)| (Some(label), value))
        .collect()
}
