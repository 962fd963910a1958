//! T1 to T3: a retry storm. 800 calls a second, a capacity of 1,000, of which for ten seconds 300 are left.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate::policy::{PolicyBuilder, Queue};
use tidegate_test::overload::{Load, Outcome, Scenario, Service, ServiceTime, Trouble};

use super::part::{Part, Runs, figure, ms, secs, wanted};
use super::rivals::{finagle, naive, no_retries, ours, through};
use crate::Fallible;
use crate::figure::{Figure, Wanted};
use crate::suite::Setting;

const RECOVERY: Wanted = wanted("policy/t1_recovery");
const LOAD: Wanted = wanted("policy/t2_load");
const GOODPUT: Wanted = wanted("policy/t3_goodput");

pub(super) const FIGURES: &[Wanted] = &[RECOVERY, LOAD, GOODPUT];

pub(super) fn measure(setting: &Setting) -> Fallible<Vec<Figure>> {
    let (seeds, lasts) = (setting.amount(3, 1), secs(120));
    let storms = Storms::of(seeds, lasts);
    let rivals = rivals(seeds, lasts);
    let beside = |row: fn(&Runs) -> Value| {
        let rows = rivals
            .iter()
            .map(|(name, runs)| ((*name).to_owned(), row(runs)));
        Value::Object(rows.collect())
    };
    Ok(vec![
        figure(RECOVERY, &storms.recovery(), beside(recovery_of)),
        figure(LOAD, &storms.load(), beside(load_of)),
        figure(GOODPUT, &storms.goodput(), beside(goodput_of)),
    ])
}

fn storm(service: Service, lasts: Duration) -> Scenario {
    Scenario::new(service, Load::poisson(800.0, lasts))
        .trouble(secs(20)..secs(30), Trouble::brown_out(0.3))
}

/// All who ask wait, as long as they want.
fn endless_queue() -> Service {
    Service::workers(10, ServiceTime::exponential(ms(10)))
}

/// Requests beyond a hundred in the queue are refused at once.
fn refusing_service() -> Service {
    endless_queue().queue(100)
}

/// Twice what the service works on at once is in flight, a hundred wait here.
fn our_queue() -> PolicyBuilder {
    ours().in_flight(20).queue(Queue::bounded(100))
}

/// The storm through our policies.
#[derive(Debug)]
struct Storms {
    /// The budget alone stands against the storm.
    budget: Runs,
    our_queue: Runs,
    refusing_service: Runs,
}

impl Storms {
    fn of(seeds: u64, lasts: Duration) -> Self {
        Self {
            budget: runs(ours, endless_queue, seeds, lasts),
            our_queue: runs(our_queue, endless_queue, seeds, lasts),
            refusing_service: runs(ours, refusing_service, seeds, lasts),
        }
    }

    fn recovery(&self) -> [Part; 2] {
        let recovery = |runs: &Runs| runs.worst_recovery().unwrap_or(f64::INFINITY);
        [
            Part::at_most("recovery_s", recovery(&self.budget), 26.0),
            Part::at_most("recovery_with_our_queue_s", recovery(&self.our_queue), 1.0),
        ]
    }

    fn load(&self) -> [Part; 6] {
        let during = |runs: &Runs| runs.mean(load_during);
        let after = |runs: &Runs| runs.mean(load_after);
        [
            Part::at_most("during", during(&self.budget), 1.10),
            Part::at_most("after", after(&self.budget), 1.02),
            Part::at_most("during_with_our_queue", during(&self.our_queue), 1.10),
            Part::at_most("after_with_our_queue", after(&self.our_queue), 1.02),
            Part::at_most(
                "during_with_its_queue",
                during(&self.refusing_service),
                1.10,
            ),
            Part::at_most("after_with_its_queue", after(&self.refusing_service), 1.02),
        ]
    }

    fn goodput(&self) -> [Part; 2] {
        let goodput = |runs: &Runs| runs.mean(goodput_during);
        [
            Part::at_least("with_our_queue_per_s", goodput(&self.our_queue), 295.0),
            Part::at_least(
                "with_its_queue_per_s",
                goodput(&self.refusing_service),
                295.0,
            ),
        ]
    }
}

fn goodput_during(outcome: &Outcome) -> f64 {
    outcome.goodput(outcome.during())
}

fn load_during(outcome: &Outcome) -> f64 {
    outcome.amplification(outcome.during())
}

/// Of the last half minute, when whoever recovers has recovered.
fn load_after(outcome: &Outcome) -> f64 {
    outcome.amplification(outcome.last(secs(30)))
}

fn runs(
    policy: fn() -> PolicyBuilder,
    service: fn() -> Service,
    seeds: u64,
    lasts: Duration,
) -> Runs {
    Runs::of(seeds, |seed| {
        through(policy(), storm(service(), lasts), seed)
    })
}

/// The same storm for others, and ours among them.
fn rivals(seeds: u64, lasts: Duration) -> Vec<(&'static str, Runs)> {
    let run = |policy, service| runs(policy, service, seeds, lasts);
    vec![
        ("no_retries", run(no_retries, endless_queue)),
        ("naive", run(naive, endless_queue)),
        ("naive_with_its_queue", run(naive, refusing_service)),
        (
            "finagle",
            Runs::of(seeds, |seed| finagle(storm(endless_queue(), lasts), seed)),
        ),
        ("ours", run(ours, endless_queue)),
        ("ours_with_our_queue", run(our_queue, endless_queue)),
        ("ours_with_its_queue", run(ours, refusing_service)),
    ]
}

fn recovery_of(runs: &Runs) -> Value {
    json!(runs.worst_recovery())
}

fn load_of(runs: &Runs) -> Value {
    json!({ "during": round(runs.mean(load_during)), "after": round(runs.mean(load_after)) })
}

fn goodput_of(runs: &Runs) -> Value {
    json!({
        "during_per_s": round(runs.mean(goodput_during)),
        "last_30_s_per_s": round(runs.mean(|outcome| outcome.goodput(outcome.last(secs(30))))),
        "wasted": round(runs.mean(Outcome::wasted_share)),
    })
}

fn round(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::super::part::assert_all_met;
    use super::*;

    #[test]
    fn a_retry_storm_ends_with_the_trouble_and_costs_nothing_that_was_possible() {
        let storms = Storms::of(3, secs(60));
        assert_all_met(&storms.recovery());
        assert_all_met(&storms.load());
        assert_all_met(&storms.goodput());
    }

    #[test]
    fn without_a_budget_that_successes_fill_the_storm_does_not_end() {
        let storm = || storm(endless_queue(), secs(60));
        let naive = through(naive(), storm(), 1);
        assert_eq!(naive.recovery(), None, "{naive}");
        let finagle = finagle(storm(), 1);
        assert_eq!(finagle.recovery(), None, "{finagle}");
    }
}
