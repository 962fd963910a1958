use std::time::Duration;

use tidegate::policy::{Attempt, Op, Queue, StopReason, Verdict};
use tokio::{
    sync::oneshot,
    task::{JoinSet, yield_now},
    time::{Instant, sleep, timeout},
};

use crate::support::{Answer, Failed, Service, ms, policy, start_calls};

#[tokio::test(start_paused = true)]
async fn no_more_attempts_are_in_flight_than_allowed() {
    let (policy, service) = (policy().in_flight(3).build().unwrap(), Service::default());
    let calls = start_calls(&policy, &service, 30, |_| ms(10));
    let start = Instant::now();
    calls.join_all().await;
    assert_eq!(service.most_open(), 3);
    assert_eq!(start.elapsed(), ms(100));
    assert_eq!(
        (policy.snapshot().in_flight, policy.snapshot().in_flight_max),
        (0, 3)
    );
}

#[tokio::test(start_paused = true)]
async fn a_caller_waiting_for_a_token_is_not_in_flight() {
    let policy = policy().rate(1.0).in_flight(1).build().unwrap();
    policy
        .call(Op::idempotent(), async |_| -> Answer { Ok(1) })
        .await
        .unwrap();
    let waiting = tokio::spawn(policy.call(Op::idempotent(), async |_| -> Answer { Ok(1) }));
    yield_now().await;
    let snapshot = policy.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.waiting), (0, 1));
    waiting.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn calls_enter_in_the_order_they_came() {
    let policy = policy().in_flight(1).build().unwrap();
    let (order, mut seen) = tokio::sync::mpsc::channel(20);
    let mut calls = JoinSet::new();
    for n in 0..20 {
        let (policy, order) = (policy.clone(), order.clone());
        calls.spawn(async move {
            let serve = async |_| -> Answer {
                order.send(n).await.unwrap();
                sleep(ms(1)).await;
                Ok(1)
            };
            policy.call(Op::idempotent(), serve).await.unwrap()
        });
    }
    calls.join_all().await;
    drop(order);
    for n in 0..20 {
        assert_eq!(seen.recv().await, Some(n));
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_comes_back_at_once_does_not_overtake_those_who_wait() {
    let policy = policy().in_flight(1).build().unwrap();
    let greedy = tokio::spawn({
        let policy = policy.clone();
        async move {
            for _ in 0..5 {
                policy
                    .call(Op::idempotent(), async |_| -> Answer {
                        sleep(ms(10)).await;
                        Ok(1)
                    })
                    .await
                    .unwrap();
            }
        }
    });
    yield_now().await;
    let start = Instant::now();
    policy
        .call(Op::idempotent(), async |_| -> Answer { Ok(1) })
        .await
        .unwrap();
    assert_eq!(start.elapsed(), ms(10));
    greedy.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_retry_goes_ahead_of_first_attempts() {
    let policy = policy()
        .in_flight(1)
        .queue(Queue::default().oldest_first())
        .build()
        .unwrap();
    let (order, mut seen) = tokio::sync::mpsc::channel(20);
    let mut calls = JoinSet::new();
    for n in 0..10 {
        let (policy, order) = (policy.clone(), order.clone());
        calls.spawn(async move {
            let serve = async |attempt: Attempt| -> Answer {
                order.send((n, attempt.number)).await.unwrap();
                sleep(ms(100)).await;
                if n == 0 && attempt.number == 1 {
                    Err(Failed(Verdict::transient()))
                } else {
                    Ok(1)
                }
            };
            policy.call(Op::idempotent(), serve).await.unwrap()
        });
    }
    calls.join_all().await;
    assert_eq!(seen.recv().await, Some((0, 1)));
    // The back-off is at most 50 ms, and the attempt that passed the gate meanwhile takes 100.
    assert_eq!(seen.recv().await, Some((1, 1)));
    assert_eq!(seen.recv().await, Some((0, 2)));
}

#[tokio::test(start_paused = true)]
async fn more_callers_than_may_wait_are_refused() {
    let policy = policy()
        .in_flight(1)
        .queue(Queue::bounded(1))
        .build()
        .unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..3 {
        calls.spawn(policy.call(Op::idempotent(), async |_| -> Answer {
            sleep(ms(10)).await;
            Ok(1)
        }));
    }
    let results = calls.join_all().await;
    let mut refused = results.into_iter().filter_map(Result::err);
    assert_eq!(
        refused.next().map(|error| error.why),
        Some(StopReason::Full { limit: 1 })
    );
    assert!(refused.next().is_none());
    assert_eq!(policy.snapshot().requests, 2);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_waiter_passes_the_wake_on() {
    let policy = policy().in_flight(1).build().unwrap();
    let (finish, finished) = oneshot::channel::<()>();
    let mut finished = Some(finished);
    let running = tokio::spawn(policy.call(Op::idempotent(), move |_| {
        let finished = finished.take();
        async move {
            finished.expect("one attempt").await.unwrap();
            Answer::Ok(1)
        }
    }));
    yield_now().await;
    let first = tokio::spawn(policy.call(Op::idempotent(), async |_| -> Answer { Ok(1) }));
    let second = tokio::spawn(policy.call(Op::idempotent(), async |_| -> Answer { Ok(2) }));
    yield_now().await;
    assert_eq!(policy.snapshot().waiting, 2);
    let start = Instant::now();
    // The release wakes the first waiter, which is aborted before it is polled again.
    finish.send(()).unwrap();
    first.abort();
    running.await.unwrap().unwrap();
    assert_eq!(second.await.unwrap().unwrap(), 2);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_held_by_a_task_that_sleeps_does_not_block_other_tasks() {
    let policy = policy().in_flight(1).build().unwrap();
    let background = tokio::spawn(policy.call(Op::idempotent(), async |_| -> Answer {
        sleep(ms(300)).await;
        Ok(1)
    }));
    yield_now().await;
    let mut held = Box::pin(policy.call(Op::idempotent(), async |_| -> Answer { Ok(1) }));
    assert!(timeout(ms(10), &mut held).await.is_err());
    let other = tokio::spawn(policy.call(Op::idempotent(), async |_| -> Answer { Ok(2) }));
    // `held` is first in the queue and not polled while `other` is awaited.
    assert_eq!(timeout(ms(311), other).await.unwrap().unwrap().unwrap(), 2);
    assert_eq!(held.await.unwrap(), 1);
    background.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_larger_limit_is_felt_by_those_who_wait() {
    let (policy, service) = (policy().in_flight(1).build().unwrap(), Service::default());
    let calls = start_calls(&policy, &service, 4, |_| ms(100));
    sleep(ms(10)).await;
    policy.set_in_flight(4).unwrap();
    yield_now().await;
    let start = Instant::now();
    calls.join_all().await;
    assert_eq!(service.most_open(), 4);
    assert_eq!(start.elapsed(), ms(100));
    assert!(policy.set_in_flight(0).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_panicking_attempt_returns_its_permit() {
    let policy = policy().in_flight(1).build().unwrap();
    let panics = policy.call(Op::idempotent(), async |_| -> Answer {
        panic!("of the attempt")
    });
    assert!(tokio::spawn(panics).await.unwrap_err().is_panic());
    assert_eq!(policy.snapshot().in_flight, 0);
    policy
        .call(Op::idempotent(), async |_| -> Answer { Ok(1) })
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_smaller_limit_lets_the_surplus_finish_and_nobody_in_until_then() {
    let (policy, service) = (policy().in_flight(8).build().unwrap(), Service::default());
    let calls = start_calls(&policy, &service, 20, |n| ms(100) + ms(10) * (n % 8));
    sleep(ms(50)).await;
    policy.set_in_flight(2).unwrap();
    let start = Instant::now() - ms(50);
    calls.join_all().await;
    let sends = service.sends();
    // Of the first eight, which end from 100 ms to 170, six leave without another taking their place.
    assert!(sends[..8].iter().all(|at| *at == start));
    assert_eq!((sends[8], sends[9]), (start + ms(160), start + ms(170)));
    assert_eq!(policy.snapshot().in_flight, 0);
    let service = Service::default();
    let calls = start_calls(&policy, &service, 5, |_| ms(1));
    calls.join_all().await;
    assert_eq!(service.most_open(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_shrinks_takes_back_what_was_kept_for_those_called() {
    let (policy, service) = (policy().in_flight(4).build().unwrap(), Service::default());
    let calls = start_calls(&policy, &service, 12, |_| ms(10));
    // Just when the first four end and the next four are called, before those are polled.
    sleep(ms(10)).await;
    policy.set_in_flight(1).unwrap();
    calls.join_all().await;
    let sends = service.sends();
    let late = &sends[8..];
    assert!(late.is_sorted_by(|a, b| *a + ms(10) <= *b), "{late:?}");
    let snapshot = policy.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.waiting), (0, 0));
}
