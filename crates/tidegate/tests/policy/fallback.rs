use std::time::Duration;

use tidegate::policy::{CallError, Op, StopReason, Verdict};
use tokio::time::{Instant, sleep};

use crate::support::{Answer, Failed, ms, policy, secs};

const NEVER_ASKED: Duration = Duration::from_secs(1);

async fn fatal() -> Answer {
    Err(Failed(Verdict::fatal()))
}

#[tokio::test(start_paused = true)]
async fn a_value_of_the_service_needs_no_fallback() {
    let policy = policy().build().unwrap();
    let never = async |_: &CallError<Failed>| -> Answer { panic!("there is a value") };
    let answer = policy.call_or(
        Op::idempotent(),
        async |_| -> Answer { Ok(1) },
        NEVER_ASKED,
        never,
    );
    assert_eq!(answer.await.unwrap(), 1);
    assert_eq!(policy.snapshot().consulted.fallback, 0);
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_has_the_value_of_the_fallback_and_does_not_count_as_a_success() {
    let policy = policy().build().unwrap();
    let kept = async |error: &CallError<Failed>| {
        assert_eq!(error.why, StopReason::NotRetriable);
        Ok(7)
    };
    let answer = policy.call_or(Op::idempotent(), |_| fatal(), secs(1), kept);
    assert_eq!(answer.await.unwrap(), 7);
    let calls = policy.snapshot().calls;
    assert_eq!(
        (calls.succeeded, calls.fallbacks, calls.fallbacks_failed),
        (0, 1, 0)
    );
    assert_eq!(calls.stopped.not_retriable, 1);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_that_fails_leaves_the_first_error_and_adds_its_own() {
    let policy = policy().build().unwrap();
    let own = Failed(Verdict::overload());
    let fails = async |_: &CallError<Failed>| -> Answer { Err(own) };
    let error = policy
        .call_or(Op::idempotent(), |_| fatal(), secs(1), fails)
        .await
        .unwrap_err();
    assert_eq!(error.last, Some(Failed(Verdict::fatal())));
    assert_eq!(error.fallback, Some(own));
    assert_eq!(policy.snapshot().calls.fallbacks_failed, 1);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_has_its_own_time_which_is_kept_free_before_the_deadline() {
    let policy = policy().build().unwrap();
    let start = Instant::now();
    let op = Op::idempotent().deadline(start + secs(10));
    let hangs = async |_| -> Answer { std::future::pending().await };
    let slow = async |_: &CallError<Failed>| -> Answer {
        assert_eq!(start.elapsed(), secs(8));
        sleep(secs(60)).await;
        Ok(1)
    };
    let error = policy.call_or(op, hangs, secs(2), slow).await.unwrap_err();
    assert_eq!(start.elapsed(), secs(10));
    assert_eq!(error.why, StopReason::DeadlineTooClose);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gave_up_is_not_given_a_fallback() {
    let policy = policy().build().unwrap();
    let gave_up = async |_| -> Answer { Err(Failed(Verdict::cancelled())) };
    let never = async |_: &CallError<Failed>| -> Answer { panic!("nobody waits for it") };
    let error = policy
        .call_or(Op::idempotent(), gave_up, NEVER_ASKED, never)
        .await
        .unwrap_err();
    assert_eq!(error.why, StopReason::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_fallback_counts_as_failed() {
    let policy = policy().build().unwrap();
    let hangs = async |_: &CallError<Failed>| -> Answer { std::future::pending().await };
    let call = policy.call_or(Op::idempotent(), |_| fatal(), secs(9), hangs);
    assert!(tokio::time::timeout(ms(5), call).await.is_err());
    let snapshot = policy.snapshot();
    assert_eq!(
        (snapshot.calls.fallbacks_failed, snapshot.consulted.fallback),
        (1, 1)
    );
}
