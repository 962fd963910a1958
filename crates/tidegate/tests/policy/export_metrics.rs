//! `policy::export::metrics`, into a recorder that remembers what it was told.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    with_local_recorder,
};
use tidegate::policy::{Attempt, Op, Policy, Quota, Verdict, export};
use tokio::time::{Instant, advance};

use crate::support::{Answer, Failed, call_with, policy, secs};

#[derive(Default)]
struct Memory {
    counters: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    gauges: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    described: Mutex<BTreeMap<String, Option<Unit>>>,
}

impl Memory {
    fn record(&self, policy: &Policy) {
        with_local_recorder(self, || export::metrics::record(policy));
    }

    fn counter(&self, series: &str) -> Option<u64> {
        let counters = self.counters.lock().unwrap();
        counters.get(series).map(|counter| counter.load(Relaxed))
    }

    fn gauge(&self, series: &str) -> Option<f64> {
        let gauges = self.gauges.lock().unwrap();
        gauges
            .get(series)
            .map(|gauge| f64::from_bits(gauge.load(Relaxed)))
    }

    fn describe(&self, name: &KeyName, unit: Option<Unit>) {
        let name = name.as_str().to_owned();
        self.described.lock().unwrap().insert(name, unit);
    }
}

impl Recorder for Memory {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let mut counters = self.counters.lock().unwrap();
        Counter::from_arc(Arc::clone(counters.entry(series(key)).or_default()))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let mut gauges = self.gauges.lock().unwrap();
        Gauge::from_arc(Arc::clone(gauges.entry(series(key)).or_default()))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// The name without what all have in common, and the labels in their order.
fn series(key: &Key) -> String {
    let labels = key
        .labels()
        .map(|label| format!("{}={}", label.key(), label.value()));
    let labels: Vec<String> = labels.collect();
    let name = key.name().strip_prefix("tidegate.policy.").unwrap();
    format!("{name} {}", labels.join(" "))
}

#[tokio::test(start_paused = true)]
async fn a_record_says_what_the_snapshot_says() {
    let policy = policy().in_flight(3).rate(10.0).build().unwrap();
    let answers = [Err(Failed(Verdict::transient())), Ok(1)];
    call_with(&policy, Op::idempotent(), &answers)
        .await
        .unwrap();
    let memory = Memory::default();
    memory.record(&policy);

    let snapshot = policy.snapshot();
    assert_eq!(memory.counter("requests policy=api"), Some(2));
    assert_eq!(memory.counter("retries policy=api"), Some(1));
    assert_eq!(memory.gauge("in_flight.limit policy=api"), Some(3.0));
    assert_eq!(memory.gauge("rate.limit policy=api"), Some(10.0));
    assert_eq!(memory.gauge("health.up policy=api"), Some(1.0));
    let permits = snapshot.consulted.permit;
    assert_eq!(
        memory.counter("consulted policy=api stage=permit"),
        Some(permits)
    );
    assert_eq!(
        memory.counter("attempts policy=api class=transient"),
        Some(snapshot.classes.transient)
    );
    assert_eq!(
        memory.gauge("budget.balance policy=api"),
        Some(f64::from(snapshot.budget))
    );
    assert_eq!(
        memory.gauge("latency policy=api quantile=0.99"),
        Some(snapshot.latency.p99_ms / 1e3)
    );
}

#[tokio::test(start_paused = true)]
async fn recording_twice_counts_nothing_twice() {
    let policy = policy().build().unwrap();
    let memory = Memory::default();
    call_with(&policy, Op::idempotent(), &[Ok(1)])
        .await
        .unwrap();
    memory.record(&policy);
    memory.record(&policy);
    assert_eq!(memory.counter("requests policy=api"), Some(1));
    call_with(&policy, Op::idempotent(), &[Ok(1)])
        .await
        .unwrap();
    memory.record(&policy);
    assert_eq!(memory.counter("requests policy=api"), Some(2));
}

#[tokio::test(start_paused = true)]
async fn policies_are_told_apart_by_their_names() {
    let memory = Memory::default();
    for name in ["a", "b"] {
        let policy = Policy::named(name).build().unwrap();
        memory.record(&policy);
    }
    assert_eq!(memory.counter("requests policy=a"), Some(0));
    assert_eq!(memory.counter("requests policy=b"), Some(0));
}

#[tokio::test(start_paused = true)]
async fn an_instant_is_recorded_as_the_time_left() {
    let policy = policy().build().unwrap();
    let spends = async |attempt: Attempt| -> Answer {
        attempt.quota(Quota {
            remaining: 0,
            reset_at: Some(Instant::now() + secs(60)),
        });
        Ok(1)
    };
    policy.call(Op::idempotent(), spends).await.unwrap();
    let memory = Memory::default();
    memory.record(&policy);
    assert_eq!(memory.gauge("pause_left policy=api"), Some(60.0));
    advance(secs(45)).await;
    memory.record(&policy);
    assert_eq!(memory.gauge("pause_left policy=api"), Some(15.0));
    advance(secs(45)).await;
    memory.record(&policy);
    assert_eq!(memory.gauge("pause_left policy=api"), Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn everything_recorded_was_described_with_its_unit() {
    let memory = Memory::default();
    with_local_recorder(&memory, export::metrics::describe);
    memory.record(&policy().rate(1.0).build().unwrap());
    let described = memory.described.lock().unwrap();
    let counters = memory.counters.lock().unwrap();
    let gauges = memory.gauges.lock().unwrap();
    for series in counters.keys().chain(gauges.keys()) {
        let name = series.split_once(' ').unwrap().0;
        let name = format!("tidegate.policy.{name}");
        assert!(described.contains_key(&name), "{name}");
    }
    let unit = |name: &str| described[&format!("tidegate.policy.{name}")];
    assert_eq!(unit("requests"), Some(Unit::Count));
    assert_eq!(unit("latency"), Some(Unit::Seconds));
    assert_eq!(unit("rate.limit"), Some(Unit::CountPerSecond));
    assert_eq!(unit("rate.used"), None);
}
