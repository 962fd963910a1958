use tidegate::policy::{Breaker, BreakerState, Op, Outage, Policy, Slow, StopReason, Verdict};
use tokio::{
    task::{JoinSet, yield_now},
    time::{Instant, sleep},
};

use crate::support::{Answer, Failed, Service, call_with, fail_times, ms, policy, secs, stop};

fn broken() -> Failed {
    Failed(Verdict::overload())
}

/// A policy that ten failures in a row have opened.
async fn opened(rules: Breaker) -> Policy {
    let policy = policy().breaker(rules).build().unwrap();
    fail_times(&policy, 10, Verdict::overload()).await;
    policy
}

/// When the next probe may leave.
async fn opens_again_at(policy: &Policy) -> Instant {
    match stop(policy, Op::idempotent(), &[Ok(1)]).await {
        StopReason::BreakerOpen { retry_at } => retry_at,
        why => panic!("the breaker is open, not {why}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_refuses_without_an_attempt_and_says_until_when() {
    let policy = opened(Breaker::default()).await;
    let requests = policy.snapshot().requests;
    let wait = opens_again_at(&policy).await - Instant::now();
    assert!(wait <= secs(5) && wait >= ms(2500), "{wait:?}");
    let snapshot = policy.snapshot();
    assert_eq!(snapshot.requests, requests);
    let breaker = snapshot.breaker.unwrap();
    assert_eq!((breaker.opened, breaker.refused), (1, 1));
    assert_eq!(snapshot.calls.stopped.breaker_open, 1);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_succeeds_closes_it() {
    let policy = opened(Breaker::default()).await;
    tokio::time::sleep_until(opens_again_at(&policy).await).await;
    call_with(&policy, Op::idempotent(), &[Ok(1)])
        .await
        .unwrap();
    assert_eq!(
        policy.snapshot().breaker.unwrap().state,
        BreakerState::Closed
    );
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_opens_it_again_and_is_not_repeated() {
    let policy = opened(Breaker::default()).await;
    tokio::time::sleep_until(opens_again_at(&policy).await).await;
    let error = call_with(&policy, Op::idempotent(), &[Err(broken())])
        .await
        .unwrap_err();
    assert!(
        matches!(error.why, StopReason::BreakerOpen { .. }),
        "{error}"
    );
    assert_eq!((error.last, error.attempts.len()), (Some(broken()), 1));
}

#[tokio::test(start_paused = true)]
async fn exactly_as_many_probes_as_asked_for_leave_however_many_call() {
    let rules = Breaker {
        probes: 3,
        ..Breaker::default()
    };
    let (policy, service) = (opened(rules).await, Service::default());
    tokio::time::sleep_until(opens_again_at(&policy).await).await;
    let mut calls = JoinSet::new();
    for _ in 0..64 {
        let (policy, service) = (policy.clone(), service.clone());
        calls.spawn(async move {
            let serve = async |_| -> Answer {
                service.serve(ms(10)).await;
                Ok(1)
            };
            policy.call(Op::idempotent(), serve).await.is_ok()
        });
    }
    let through = calls.join_all().await.into_iter().filter(|ok| *ok).count();
    assert_eq!((through, service.sends().len()), (3, 3));
    assert_eq!(
        policy.snapshot().breaker.unwrap().state,
        BreakerState::Closed
    );
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_is_given_back() {
    let policy = opened(Breaker::default()).await;
    tokio::time::sleep_until(opens_again_at(&policy).await).await;
    let probe = tokio::spawn(policy.call(Op::idempotent(), async |_| -> Answer {
        std::future::pending().await
    }));
    yield_now().await;
    let out = |policy: &Policy| policy.snapshot().breaker.unwrap().state;
    assert_eq!(
        out(&policy),
        BreakerState::HalfOpen {
            out: 1,
            succeeded: 0
        }
    );
    probe.abort();
    assert!(probe.await.is_err());
    assert_eq!(
        out(&policy),
        BreakerState::HalfOpen {
            out: 0,
            succeeded: 0
        }
    );
    call_with(&policy, Op::idempotent(), &[Ok(1)])
        .await
        .unwrap();
    assert_eq!(out(&policy), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn throttled_answers_and_failures_for_good_do_not_open_it() {
    let policy = policy().breaker(Breaker::default()).build().unwrap();
    fail_times(&policy, 200, Verdict::fatal()).await;
    for _ in 0..200 {
        let throttled = Failed(Verdict::throttled().retry_at(Instant::now() + secs(7200)));
        call_with(&policy, Op::idempotent(), &[Err(throttled)])
            .await
            .unwrap_err();
        sleep(secs(7200)).await;
    }
    let breaker = policy.snapshot().breaker.unwrap();
    assert_eq!((breaker.state, breaker.opened), (BreakerState::Closed, 0));
}

#[tokio::test(start_paused = true)]
async fn slow_answers_open_it_if_asked_for() {
    let slow = Slow {
        after: ms(100),
        ratio: 0.5,
    };
    let policy = policy()
        .breaker(Breaker {
            slow: Some(slow),
            ..Breaker::default()
        })
        .build()
        .unwrap();
    for _ in 0..20 {
        let call = async |_| -> Answer {
            sleep(ms(200)).await;
            Ok(1)
        };
        policy.call(Op::idempotent(), call).await.unwrap();
    }
    assert!(matches!(
        policy.snapshot().breaker.unwrap().state,
        BreakerState::Open { .. }
    ));
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_are_refused_when_it_opens() {
    let policy = policy()
        .in_flight(1)
        .breaker(Breaker::default())
        .build()
        .unwrap();
    let holder = tokio::spawn(policy.call(Op::idempotent(), async |_| -> Answer {
        std::future::pending().await
    }));
    yield_now().await;
    let mut waiting = JoinSet::new();
    for _ in 0..5 {
        waiting.spawn(policy.call(Op::idempotent(), async |_| -> Answer { Ok(1) }));
    }
    yield_now().await;
    assert_eq!(policy.snapshot().waiting, 5);
    policy.open_breaker(None);
    for refused in waiting.join_all().await {
        assert!(matches!(
            refused.unwrap_err().why,
            StopReason::BreakerOpen { .. }
        ));
    }
    holder.abort();
}

#[tokio::test(start_paused = true)]
async fn with_an_outage_calls_wait_for_the_probe_instead() {
    let policy = policy()
        .breaker(Breaker::default())
        .outage(Outage {
            failures: 1_000,
            window: secs(3600),
            ..Outage::default()
        })
        .build()
        .unwrap();
    fail_times(&policy, 10, Verdict::overload()).await;
    let start = Instant::now();
    call_with(&policy, Op::idempotent(), &[Ok(1)])
        .await
        .unwrap();
    assert!(start.elapsed() >= ms(2500), "{:?}", start.elapsed());
    assert_eq!(policy.snapshot().breaker.unwrap().refused, 0);
}

#[tokio::test(start_paused = true)]
async fn patience_bounds_the_wait_for_an_open_breaker() {
    let outage = Outage {
        patience: Some(secs(30)),
        ..Outage::default()
    };
    let policy = policy()
        .breaker(Breaker::default())
        .outage(outage)
        .build()
        .unwrap();
    policy.open_breaker(None);
    let start = Instant::now();
    let why = stop(&policy, Op::idempotent(), &[Ok(1)]).await;
    assert_eq!(why, StopReason::GaveUp { down_for: secs(30) });
    assert_eq!(start.elapsed(), secs(30));
}

#[tokio::test(start_paused = true)]
async fn closed_by_hand_it_forgets() {
    let policy = opened(Breaker::default()).await;
    policy.close_breaker();
    fail_times(&policy, 9, Verdict::overload()).await;
    assert_eq!(
        policy.snapshot().breaker.unwrap().state,
        BreakerState::Closed
    );
}
