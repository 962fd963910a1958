//! T4: a share of the attempts fails. 100 calls a second for ten minutes, three attempts.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tidegate::policy::PolicyBuilder;
use tidegate_test::overload::{Load, Outcome, Scenario, Service, ServiceTime, Trouble};

use super::part::{Part, Runs, figure, ms, secs, wanted};
use super::rivals::{naive, no_retries, ours, through};
use crate::Fallible;
use crate::figure::{Figure, Wanted};
use crate::suite::Setting;

pub(super) const FAILED: Wanted = wanted("policy/t4_partial_failure");

pub(super) fn measure(setting: &Setting) -> Fallible<Vec<Figure>> {
    let (seeds, lasts) = (setting.amount(3, 1), secs(600));
    let rivals = rivals(seeds, lasts);
    Ok(vec![figure(FAILED, &parts(seeds, lasts), rivals)])
}

/// Fails with this probability, and no request waits for another.
fn flaky(share: f64, lasts: Duration) -> Scenario {
    let service = Service::unlimited(ServiceTime::fixed(ms(10)));
    Scenario::new(service, Load::poisson(100.0, lasts))
        .trouble(secs(0)..2 * lasts, Trouble::failing(share))
}

/// The bounds are what the budget of the AWS SDKs ("2.1") reaches in the same model, 99.99, 99.90 and 99.2 % at 1.05, 1.11
/// and 1.24 requests a call, with room for the accidents of 180,000 calls.
fn parts(seeds: u64, lasts: Duration) -> Vec<Part> {
    let of = |share, failed, most_failed, load, most_load| {
        let runs = flaky_runs(ours, share, seeds, lasts);
        [
            Part::at_most(failed, 100.0 * runs.mean(failed_share), most_failed),
            Part::at_most(load, runs.mean(load_of), most_load),
        ]
    };
    [
        of(0.05, "failed_of_5_percent", 0.02, "load_at_5_percent", 1.06),
        of(
            0.10,
            "failed_of_10_percent",
            0.12,
            "load_at_10_percent",
            1.12,
        ),
        of(
            0.20,
            "failed_of_20_percent",
            0.88,
            "load_at_20_percent",
            1.25,
        ),
    ]
    .concat()
}

fn flaky_runs(policy: fn() -> PolicyBuilder, share: f64, seeds: u64, lasts: Duration) -> Runs {
    Runs::of(seeds, |seed| through(policy(), flaky(share, lasts), seed))
}

fn failed_share(outcome: &Outcome) -> f64 {
    outcome.failed() as f64 / outcome.offered() as f64
}

fn load_of(outcome: &Outcome) -> f64 {
    outcome.amplification(outcome.whole())
}

/// Success in percent and load, at more than the three shares: where the budget ends retries, and where nothing does.
fn rivals(seeds: u64, lasts: Duration) -> Value {
    let row = |policy: fn() -> PolicyBuilder| {
        let at = |percent: u32| {
            let runs = flaky_runs(policy, f64::from(percent) / 100.0, seeds, lasts);
            let success = 100.0 * (1.0 - runs.mean(failed_share));
            let line = format!("{success:.2} % at {:.2}", runs.mean(load_of));
            (percent.to_string(), Value::String(line))
        };
        Value::Object(
            [5, 10, 20, 30, 50]
                .map(at)
                .into_iter()
                .collect::<Map<_, _>>(),
        )
    };
    json!({ "no_retries": row(no_retries), "naive": row(naive), "ours": row(ours) })
}

#[cfg(test)]
mod tests {
    use super::super::part::assert_all_met;
    use super::*;

    #[test]
    fn what_fails_by_accident_is_repeated() {
        assert_all_met(&parts(3, secs(200)));
    }
}
