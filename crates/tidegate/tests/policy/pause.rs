use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tidegate::policy::{Attempt, Op, Policy, Quota, Retry, StopReason, Verdict};
use tokio::{
    task::{JoinSet, yield_now},
    time::{Instant, sleep},
};

use crate::support::{Answer, Failed, Service, fail_times, ms, policy, secs, start_calls, stop};

#[tokio::test(start_paused = true)]
async fn a_spent_quota_pauses_the_service_until_its_reset() {
    let policy = policy().build().unwrap();
    let reset_at = Instant::now() + secs(60);
    let spends = async |attempt: Attempt| -> Answer {
        attempt.quota(Quota {
            remaining: 0,
            reset_at: Some(reset_at),
        });
        Ok(1)
    };
    policy.call(Op::idempotent(), spends).await.unwrap();
    assert_eq!(policy.snapshot().paused_until, Some(reset_at));
    policy
        .call(Op::idempotent(), async |_| -> Answer { Ok(1) })
        .await
        .unwrap();
    assert_eq!(Instant::now(), reset_at);
    assert_eq!(policy.snapshot().paused_until, None);
}

#[tokio::test(start_paused = true)]
async fn a_quota_with_something_left_does_not_pause() {
    let policy = policy().build().unwrap();
    let tells = async |attempt: Attempt| -> Answer {
        attempt.quota(Quota {
            remaining: 1,
            reset_at: Some(Instant::now() + secs(60)),
        });
        Ok(1)
    };
    policy.call(Op::idempotent(), tells).await.unwrap();
    assert_eq!(policy.snapshot().paused_until, None);
}

#[tokio::test(start_paused = true)]
async fn half_of_the_recent_attempts_throttled_pause_the_service_and_stray_ones_do_not() {
    let policy = policy().build().unwrap();
    let throttled = Verdict::throttled().retry_at(Instant::now() + secs(7200));
    fail_times(&policy, 4, throttled).await;
    assert_eq!(policy.snapshot().paused_until, None);
    fail_times(&policy, 1, throttled).await;
    assert_eq!(policy.snapshot().paused_until, throttled.retry_at);
    let why = stop(&policy, Op::idempotent(), &[Ok(1)]).await;
    assert_eq!(
        why,
        StopReason::ServerSaidNo {
            retry_at: Instant::now() + secs(7200)
        }
    );
}

