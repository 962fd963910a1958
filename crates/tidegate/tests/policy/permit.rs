//! A permit that is kept beyond its attempt.

use tidegate::policy::{Op, Permit, Policy};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{Failed, call_with, policy, secs};

/// Calls once, and keeps the permit of the attempt.
async fn keep(policy: &Policy) -> Permit {
    let call = policy.call(Op::idempotent(), async |attempt| {
        Ok::<_, Failed>(attempt.keep_permit())
    });
    call.await.expect("the attempt succeeds")
}

#[tokio::test(start_paused = true)]
async fn a_kept_permit_outlives_its_attempt_and_comes_back_when_it_is_dropped() {
    let policy = policy().in_flight(1).build().unwrap();
    let permit = keep(&policy).await;
    assert_eq!(policy.snapshot().in_flight, 1);

    let start = Instant::now();
    let let_go = async {
        sleep(secs(3)).await;
        drop(permit);
    };
    let (next, ()) = tokio::join!(call_with(&policy, Op::idempotent(), &[Ok(1)]), let_go);
    assert_eq!(next.unwrap(), 1);
    assert_eq!(start.elapsed(), secs(3));
    let now = policy.snapshot();
    assert_eq!((now.in_flight, now.in_flight_max), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_is_let_go_during_the_attempt_comes_back_with_it() {
    let policy = policy().in_flight(1).build().unwrap();
    let call = policy.call(Op::idempotent(), async |attempt| {
        drop(attempt.keep_permit());
        Ok::<_, Failed>(policy.snapshot().in_flight)
    });
    assert_eq!(call.await.unwrap(), 1);
    assert_eq!(policy.snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn the_last_of_several_holders_gives_it_back() {
    let policy = policy().in_flight(1).build().unwrap();
    let call = policy.call(Op::idempotent(), async |attempt| {
        Ok::<_, Failed>([attempt.keep_permit(), attempt.clone().keep_permit()])
    });
    let [one, two] = call.await.unwrap();
    drop(one);
    assert_eq!(policy.snapshot().in_flight, 1);
    drop(two);
    assert_eq!(policy.snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_permit_can_be_kept_of_an_attempt_that_is_dropped() {
    let policy = policy().in_flight(1).build().unwrap();
    let mut kept = None;
    let call = policy.call(Op::idempotent(), |attempt| {
        kept = Some(attempt.keep_permit());
        std::future::pending::<Result<(), Failed>>()
    });
    assert!(timeout(secs(1), call).await.is_err());
    assert_eq!(policy.snapshot().in_flight, 1);
    drop(kept);
    assert_eq!(policy.snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_of_an_attempt_that_has_ended() {
    let policy = policy().in_flight(1).build().unwrap();
    let call = policy.call(Op::idempotent(), async |attempt| Ok::<_, Failed>(attempt));
    let permit = call.await.unwrap().keep_permit();
    assert_eq!(policy.snapshot().in_flight, 0);
    assert!(call_with(&policy, Op::idempotent(), &[Ok(1)]).await.is_ok());
    drop(permit);
    assert_eq!(policy.snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn permits_come_back_in_any_order() {
    let policy = policy().in_flight(100).build().unwrap();
    let mut permits = Vec::new();
    for _ in 0..100 {
        permits.push(keep(&policy).await);
    }
    assert_eq!(policy.snapshot().in_flight, 100);
    for at in (0..100).rev().step_by(3).chain(0..10) {
        drop(permits.swap_remove(at % permits.len()));
    }
    assert_eq!(policy.snapshot().in_flight, permits.len());
}
