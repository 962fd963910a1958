//! What a run promises.

use crate::support::{half_loaded, impatient, ms, patient, policy, secs, through};
use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
};
use tidegate::policy::Op;
use tidegate_test::overload::{ServiceError, Trouble};

#[test]
fn the_same_seed_is_the_same_run_and_another_is_not() {
    let run = |seed| {
        let troubled = half_loaded().trouble(secs(2)..secs(6), Trouble::brown_out(0.2));
        troubled.seed(seed).run(through(policy()))
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn the_load_does_not_depend_on_what_the_calls_do() {
    let run = |failing| {
        let troubled = half_loaded().trouble(secs(0)..secs(10), Trouble::failing(failing));
        let outcome = troubled.run(through(policy()));
        (0..100)
            .map(|n| outcome.calls(ms(n * 100)..ms(n * 100 + 100)))
            .collect::<Vec<_>>()
    };
    assert_eq!(run(0.0), run(0.9));
}

#[test]
fn a_call_that_does_not_end_is_unfinished() {
    let outcome = half_loaded()
        .drain(secs(1))
        .run(|_| pending::<Result<(), ServiceError>>());
    assert_eq!(outcome.unfinished(), outcome.offered());
    assert_eq!((outcome.good(), outcome.failed()), (0, 0));
}

#[test]
fn calls_may_end_after_the_load() {
    let outcome = half_loaded().trouble(secs(9)..secs(10), Trouble::never_under(secs(30)));
    let outcome = outcome.run(patient);
    assert_eq!(outcome.good(), outcome.offered());
}

#[test]
fn a_panic_of_a_call_is_one_of_the_run() {
    let run = || half_loaded().run(async |_| -> Result<(), ()> { panic!("in the third line") });
    let panic = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"in the third line"));
}

#[tokio::test(start_paused = true)]
async fn within_a_test_the_policy_can_be_looked_at_afterwards() {
    let policy = policy().build().unwrap();
    let shared = policy.clone();
    let troubled = half_loaded().trouble(secs(2)..secs(4), Trouble::failing(0.5));
    let outcome = troubled
        .drive(move |client| {
            let policy = shared.clone();
            async move { policy.call(Op::idempotent(), |_| client.request()).await }
        })
        .await;
    let snapshot = policy.snapshot();
    assert_eq!(snapshot.in_flight, 0);
    assert_eq!(
        snapshot.requests - snapshot.retries,
        outcome.offered() as u64
    );
    assert!(snapshot.retries > 20, "{snapshot:?}");
}

#[tokio::test]
#[should_panic(expected = "time is not frozen")]
async fn a_clock_that_runs_is_refused() {
    half_loaded().drive(impatient).await;
}
