use std::{future::pending, time::Duration};

use tidegate::policy::{Sent, StopReason};
use tidegate_tower::{HttpJudge, PolicyLayer};
use tower::{Layer, ServiceExt};

use crate::support::{Broken, Ready, Strict, answer, get, judge, policy};

#[tokio::test(start_paused = true)]
async fn the_last_bad_answer_goes_to_the_caller_with_why_there_was_no_other() {
    let inner = Strict::saying(&[500, 502, 503]);
    let service = PolicyLayer::http(policy().build().unwrap()).layer(inner);
    let response = service.oneshot(get()).await.unwrap();
    assert_eq!(response.status(), 503);
    let why = response.extensions().get::<StopReason>();
    assert_eq!(why, Some(&StopReason::AttemptsExhausted { attempts: 3 }));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_will_not_change_is_not_asked_for_again() {
    let inner = Strict::saying(&[404]);
    let service = PolicyLayer::http(policy().build().unwrap()).layer(inner.clone());
    assert_eq!(service.oneshot(get()).await.unwrap().status(), 404);
    assert_eq!(inner.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_the_last_error_is_the_caller_s_own_type() {
    let inner = Strict::new(Ready::AtOnce, async |_, _| Err(Broken(Sent::Maybe)));
    let service = PolicyLayer::new(policy().build().unwrap(), judge()).layer(inner);
    let error = service.oneshot(get()).await.unwrap_err();
    assert_eq!(error.last, Some(Broken(Sent::Maybe)));
    assert_eq!(error.attempts.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_without_an_outcome_leaves_the_last_answer_alone() {
    let inner = Strict::new(Ready::AtOnce, async |number, _| match number {
        1 => Ok(answer(503)),
        _ => pending().await,
    });
    let service = PolicyLayer::http(policy().build().unwrap()).layer(inner);
    assert_eq!(service.oneshot(get()).await.unwrap().status(), 503);
}

#[tokio::test(start_paused = true)]
async fn an_error_after_an_answer_is_the_last_word() {
    let inner = Strict::new(Ready::AtOnce, async |number, _| match number {
        1 => Ok(answer(503)),
        _ => Err(Broken(Sent::Maybe)),
    });
    let service = PolicyLayer::new(policy().build().unwrap(), HttpJudge::new()).layer(inner);
    let error = service.oneshot(get()).await.unwrap_err();
    assert_eq!(error.last, Some(Broken(Sent::Maybe)));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_never_let_through_has_no_last_error() {
    let inner = Strict::taking(Duration::from_secs(60));
    let policy = policy()
        .in_flight(1)
        .attempt_timeout(Duration::from_secs(60));
    let service = PolicyLayer::http(policy.build().unwrap()).layer(inner.clone());
    let mut late = get();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(1);
    let op = tidegate::policy::Op::idempotent().deadline(deadline);
    late.extensions_mut().insert(op);
    let (first, second) = tokio::join!(service.clone().oneshot(get()), service.oneshot(late));
    assert!(first.is_ok());
    let error = second.unwrap_err();
    assert_eq!(
        (error.why, error.last),
        (StopReason::DeadlineTooClose, None)
    );
    assert_eq!(inner.calls(), 1);
}
