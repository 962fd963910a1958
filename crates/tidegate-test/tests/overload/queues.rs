//! Against formulas of queueing theory.

use crate::support::{about, ms, patient, secs};
use tidegate_test::overload::{Load, Outcome, Scenario, Service, ServiceTime};

fn healthy(service: Service, per_second: f64, seconds: u64) -> Outcome {
    let load = Load::poisson(per_second, secs(seconds));
    Scenario::new(service, load).seed(1).run(patient)
}

/// With one worker the whole stay is exponential with the mean 1/(μ − λ).
#[test]
fn one_worker_keeps_its_requests_as_long_as_theory_says() {
    let service = Service::workers(1, ServiceTime::exponential(secs(1)));
    let outcome = healthy(service, 0.5, 100_000);
    let stay = |quantile| {
        let took = outcome.latency(outcome.whole(), quantile);
        took.unwrap().as_secs_f64()
    };
    about(stay(0.5), 2.0 * 2f64.ln(), 0.05);
    about(stay(0.99), 2.0 * 100f64.ln(), 0.1);
    about(outcome.work().as_secs_f64(), 50_000.0, 0.02);
}

/// Erlang's loss formula: ten workers, no queue, eight of them busy on average.
#[test]
fn without_a_queue_the_share_of_refusals_is_erlangs() {
    let service = Service::workers(10, ServiceTime::exponential(secs(1))).queue(0);
    let outcome = healthy(service, 8.0, 5_000);
    let refused = outcome.failed() as f64 / outcome.offered() as f64;
    about(refused, 0.1217, 0.05);
}

/// A request of 2.7 ms would take 3 ms if timers had a say in it.
#[test]
fn capacity_is_not_what_timers_make_of_it() {
    let service = Service::workers(1, ServiceTime::fixed(ms(27) / 10)).queue(100);
    let outcome = healthy(service, 1_000.0, 60);
    about(outcome.goodput(secs(1)..secs(60)), 1_000.0 / 2.7, 0.002);
}

#[test]
fn requests_that_do_not_wait_for_others_take_what_they_take() {
    let time = ServiceTime::log_normal(ms(100), 0.5).with_stragglers(0.02, 20.0);
    let outcome = healthy(Service::unlimited(time), 500.0, 100);
    let took = |quantile| {
        let took = outcome.latency(outcome.whole(), quantile);
        took.unwrap().as_secs_f64()
    };
    // Measured by a program of its own: 10.2, 25.4, 198 ms at a tenth of the times.
    about(took(0.5), 0.102, 0.03);
    about(took(0.95), 0.254, 0.03);
    about(took(0.99), 1.98, 0.1);
}
