//! What troubles do to calls, and what the service can do about it.

use crate::support::{half_loaded, impatient, ms, patient, policy, secs, through};
use tidegate::policy::Retry;
use tidegate_test::overload::{Load, Outcome, Scenario, Service, ServiceTime, Trouble};

/// 800 a second at a capacity of 1,000, of which for ten seconds 300 are left; each attempt waits half a second.
fn brown_out(service: impl Fn(Service) -> Service) -> Outcome {
    let ten = Service::workers(10, ServiceTime::exponential(ms(10)));
    let scenario = Scenario::new(service(ten), Load::poisson(800.0, secs(40)));
    scenario
        .trouble(secs(5)..secs(15), Trouble::brown_out(0.3))
        .run(through(policy()))
}

#[test]
fn a_service_that_works_for_nobody_is_long_back_to_its_speed_before_it_is_back() {
    let outcome = brown_out(|service| service);
    let back = outcome.recovery().unwrap();
    assert!((secs(18)..secs(25)).contains(&back), "{outcome}");
    assert!(outcome.wasted_share() > 0.5, "{outcome}");
}

#[test]
fn a_service_that_drops_what_is_overdue_is_back_at_once() {
    let outcome = brown_out(Service::drop_expired);
    outcome.recovers_within(secs(1));
    // It serves what is nearly overdue, and so most of it for nobody.
    assert!(outcome.goodput(outcome.during()) < 100.0, "{outcome}");
}

#[test]
fn a_service_that_refuses_early_does_what_it_can() {
    let outcome = brown_out(|service| service.queue(100));
    outcome
        .recovers_within(secs(1))
        .goodput_at_least(outcome.during(), 290.0)
        .wasted_at_most(0.05);
}

#[test]
fn a_service_that_stops_what_was_given_up_wastes_only_what_it_had_begun() {
    let outcome = brown_out(Service::stop_given_up);
    outcome.recovers_within(secs(1)).wasted_at_most(0.25);
}

#[test]
fn an_outage_ends_every_call_and_is_over_when_it_is() {
    for (trouble, took) in [(Trouble::silent(), ms(500)), (Trouble::refusing(), ms(1))] {
        let outcome = half_loaded()
            .trouble(secs(2)..secs(4), trouble)
            .run(through(policy().retry(Retry {
                max_attempts: 1,
                ..Retry::default()
            })));
        assert!(outcome.failed() > 80 && outcome.failed() < 130, "{outcome}");
        assert_eq!(outcome.goodput(secs(3)..secs(4)), 0.0);
        assert!(outcome.goodput(secs(4) + took..secs(6)) > 30.0);
        assert_eq!((outcome.unfinished(), outcome.most_requests()), (0, 1));
    }
}

#[test]
fn throttling_lets_its_rate_through() {
    let outcome = half_loaded()
        .trouble(secs(0)..secs(10), Trouble::throttling(20.0))
        .run(patient);
    let good = outcome.goodput(outcome.whole());
    assert!((19.0..21.0).contains(&good), "{outcome}");
}

/// Of two calls a second apart the second comes too early for one request in two seconds.
#[test]
fn who_is_throttled_comes_back_when_it_was_told_to() {
    let service = Service::unlimited(ServiceTime::fixed(ms(10)));
    let throttling = Trouble::throttling_with_delay(0.5, secs(5));
    let outcome = Scenario::new(service, Load::even(1.0, ms(2_500)))
        .trouble(secs(0)..secs(60), throttling)
        .run(through(policy()));
    let requests = [1..2, 2..3, 3..7, 7..8].map(|s| outcome.requests(secs(s.start)..secs(s.end)));
    assert_eq!(requests, [1, 1, 0, 1], "{outcome}");
    assert_eq!(outcome.good(), 2);
}

#[test]
fn nobody_waits_for_a_service_that_never_answers_in_time() {
    let outcome = half_loaded()
        .trouble(secs(0)..secs(10), Trouble::never_under(secs(5)))
        .run(impatient);
    assert_eq!((outcome.good(), outcome.wasted_share()), (0, 1.0));
}

#[test]
fn troubles_add_up() {
    let outcome = Scenario::new(
        Service::unlimited(ServiceTime::fixed(ms(10))),
        Load::even(10.0, secs(4)),
    )
    .trouble(secs(0)..secs(2), Trouble::slow_down(2.0))
    .trouble(secs(1)..secs(3), Trouble::stragglers(1.0, 5.0))
    .run(patient);
    let slowest = [0, 1, 2, 3].map(|second| {
        let span = secs(second) + ms(100)..secs(second + 1);
        outcome.latency(span, 1.0).unwrap().as_millis()
    });
    assert_eq!(slowest, [20, 100, 50, 10]);
    assert_eq!(outcome.during(), secs(0)..secs(3));
}
