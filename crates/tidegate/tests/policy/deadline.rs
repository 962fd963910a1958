use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tidegate::policy::{Breaker, Class, Op, Outage, Queue, StopReason, Verdict};
use tidegate::{Opts, Scope, cancelled, scope};
use tokio::time::{Instant, sleep};

use crate::support::{Answer, Failed, call_with, fail_times, ms, policy, secs, stop};

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_token_that_comes_too_late_is_not_begun() {
    let policy = policy().rate(0.1).build().unwrap();
    call_with(&policy, Op::idempotent(), &[Ok(1)])
        .await
        .unwrap();
    let start = Instant::now();
    let error = call_with(
        &policy,
        Op::idempotent().deadline(start + secs(5)),
        &[Ok(1)],
    )
    .await
    .unwrap_err();
    assert_eq!(
        (error.why, error.last, error.attempts.len()),
        (StopReason::DeadlineTooClose, None, 0)
    );
    assert!(start.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn a_place_too_far_back_in_the_queue_is_not_waited_for() {
    let policy = policy()
        .rate(1.0)
        .queue(Queue::default().oldest_first())
        .build()
        .unwrap();
    let waiting: Vec<_> = (0..10)
        .map(|_| tokio::spawn(policy.call(Op::idempotent(), async |_| -> Answer { Ok(1) })))
        .collect();
    tokio::task::yield_now().await;
    let start = Instant::now();
    let error = call_with(
        &policy,
        Op::idempotent().deadline(start + secs(5)),
        &[Ok(1)],
    )
    .await
    .unwrap_err();
    assert_eq!(
        (error.why, start.elapsed()),
        (StopReason::DeadlineTooClose, ms(0))
    );
    assert_eq!(
        call_with(
            &policy,
            Op::idempotent().deadline(start + secs(11)),
            &[Ok(1)]
        )
        .await
        .unwrap(),
        1
    );
    for call in waiting {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_permit_ends_at_the_deadline() {
    let policy = policy().in_flight(1).build().unwrap();
    let slow = tokio::spawn(policy.call(Op::idempotent(), async |_| -> Answer {
        sleep(secs(9)).await;
        Ok(1)
    }));
    tokio::task::yield_now().await;
    let start = Instant::now();
    let error = call_with(
        &policy,
        Op::idempotent().deadline(start + secs(2)),
        &[Ok(1)],
    )
    .await
    .unwrap_err();
    assert_eq!(
        (error.why, start.elapsed()),
        (StopReason::DeadlineTooClose, secs(2))
    );
    slow.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_back_off_that_cannot_end_in_time_returns_the_last_real_error() {
    let policy = policy().build().unwrap();
    let start = Instant::now();
    let failed = Failed(Verdict::transient());
    let fails_late = async |_| -> Answer {
        sleep(ms(100)).await;
        Err(failed)
    };
    let error = policy
        .call(Op::idempotent().deadline(start + ms(100)), fails_late)
        .await
        .unwrap_err();
    assert_eq!(
        (error.why, error.last),
        (StopReason::DeadlineTooClose, Some(failed))
    );
    assert_eq!(start.elapsed(), ms(100));
    assert_eq!(policy.snapshot().budget, 500);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_cut_short_by_the_deadline_counts_for_nothing() {
    let policy = policy()
        .outage(Outage {
            failures: 1,
            ..Outage::default()
        })
        .build()
        .unwrap();
    let before = policy.snapshot();
    let op = Op::idempotent().deadline(Instant::now() + secs(2));
    let hang = async |_| -> Answer { std::future::pending().await };
    let error = policy.call(op, hang).await.unwrap_err();
    assert_eq!(error.why, StopReason::DeadlineTooClose);
    assert_eq!(
        (error.attempts[0].class, error.attempts[0].took),
        (Class::Timeout, secs(2))
    );
    let after = policy.snapshot();
    assert_eq!(
        (after.health, after.budget, after.timeouts),
        (before.health, 500, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_after_the_deadline() {
    let policy = policy().build().unwrap();
    let error = call_with(&policy, Op::idempotent().deadline(Instant::now()), &[Ok(1)])
        .await
        .unwrap_err();
    assert_eq!(error.why, StopReason::DeadlineTooClose);
    assert_eq!(policy.snapshot().requests, 0);
}

#[tokio::test(start_paused = true)]
async fn a_back_off_before_a_token_that_comes_too_late_is_not_begun() {
    let policy = policy().rate(1.0).build().unwrap();
    let failed = Failed(Verdict::transient());
    // The back-off is at most 50 ms, the token comes after a second.
    let op = Op::idempotent().deadline(Instant::now() + ms(500));
    let start = Instant::now();
    let error = call_with(&policy, op, &[Err(failed)]).await.unwrap_err();
    assert_eq!(
        (error.why, error.last, start.elapsed()),
        (StopReason::DeadlineTooClose, Some(failed), ms(0))
    );
    assert_eq!(policy.snapshot().budget, 500);
}

#[tokio::test(start_paused = true)]
async fn a_back_off_that_leaves_too_little_for_an_attempt_is_not_begun() {
    let policy = policy().min_attempt(ms(400)).build().unwrap();
    let slow = async |_| -> Answer {
        sleep(ms(100)).await;
        Err(Failed(Verdict::transient()))
    };
    let start = Instant::now();
    let op = Op::idempotent().deadline(start + ms(500));
    let error = policy.call(op, slow).await.unwrap_err();
    assert_eq!(error.why, StopReason::DeadlineTooClose);
    assert_eq!(start.elapsed(), ms(100));
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_probe_that_the_breaker_will_not_let_through_is_not_begun() {
    let outage = Outage {
        failures: 1,
        ..Outage::default()
    };
    let policy = policy()
        .outage(outage)
        .breaker(Breaker::default())
        .build()
        .unwrap();
    fail_times(&policy, 1, Verdict::overload()).await;
    // The probe of the outage is due in 100 ms at most.
    let start = Instant::now();
    policy.open_breaker(Some(start + secs(10)));
    let op = Op::idempotent().deadline(start + secs(5));
    assert_eq!(
        stop(&policy, op, &[Ok(1)]).await,
        StopReason::DeadlineTooClose
    );
    assert_eq!(start.elapsed(), ms(0));
}

#[tokio::test(start_paused = true)]
async fn a_call_keeps_to_the_deadline_of_the_scope_around_it() {
    let (policy, start) = (policy().build().unwrap(), Instant::now());
    let busy = failed(start + secs(30));
    let late = scope(
        Opts::named("around").deadline(start + secs(10)),
        async |_: &Scope<Infallible>| {
            // Its own deadline is later, and does not count.
            let op = Op::idempotent().deadline(start + secs(60));
            Ok(stop(&policy, op, &[Err(busy)]).await)
        },
    )
    .await
    .unwrap();
    let retry_at = start + secs(30);
    assert_eq!(late, StopReason::ServerSaidNo { retry_at });
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(policy.snapshot().consulted.deadline, 1);
}

#[tokio::test(start_paused = true)]
async fn a_clean_up_after_the_deadline_still_makes_its_calls() {
    let (policy, start) = (policy().build().unwrap(), Instant::now());
    let called = Arc::new(AtomicBool::new(false));
    let done = Arc::clone(&called);
    let ended = scope(
        Opts::named("around")
            .deadline(start + secs(1))
            .grace(secs(5)),
        async |s: &Scope<Infallible>| {
            let deferred = s.defer("say goodbye", secs(2), async move {
                let answer = policy.call(Op::idempotent(), async |_| -> Answer { Ok(1) });
                done.store(answer.await.is_ok(), Ordering::Relaxed);
                Ok(())
            });
            assert!(deferred.is_ok());
            cancelled().await;
            Ok(())
        },
    )
    .await;
    assert!(ended.is_ok());
    assert_eq!(start.elapsed(), secs(1));
    assert!(called.load(Ordering::Relaxed));
}

fn failed(retry_at: Instant) -> Failed {
    Failed(Verdict::throttled().retry_at(retry_at))
}
