//! The table is complete, and the page of the documentation is this table.

use std::{collections::BTreeSet, fmt::Write, time::Duration};

use tokio::time::Instant;

use super::{
    figure::{Look, Read},
    table::TABLE,
};
use crate::policy::{
    BreakerFigures, BreakerState, BudgetFlow, Calls, Class, Classes, Consulted, Health,
    HedgeFigures, Latency, QueueFigures, Snapshot, StopCounts,
};

/// Hands out numbers, each once. 0 and 1 are for what is or is not.
struct Numbers(u32);

impl Numbers {
    fn count(&mut self) -> u64 {
        self.small().into()
    }

    fn small(&mut self) -> u32 {
        self.0 += 1;
        self.0
    }

    fn size(&mut self) -> usize {
        self.small() as usize
    }

    fn real(&mut self) -> f64 {
        self.small().into()
    }

    fn secs(&mut self) -> Duration {
        Duration::from_secs(self.count())
    }

    fn latency(&mut self) -> Latency {
        Latency {
            p50_ms: self.real() * 1e3,
            p95_ms: self.real() * 1e3,
            p99_ms: self.real() * 1e3,
        }
    }
}

/// Every number in it is another one. No field is left to a default, so a new one has to be given here.
fn distinct(numbers: &mut Numbers, now: Instant, state: BreakerState) -> Snapshot {
    let n = numbers;
    Snapshot {
        name: "api".into(),
        requests: n.count(),
        retries: n.count(),
        throttled: n.count(),
        timeouts: n.count(),
        in_flight: n.size(),
        in_flight_max: n.size(),
        in_flight_limit: n.size(),
        waiting: n.size(),
        calls: Calls {
            started: n.count(),
            succeeded: n.count(),
            stopped: StopCounts {
                not_retriable: n.count(),
                attempts_exhausted: n.count(),
                budget_exhausted: n.count(),
                deadline_too_close: n.count(),
                server_said_no: n.count(),
                not_replayable: n.count(),
                cancelled: n.count(),
                full: n.count(),
                gave_up: n.count(),
                breaker_open: n.count(),
                left_to_outer: n.count(),
            },
            dropped: n.count(),
            fallbacks: n.count(),
            fallbacks_failed: n.count(),
        },
        classes: Classes {
            ok: n.count(),
            transient: n.count(),
            throttled: n.count(),
            overload: n.count(),
            fatal: n.count(),
            never_sent: n.count(),
            timeout: n.count(),
            rejected: n.count(),
            cancelled: n.count(),
        },
        queue: QueueFigures {
            refused: n.count(),
            expired: n.count(),
            newest_first: true,
            wait: n.latency(),
        },
        budget: n.small(),
        budget_flow: BudgetFlow {
            earned: n.count(),
            paid: n.count(),
            refunded: n.count(),
            refused: n.count(),
        },
        hedge: Some(HedgeFigures {
            delay: Some(n.secs()),
            tokens: n.real(),
            sent: n.count(),
            won: n.count(),
            refused: n.count(),
        }),
        breaker: Some(BreakerFigures {
            state,
            opened: n.count(),
            refused: n.count(),
            failure_ratio: n.real(),
            slow_ratio: n.real(),
        }),
        back_off: n.secs(),
        wasted: n.secs(),
        health: Health::Down {
            since: now - n.secs(),
            class: Class::NeverSent,
            probe_at: now + n.secs(),
        },
        paused_until: Some(now + n.secs()),
        latency: n.latency(),
        rate: Some(n.real()),
        rate_used: n.real(),
        consulted: Consulted {
            deadline: n.count(),
            queue: n.count(),
            breaker: n.count(),
            health: n.count(),
            pause: n.count(),
            permit: n.count(),
            rate: n.count(),
            retry: n.count(),
            budget: n.count(),
            hedge: n.count(),
            timeout: n.count(),
            fallback: n.count(),
        },
    }
}

/// Every point as its series and its value.
fn read(snapshot: &Snapshot, now: Instant) -> Vec<(String, f64)> {
    let look = Look { snapshot, now };
    let mut read = Vec::new();
    for figure in TABLE {
        let points = match figure.read {
            Read::Counter(counts) => counts(&look)
                .into_iter()
                .map(|(label, count)| (label, count as f64))
                .collect(),
            Read::Total(points) | Read::Gauge(points) => points(&look),
        };
        for (label, value) in points {
            assert_eq!(label.is_some(), figure.label.is_some(), "{}", figure.name);
            read.push((format!("{} {}", figure.name, label.unwrap_or("")), value));
        }
    }
    read
}

