//! For [`opentelemetry`](https://docs.rs/opentelemetry): instruments that are read when the SDK collects.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use ::opentelemetry::{
    KeyValue,
    metrics::{AsyncInstrument, Meter},
};
use tokio::time::Instant;

use super::{
    figure::{Look, Points, Read},
    table::TABLE,
};
use crate::policy::{Policy, Snapshot};

/// Exports the figures of `policy` through `meter` until the observation is dropped.
///
/// Several policies may be observed through one meter, each once, and all with different names: the attribute `policy` is
/// all that tells them apart.
///
/// # Examples
///
/// ```
/// use opentelemetry::metrics::MeterProvider;
/// use opentelemetry_sdk::metrics::SdkMeterProvider;
/// use tidegate::policy::{Policy, export};
///
/// let provider = SdkMeterProvider::builder().build(); // with a reader, in earnest
/// let policy = Policy::named("api").build().unwrap();
/// let observation = export::opentelemetry::observe(&provider.meter("my program"), &policy);
/// // ... for as long as the policy is in use ...
/// drop(observation);
/// ```
pub fn observe(meter: &Meter, policy: &Policy) -> Observation {
    let watched = Arc::new(Watched {
        policy: policy.clone(),
        seen: Mutex::new(Seen::of(policy)),
    });
    // The meter keeps what is built; the handles are good for nothing more.
    for (index, figure) in TABLE.iter().enumerate() {
        match figure.read {
            Read::Counter(read) => drop(
                meter
                    .u64_observable_counter(figure.name)
                    .with_unit(figure.unit)
                    .with_description(figure.meaning)
                    .with_callback(callback(&watched, index, read))
                    .build(),
            ),
            Read::Total(read) => drop(
                meter
                    .f64_observable_counter(figure.name)
                    .with_unit(figure.unit)
                    .with_description(figure.meaning)
                    .with_callback(callback(&watched, index, read))
                    .build(),
            ),
            Read::Gauge(read) => drop(
                meter
                    .f64_observable_gauge(figure.name)
                    .with_unit(figure.unit)
                    .with_description(figure.meaning)
                    .with_callback(callback(&watched, index, read))
                    .build(),
            ),
        }
    }
    Observation { watched }
}

/// A policy is exported as long as this exists.
///
/// What stays after it was dropped is a few empty callbacks in the meter: OpenTelemetry has no way to take them back.
#[must_use = "dropping it ends the observation"]
pub struct Observation {
    watched: Arc<Watched>,
}

impl fmt::Debug for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observation")
            .field("policy", &self.watched.policy)
            .finish()
    }
}

/// Does not keep the policy: the meter keeps callbacks for ever.
fn callback<T: 'static>(
    watched: &Arc<Watched>,
    index: usize,
    read: fn(&Look<'_>) -> Points<T>,
) -> impl Fn(&dyn AsyncInstrument<T>) + Send + Sync + use<T> {
    let watched = Arc::downgrade(watched);
    move |instrument| {
        let Some(watched) = watched.upgrade() else {
            return;
        };
        let (name, points) = watched.read(index, read);
        let policy = KeyValue::new("policy", name);
        for (value, point) in points {
            match TABLE[index].label.zip(value) {
                Some((label, value)) => {
                    instrument.observe(point, &[policy.clone(), KeyValue::new(label, value)]);
                }
                None => instrument.observe(point, std::slice::from_ref(&policy)),
            }
        }
    }
}

struct Watched {
    policy: Policy,
    seen: Mutex<Seen>,
}

/// A snapshot, and by which figures of the table it has been read.
struct Seen {
    snapshot: Snapshot,
    at: Instant,
    read: Vec<bool>,
}

impl Seen {
    fn of(policy: &Policy) -> Self {
        Self {
            snapshot: policy.snapshot(),
            at: Instant::now(),
            // So that the first reader takes a new one.
            read: vec![true; TABLE.len()],
        }
    }
}

impl Watched {
    /// All figures of one collection come from one snapshot, though each is asked for by itself: a figure that has read
    /// the present one already begins the next.
    fn read<T>(&self, index: usize, read: fn(&Look<'_>) -> Points<T>) -> (Arc<str>, Points<T>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.read[index] {
            seen.snapshot = self.policy.snapshot();
            seen.at = Instant::now();
            seen.read.fill(false);
        }
        seen.read[index] = true;
        let look = Look {
            snapshot: &seen.snapshot,
            now: seen.at,
        };
        (Arc::clone(&look.snapshot.name), read(&look))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::export::figure::one;

    #[test]
    fn figures_of_one_collection_come_from_one_snapshot() {
        let policy = Policy::named("api")
            .in_flight(1)
            .build()
            .expect("a valid policy");
        let watched = Watched {
            seen: Mutex::new(Seen::of(&policy)),
            policy: policy.clone(),
        };
        let limit = |index| {
            let (_, points) = watched.read(index, |look| one(look.snapshot.in_flight_limit));
            points[0].1
        };
        assert_eq!(limit(0), 1);
        policy.set_in_flight(2).expect("a valid limit");
        assert_eq!(limit(1), 1, "the collection that 0 began");
        assert_eq!(limit(0), 2, "the next collection");
        assert_eq!(limit(1), 2);
    }
}
