//! What an expectation says when it is not met.

use crate::support::{half_loaded, impatient, ms, secs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tidegate_test::overload::{Outcome, Trouble};

/// For two of ten seconds nobody gets an answer.
fn outage() -> Outcome {
    half_loaded()
        .trouble(secs(2)..secs(4), Trouble::silent())
        .run(impatient)
}

#[track_caller]
fn complaint(outcome: &Outcome, expect: impl for<'a> FnOnce(&'a Outcome) -> &'a Outcome) -> String {
    let expect = AssertUnwindSafe(|| {
        expect(outcome);
    });
    *catch_unwind(expect).unwrap_err().downcast().unwrap()
}

#[test]
fn what_is_met_is_said_nothing_about() {
    let outcome = outage();
    outcome
        .recovers_within(ms(500))
        .amplification_at_most(outcome.whole(), 1.0)
        .goodput_at_least(outcome.after(), 30.0)
        .p99_at_most(outcome.after(), secs(1))
        .wasted_at_most(0.1);
}

#[test]
fn a_complaint_says_what_was_found_and_shows_the_run() {
    let outcome = outage();
    let text = complaint(&outcome, |o| o.goodput_at_least(o.during(), 5.0));
    let mut lines = text.lines();
    let found = outcome.goodput(secs(2)..secs(4));
    let first = format!("expected: at least 5 good calls per second in 2s..4s: {found:.1}");
    assert_eq!(lines.next(), Some(first.as_str()));
    assert!(
        lines.next().unwrap().contains("requests per call"),
        "{text}"
    );
    assert!(lines.next().unwrap().contains("good/s"), "{text}");
    let rows: Vec<_> = lines.collect();
    assert_eq!(rows.len(), 10, "{text}");
    let troubled = rows.iter().filter(|row| row.starts_with('*'));
    assert_eq!(troubled.count(), 2, "{text}");
}

#[test]
fn each_expectation_can_fail() {
    let outcome = outage();
    let many = complaint(&outcome, |o| o.amplification_at_most(o.whole(), 0.9));
    assert!(many.contains("1.000"), "{many}");
    let slow = complaint(&outcome, |o| o.p99_at_most(o.whole(), ms(1)));
    assert!(slow.contains("ms"), "{slow}");
    let silent = complaint(&outcome, |o| o.p99_at_most(secs(3)..secs(4), secs(9)));
    assert!(silent.contains("no call ended well"), "{silent}");

    let lost = half_loaded()
        .trouble(secs(0)..secs(10), Trouble::never_under(secs(1)))
        .run(impatient);
    let never = complaint(&lost, |o| o.recovers_within(secs(60)));
    assert!(never.contains("it did not"), "{never}");
    let wasted = complaint(&lost, |o| o.wasted_at_most(0.99));
    assert!(wasted.contains("1.000"), "{wasted}");
}

#[test]
fn nothing_is_as_much_as_expected_where_no_call_begins() {
    let outcome = outage();
    let later = secs(20)..secs(21);
    assert!(outcome.amplification(later.clone()).is_nan());
    let text = complaint(&outcome, |o| o.amplification_at_most(later.clone(), 9.0));
    assert!(text.contains("NaN"), "{text}");
    assert_eq!(outcome.latency(later, 0.5), None);
}