fn value(of: &[(String, f64)], series: &str) -> f64 {
    let found = of.iter().find(|(name, _)| name.trim_end() == series);
    found.unwrap_or_else(|| panic!("no {series}")).1
}

#[test]
fn every_number_of_a_snapshot_is_exported_once() {
    let now = Instant::now();
    let states: [fn(&mut Numbers, Instant) -> BreakerState; 3] = [
        |_, _| BreakerState::Closed,
        |n, now| BreakerState::Open {
            until: Some(now + n.secs()),
        },
        |n, _| BreakerState::HalfOpen {
            out: n.small(),
            succeeded: n.small(),
        },
    ];
    for state in states {
        let mut numbers = Numbers(1);
        let state = state(&mut numbers, now);
        let exported = read(&distinct(&mut numbers, now, state), now);
        let mut values: Vec<f64> = exported
            .iter()
            .map(|(_, value)| *value)
            .filter(|value| *value > 1.0)
            .collect();
        values.sort_by(f64::total_cmp);
        let all: Vec<f64> = (2..=numbers.0).map(f64::from).collect();
        assert_eq!(values, all, "{state:?}: {exported:?}");
    }
}

#[test]
fn a_state_is_one_among_all_states() {
    let now = Instant::now();
    let open = BreakerState::Open { until: None };
    let read = read(&distinct(&mut Numbers(1), now, open), now);
    assert_eq!(value(&read, "tidegate.policy.breaker.state closed"), 0.0);
    assert_eq!(value(&read, "tidegate.policy.breaker.state open"), 1.0);
    assert_eq!(value(&read, "tidegate.policy.breaker.state half_open"), 0.0);
    // Nobody knows when a breaker closes that was opened by hand.
    assert_eq!(value(&read, "tidegate.policy.breaker.open_left"), 0.0);
    assert_eq!(value(&read, "tidegate.policy.queue.newest_first"), 1.0);
    assert_eq!(value(&read, "tidegate.policy.health.up"), 0.0);
}

#[test]
fn what_a_policy_has_not_is_not_exported() {
    let now = Instant::now();
    let mut snapshot = distinct(&mut Numbers(1), now, BreakerState::Closed);
    snapshot.hedge = None;
    snapshot.breaker = None;
    snapshot.rate = None;
    let absent = [".hedge.", ".breaker.", ".rate."];
    let of_them = |name: &&(String, f64)| absent.iter().any(|part| name.0.contains(part));
    assert_eq!(read(&snapshot, now).iter().find(of_them), None);
}

#[test]
fn names_are_unique_and_no_system_has_to_change_them() {
    let names: BTreeSet<&str> = TABLE.iter().map(|figure| figure.name).collect();
    assert_eq!(names.len(), TABLE.len());
    for name in names {
        assert!(name.starts_with("tidegate.policy."));
        let plain = |c: char| c.is_ascii_lowercase() || "._".contains(c);
        assert!(name.chars().all(plain), "{name}");
    }
}

#[test]
fn the_page_of_the_documentation_is_this_table() {
    let mut table =
        String::from("| name | kind | unit | label | meaning |\n|---|---|---|---|---|\n");
    for figure in TABLE {
        let kind = match figure.read {
            Read::Counter(_) => "counter",
            Read::Total(_) => "counter of time",
            Read::Gauge(_) => "gauge",
        };
        let label = figure
            .label
            .map_or(String::new(), |label| format!("`{label}`"));
        writeln!(
            table,
            "| `{}` | {kind} | `{}` | {label} | {} |",
            figure.name, figure.unit, figure.meaning
        )
        .expect("a string takes everything");
    }
    let page = include_str!("../../../../../docs/metrics.md");
    assert!(page.contains(&table), "docs/metrics.md must have:\n{table}");
}

#[test]
fn the_page_lists_the_values_of_every_label() {
    let now = Instant::now();
    let page = include_str!("../../../../../docs/metrics.md");
    for (series, _) in read(&distinct(&mut Numbers(1), now, BreakerState::Closed), now) {
        let Some((_, label)) = series.split_once(' ') else {
            continue;
        };
        if !label.is_empty() {
            assert!(page.contains(&format!("`{label}`")), "{series}");
        }
    }
}