#[tokio::test(start_paused = true)]
async fn a_pause_lets_one_probe_through_and_its_success_lifts_it() {
    let policy = policy().build().unwrap();
    let at = Instant::now() + secs(10);
    let spends = async |attempt: Attempt| -> Answer {
        attempt.quota(Quota {
            remaining: 0,
            reset_at: Some(at),
        });
        Ok(1)
    };
    policy.call(Op::idempotent(), spends).await.unwrap();
    let service = Service::default();
    let calls = start_calls(&policy, &service, 8, |_| ms(100));
    calls.join_all().await;
    let sends = service.sends();
    assert_eq!(sends[0], at);
    assert!(
        sends[1..].iter().all(|sent| *sent == at + ms(100)),
        "{sends:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_throttled_probe_prolongs_the_pause() {
    let once = Retry {
        max_attempts: 1,
        ..Retry::default()
    };
    let policy = policy().retry(once).build().unwrap();
    let first = Instant::now() + secs(10);
    let second = first + secs(20);
    let quota = async |attempt: Attempt| -> Answer {
        attempt.quota(Quota {
            remaining: 0,
            reset_at: Some(first),
        });
        Ok(1)
    };
    policy.call(Op::idempotent(), quota).await.unwrap();
    fail_times(&policy, 1, Verdict::throttled().retry_at(second)).await;
    assert_eq!(policy.snapshot().paused_until, Some(second));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_spends_the_quota_again_does_not_lift_the_pause() {
    let policy = policy().build().unwrap();
    let service = Service::default();
    // One request in ten seconds is all that this service allows.
    let mut calls = JoinSet::new();
    for _ in 0..4 {
        let (policy, service) = (policy.clone(), service.clone());
        calls.spawn(async move {
            let serve = async |attempt: Attempt| -> Answer {
                service.serve(ms(1)).await;
                attempt.quota(Quota {
                    remaining: 0,
                    reset_at: Some(Instant::now() + secs(10)),
                });
                Ok(1)
            };
            policy.call(Op::idempotent(), serve).await.unwrap();
        });
        sleep(ms(2)).await;
    }
    calls.join_all().await;
    assert_eq!(service.most_within(secs(10)), 1);
}

#[tokio::test(start_paused = true)]
async fn two_stray_refusals_a_second_do_not_keep_the_service_from_its_rate() {
    let policy = policy().rate(100.0).in_flight(64).build().unwrap();
    let start = Instant::now();
    let mut calls = JoinSet::new();
    for n in 0..1000u32 {
        let policy = policy.clone();
        calls.spawn(async move {
            let serve = async |attempt: Attempt| -> Answer {
                sleep(ms(20)).await;
                let stray = n % 50 == 0 && attempt.number == 1;
                let verdict = Verdict::throttled().retry_at(Instant::now() + secs(1));
                if stray { Err(Failed(verdict)) } else { Ok(1) }
            };
            policy.call(Op::idempotent(), serve).await.unwrap()
        });
    }
    calls.join_all().await;
    assert!(start.elapsed() <= secs(12), "{:?}", start.elapsed());
}

/// A service that accepts `limit` requests before `resets`, and says after each how many remain.
async fn quoted(policy: &Policy, limit: u64, resets: Instant, calls: usize) -> Service {
    let (service, counted) = (Service::default(), Arc::new(AtomicU64::new(0)));
    let mut tasks = JoinSet::new();
    for _ in 0..calls {
        let (policy, service, counted) = (policy.clone(), service.clone(), Arc::clone(&counted));
        tasks.spawn(async move {
            let serve = async |attempt: Attempt| -> Answer {
                let before = counted.fetch_add(1, Ordering::Relaxed);
                service.serve(ms(10)).await;
                if Instant::now() < resets {
                    assert!(before < limit, "more than the service accepts");
                    attempt.quota(Quota {
                        remaining: limit - 1 - before,
                        reset_at: Some(resets),
                    });
                }
                Ok(1)
            };
            policy.call(Op::idempotent(), serve).await.unwrap()
        });
    }
    tasks.join_all().await;
    service
}

#[tokio::test(start_paused = true)]
async fn no_more_are_sent_than_remain_and_all_that_remain_are() {
    let policy = policy().in_flight(4).build().unwrap();
    let (start, resets) = (Instant::now(), Instant::now() + secs(60));
    let service = quoted(&policy, 20, resets, 50).await;
    let before = service
        .sends()
        .iter()
        .take_while(|at| **at < resets)
        .count();
    assert_eq!(before, 20);
    // After the reset one probe first, then as many as may be in flight.
    assert_eq!(service.sends()[20], resets);
    assert_eq!(service.sends()[21], resets + ms(10));
    assert!(start.elapsed() < secs(61));
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_is_not_sent_twice() {
    let policy = policy().in_flight(3).build().unwrap();
    let resets = Instant::now() + secs(60);
    let slow = |n: u32| {
        policy.call(Op::idempotent(), move |attempt: Attempt| async move {
            if n == 0 {
                attempt.quota(Quota {
                    remaining: 3,
                    reset_at: Some(resets),
                });
                return Answer::Ok(n);
            }
            sleep(secs(5)).await;
            Ok(n)
        })
    };
    let mut calls = JoinSet::new();
    calls.spawn(slow(1));
    calls.spawn(slow(2));
    yield_now().await;
    slow(0).await.unwrap();
    // Three remain and two are on their way, so one more is sent; the answers of the others say nothing new.
    calls.spawn(slow(3));
    calls.spawn(slow(4));
    sleep(secs(20)).await;
    assert_eq!(policy.snapshot().requests, 4);
    assert_eq!(policy.snapshot().paused_until, Some(resets));
    calls.join_all().await;
    assert_eq!(Instant::now(), resets + secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_renewed_quota_is_not_waited_for_any_longer() {
    let policy = policy().in_flight(2).build().unwrap();
    let resets = Instant::now() + secs(2);
    let hangs = policy.call(Op::idempotent(), async |_| -> Answer {
        sleep(secs(9)).await;
        Ok(1)
    });
    let hangs = tokio::spawn(hangs);
    yield_now().await;
    let tells = async |attempt: Attempt| -> Answer {
        attempt.quota(Quota {
            remaining: 1,
            reset_at: Some(resets),
        });
        Ok(1)
    };
    policy.call(Op::idempotent(), tells).await.unwrap();
    // The one that remains may be the one on its way, whose answer takes longer than the quota.
    policy
        .call(Op::idempotent(), async |_| -> Answer { Ok(1) })
        .await
        .unwrap();
    assert_eq!(Instant::now(), resets);
    hangs.await.unwrap().unwrap();
}
