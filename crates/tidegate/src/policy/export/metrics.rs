//! For the recorders of the crate [`metrics`](https://docs.rs/metrics): Prometheus, StatsD and others.

use ::metrics::{Key, KeyName, Label, Level, Metadata, Unit, with_recorder};
use tokio::time::Instant;

use super::{
    figure::{Figure, Look, Read},
    table::TABLE,
};
use crate::policy::Policy;

static METADATA: Metadata<'static> =
    Metadata::new("tidegate::policy", Level::INFO, Some(module_path!()));

/// Tells the current recorder the unit and the meaning of every figure.
///
/// Once, after the recorder was installed. Recorders that show neither need not be told.
pub fn describe() {
    with_recorder(|recorder| {
        for figure in TABLE {
            let name = KeyName::from_const_str(figure.name);
            let (unit, meaning) = (unit(figure), figure.meaning.into());
            match figure.read {
                Read::Counter(_) => recorder.describe_counter(name, unit, meaning),
                Read::Total(_) | Read::Gauge(_) => recorder.describe_gauge(name, unit, meaning),
            }
        }
    });
}

/// Sets the figures of `policy` in the current recorder to what they are now.
///
/// For every policy, before each scrape or each push. Counters are set, not added to: calling it twice counts nothing
/// twice. Since the counters of `metrics` are whole, sums of time are gauges here that never fall.
///
/// Policies that are recorded together have different names: the label `policy` is all that tells them apart.
///
/// # Examples
///
/// ```
/// use metrics::NoopRecorder; // stands for `metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder()`
/// use tidegate::policy::{Policy, export};
///
/// let policy = Policy::named("api").build().unwrap();
/// metrics::with_local_recorder(&NoopRecorder, || {
///     export::metrics::describe();
///     export::metrics::record(&policy);
/// });
/// ```
pub fn record(policy: &Policy) {
    let snapshot = policy.snapshot();
    let look = Look {
        snapshot: &snapshot,
        now: Instant::now(),
    };
    with_recorder(|recorder| {
        for figure in TABLE {
            let key = |value| key(figure, &look, value);
            match figure.read {
                Read::Counter(read) => {
                    for (label, count) in read(&look) {
                        recorder
                            .register_counter(&key(label), &METADATA)
                            .absolute(count);
                    }
                }
                Read::Total(read) | Read::Gauge(read) => {
                    for (label, level) in read(&look) {
                        recorder.register_gauge(&key(label), &METADATA).set(level);
                    }
                }
            }
        }
    });
}

fn key(figure: &Figure, look: &Look<'_>, value: Option<&'static str>) -> Key {
    let mut labels = vec![Label::new("policy", look.snapshot.name.clone())];
    labels.extend(
        figure
            .label
            .zip(value)
            .map(|(label, value)| Label::from_static_parts(label, value)),
    );
    Key::from_parts(figure.name, labels)
}

/// `metrics` has units for a few things only; a share has none.
fn unit(figure: &Figure) -> Option<Unit> {
    match figure.unit {
        "1" => None,
        "s" => Some(Unit::Seconds),
        rate if rate.ends_with("/s") => Some(Unit::CountPerSecond),
        _ => Some(Unit::Count),
    }
}
