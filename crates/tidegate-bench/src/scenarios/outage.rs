//! T5 and T10: nobody answers. What is asked all the same?

use serde_json::json;
use tidegate::policy::{Breaker, Outage, PolicyBuilder};
use tidegate_test::overload::{Load, Outcome, Scenario, Service, ServiceTime, Trouble};

use super::part::{Part, Runs, figure, ms, secs, wanted};
use super::rivals::{naive, ours, through};
use crate::Fallible;
use crate::figure::{Figure, Wanted};
use crate::suite::Setting;

const OUTAGE: Wanted = wanted("policy/t5_outage");
const STABLE: Wanted = wanted("policy/t10_stable_timeout");

pub(super) const FIGURES: &[Wanted] = &[OUTAGE, STABLE];

pub(super) fn measure(setting: &Setting) -> Fallible<Vec<Figure>> {
    let seeds = setting.amount(3, 1);
    let load = |policy: fn() -> PolicyBuilder| {
        let runs = Runs::of(seeds, |seed| {
            through(policy(), down(Trouble::silent()), seed)
        });
        runs.mean(load)
    };
    let single = json!({
        "naive": load(naive),
        "with_breaker": load(with_breaker),
        "that_waits": load(that_waits),
    });
    let timeouts = Runs::of(seeds, |seed| through(ours(), stable_timeout(), seed));
    let unbroken = json!({ "no_breaker_attempts_per_window": timeouts.mean(last_window) });
    Ok(vec![
        figure(OUTAGE, &outage(seeds), single),
        figure(STABLE, &breaker(seeds), unbroken),
    ])
}

fn healthy() -> Service {
    Service::workers(10, ServiceTime::exponential(ms(10)))
}

/// 100 calls a second for a minute, in which nobody answers.
pub(super) fn down(outage: Trouble) -> Scenario {
    Scenario::new(healthy(), Load::poisson(100.0, secs(60))).trouble(secs(0)..secs(120), outage)
}

/// What a full budget pays for.
const RETRIES_OF_A_FULL_BUDGET: f64 = 35.0;

fn outage(seeds: u64) -> [Part; 2] {
    let after_the_budget = |trouble| {
        let runs = Runs::of(seeds, |seed| through(ours(), down(trouble), seed));
        runs.mean(|outcome| {
            let paid = requests(outcome) - RETRIES_OF_A_FULL_BUDGET;
            paid / outcome.offered() as f64
        })
    };
    [
        Part::at_most("no_answer", after_the_budget(Trouble::silent()), 1.01),
        Part::at_most("refused", after_the_budget(Trouble::refusing()), 1.01),
    ]
}

/// All of them, those of calls that end after the load included.
fn requests(outcome: &Outcome) -> f64 {
    outcome.requests(secs(0)..secs(3600)) as f64
}

fn load(outcome: &Outcome) -> f64 {
    requests(outcome) / outcome.offered() as f64
}

fn with_breaker() -> PolicyBuilder {
    ours().breaker(Breaker::default())
}

fn that_waits() -> PolicyBuilder {
    ours().outage(Outage {
        patience: Some(secs(60)),
        ..Outage::default()
    })
}

/// What the default breaker looks back over.
const WINDOW_S: u64 = 10;

const WINDOWS: u64 = 18;

/// It answers all, but never within the second that an attempt may take.
fn stable_timeout() -> Scenario {
    let lasts = secs(WINDOW_S * WINDOWS);
    Scenario::new(healthy(), Load::poisson(100.0, lasts))
        .trouble(secs(0)..lasts, Trouble::never_under(secs(5)))
}

fn breaker(seeds: u64) -> [Part; 1] {
    let runs = Runs::of(seeds, |seed| {
        let policy = with_breaker().attempt_timeout(secs(1));
        through(policy, stable_timeout(), seed)
    });
    let windows = runs.mean(|outcome| windows_to_the_floor(outcome) as f64);
    [Part::at_most("windows_until_only_probes", windows, 10.0)]
}

/// How many windows pass until none has more attempts than the one probe.
fn windows_to_the_floor(outcome: &Outcome) -> u64 {
    let more = |window: &u64| attempts_in(outcome, *window) > 1;
    (0..WINDOWS).rfind(more).map_or(0, |last| last + 1)
}

fn attempts_in(outcome: &Outcome, window: u64) -> usize {
    let from = secs(window * WINDOW_S);
    outcome.requests(from..from + secs(WINDOW_S))
}

fn last_window(outcome: &Outcome) -> f64 {
    attempts_in(outcome, WINDOWS - 1) as f64
}

#[cfg(test)]
mod tests {
    use super::super::part::assert_all_met;
    use super::*;

    #[test]
    fn an_outage_is_not_answered_with_more_requests() {
        assert_all_met(&outage(3));
    }

    #[test]
    fn a_service_that_never_answers_in_time_is_only_probed() {
        assert_all_met(&breaker(3));
    }
}
