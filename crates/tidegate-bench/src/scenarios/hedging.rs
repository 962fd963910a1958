//! T7 and T8: a second request beside one that takes long. It must make the tail shorter, and must not drown a slow service.

use std::ops::Range;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate::policy::{Hedge, HedgeAfter, PolicyBuilder};
use tidegate_test::overload::{Load, Outcome, Scenario, Service, ServiceTime, Trouble};

use super::part::{Part, Runs, figure, ms, secs, wanted};
use super::rivals::{ours, through};
use crate::Fallible;
use crate::figure::{Figure, Wanted};
use crate::suite::Setting;

const TAIL: Wanted = wanted("policy/t7_hedge");
const SLOW: Wanted = wanted("policy/t8_hedge_slow_service");

pub(super) const FIGURES: &[Wanted] = &[TAIL, SLOW];

pub(super) fn measure(setting: &Setting) -> Fallible<Vec<Figure>> {
    let seeds = setting.amount(3, 1);
    Ok(vec![
        figure(TAIL, &shorter_tail(seeds), tail_rivals(seeds)),
        figure(SLOW, &slow_service(seeds), slow_rivals(seeds)),
    ])
}

/// Half take 10 ms, 95 in 100 no more than 25, and one in fifty twenty times as long.
fn with_stragglers() -> ServiceTime {
    ServiceTime::log_normal(ms(10), 0.5).with_stragglers(0.02, 20.0)
}

/// No request waits for another.
fn stragglers() -> Scenario {
    let service = Service::unlimited(with_stragglers());
    Scenario::new(service, Load::poisson(500.0, secs(120)))
}

/// Twenty workers, loaded to a half; for twenty seconds everything takes 1.6 times as long.
fn slowed_down() -> Scenario {
    let service = Service::workers(20, with_stragglers());
    Scenario::new(service, Load::poisson(700.0, secs(60)))
        .trouble(secs(20)..secs(40), Trouble::slow_down(1.6))
}

fn unhedged() -> PolicyBuilder {
    ours().attempt_timeout(secs(30))
}

fn hedged() -> PolicyBuilder {
    unhedged().hedge(Hedge::default())
}

/// After the 95th percentile of the healthy service, for every request, whatever it costs.
fn without_a_budget() -> PolicyBuilder {
    unhedged().hedge(Hedge {
        after: HedgeAfter::Fixed(Duration::from_micros(25_400)),
        tokens: 1_000_000,
        earned_per_mille: 1_000_000,
        ..Hedge::default()
    })
}

fn shorter_tail(seeds: u64) -> [Part; 2] {
    let runs = Runs::of(seeds, |seed| through(hedged(), stragglers(), seed));
    [
        Part::at_most(
            "p99_ms",
            runs.mean(|o| quantile_ms(o, o.whole(), 0.99)),
            40.0,
        ),
        Part::at_most("extra", runs.mean(extra), 0.051),
    ]
}

fn slow_service(seeds: u64) -> [Part; 1] {
    let runs = Runs::of(seeds, |seed| through(hedged(), slowed_down(), seed));
    let done = runs.mean(|outcome| outcome.goodput(outcome.during()));
    [Part::at_least("done_per_s", done, 690.0)]
}

fn extra(outcome: &Outcome) -> f64 {
    outcome.amplification(outcome.whole()) - 1.0
}

fn quantile_ms(outcome: &Outcome, span: Range<Duration>, quantile: f64) -> f64 {
    let took = outcome.latency(span, quantile);
    took.map_or(f64::NAN, |took| took.as_secs_f64() * 1e3)
}

fn tail_rivals(seeds: u64) -> Value {
    let row = |policy: fn() -> PolicyBuilder| {
        let runs = Runs::of(seeds, |seed| through(policy(), stragglers(), seed));
        let at = |quantile| runs.mean(|o| quantile_ms(o, o.whole(), quantile)).round();
        json!({ "p50_ms": at(0.5), "p99_ms": at(0.99), "p99.9_ms": at(0.999), "extra": round(runs.mean(extra)) })
    };
    json!({ "no_hedge": row(unhedged), "no_budget": row(without_a_budget), "ours": row(hedged) })
}

fn slow_rivals(seeds: u64) -> Value {
    let row = |policy: fn() -> PolicyBuilder| {
        let runs = Runs::of(seeds, |seed| through(policy(), slowed_down(), seed));
        let p99 = |outcome: &Outcome| quantile_ms(outcome, outcome.during(), 0.99);
        json!({
            "done_per_s": runs.mean(|outcome| outcome.goodput(outcome.during())).round(),
            "p99_ms": runs.mean(p99).round(),
            "extra": round(runs.mean(extra)),
        })
    };
    json!({ "no_hedge": row(unhedged), "no_budget": row(without_a_budget), "ours": row(hedged) })
}

fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::super::part::assert_all_met;
    use super::*;

    #[test]
    fn hedges_make_the_tail_shorter_for_one_request_in_twenty() {
        assert_all_met(&shorter_tail(3));
    }

    #[test]
    fn hedges_leave_a_slow_service_what_it_needs() {
        assert_all_met(&slow_service(3));
    }
}
