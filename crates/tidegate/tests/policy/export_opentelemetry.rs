//! `policy::export::opentelemetry`, read by a reader that collects when it is told to.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};

use opentelemetry::{
    KeyValue,
    metrics::{Meter, MeterProvider},
};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    metrics::{
        InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Temporality,
        data::{AggregatedMetrics, MetricData, ResourceMetrics},
        reader::MetricReader,
    },
};
use tidegate::policy::{Op, Policy, Verdict, export};

use crate::support::{Failed, call_with, policy};

/// The provider keeps one half, the test the other.
#[derive(Clone, Debug)]
struct Reader(Arc<ManualReader>);

impl MetricReader for Reader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}

struct Sdk {
    reader: Reader,
    provider: SdkMeterProvider,
}

impl Sdk {
    fn new() -> Self {
        let reader = Reader(Arc::new(ManualReader::default()));
        let provider = SdkMeterProvider::builder()
            .with_reader(reader.clone())
            .build();
        Self { reader, provider }
    }

    fn meter(&self) -> Meter {
        self.provider.meter("test")
    }

    /// Every series with its value.
    fn collect(&self) -> BTreeMap<String, f64> {
        let mut collected = ResourceMetrics::default();
        self.reader.collect(&mut collected).unwrap();
        let mut all = BTreeMap::new();
        for metric in collected.scope_metrics().flat_map(|scope| scope.metrics()) {
            let name = metric.name().strip_prefix("tidegate.policy.").unwrap();
            for (labels, value) in points(metric.data()) {
                all.insert(format!("{name} {labels}"), value);
            }
        }
        all
    }
}

fn points(data: &AggregatedMetrics) -> Vec<(String, f64)> {
    match data {
        AggregatedMetrics::U64(MetricData::Sum(sum)) => {
            assert!(sum.is_monotonic());
            sum.data_points()
                .map(|point| (labels(point.attributes()), point.value() as f64))
                .collect()
        }
        AggregatedMetrics::F64(MetricData::Sum(sum)) => sum
            .data_points()
            .map(|point| (labels(point.attributes()), point.value()))
            .collect(),
        AggregatedMetrics::F64(MetricData::Gauge(gauge)) => gauge
            .data_points()
            .map(|point| (labels(point.attributes()), point.value()))
            .collect(),
        other => panic!("no figure is a {other:?}"),
    }
}

fn labels<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> String {
    let mut labels: Vec<String> = attributes
        .map(|label| format!("{}={}", label.key, label.value))
        .collect();
    labels.sort();
    labels.join(" ")
}

#[tokio::test(start_paused = true)]
async fn a_collection_says_what_the_snapshot_says() {
    let sdk = Sdk::new();
    let policy = policy().in_flight(3).rate(10.0).build().unwrap();
    let _watched = export::opentelemetry::observe(&sdk.meter(), &policy);
    let answers = [Err(Failed(Verdict::transient())), Ok(1)];
    call_with(&policy, Op::idempotent(), &answers)
        .await
        .unwrap();

    let collected = sdk.collect();
    let snapshot = policy.snapshot();
    assert_eq!(collected["requests policy=api"], 2.0);
    assert_eq!(collected["retries policy=api"], 1.0);
    assert_eq!(collected["in_flight.limit policy=api"], 3.0);
    assert_eq!(collected["rate.limit policy=api"], 10.0);
    assert_eq!(
        collected["consulted policy=api stage=permit"],
        snapshot.consulted.permit as f64
    );
    assert_eq!(
        collected["attempts class=transient policy=api"],
        snapshot.classes.transient as f64
    );
    assert_eq!(
        collected["latency policy=api quantile=0.99"],
        snapshot.latency.p99_ms / 1e3
    );
    assert_eq!(
        collected["back_off policy=api"],
        snapshot.back_off.as_secs_f64()
    );
}

#[tokio::test(start_paused = true)]
async fn every_collection_is_of_its_own_instant() {
    let sdk = Sdk::new();
    let policy = policy().build().unwrap();
    let _watched = export::opentelemetry::observe(&sdk.meter(), &policy);
    for sent in 0..3 {
        let collected = sdk.collect();
        assert_eq!(collected["requests policy=api"], f64::from(sent));
        assert_eq!(
            collected["consulted policy=api stage=permit"],
            f64::from(sent)
        );
        call_with(&policy, Op::idempotent(), &[Ok(1)])
            .await
            .unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_observation_says_nothing_more() {
    let sdk = Sdk::new();
    let policy = policy().build().unwrap();
    let watched = export::opentelemetry::observe(&sdk.meter(), &policy);
    assert!(sdk.collect().contains_key("requests policy=api"));
    drop(watched);
    assert_eq!(sdk.collect(), BTreeMap::new());
}

#[tokio::test(start_paused = true)]
async fn policies_share_a_meter_and_are_told_apart_by_their_names() {
    let sdk = Sdk::new();
    let [a, b] = ["a", "b"].map(|name| Policy::named(name).build().unwrap());
    let _a = export::opentelemetry::observe(&sdk.meter(), &a);
    let b_watched = export::opentelemetry::observe(&sdk.meter(), &b);
    call_with(&b, Op::idempotent(), &[Ok(1)]).await.unwrap();
    let collected = sdk.collect();
    assert_eq!(collected["requests policy=a"], 0.0);
    assert_eq!(collected["requests policy=b"], 1.0);
    drop(b_watched);
    let collected = sdk.collect();
    assert!(collected.contains_key("requests policy=a"));
    assert!(!collected.contains_key("requests policy=b"));
}
