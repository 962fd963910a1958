use tidegate::policy::Op;
use tokio::{task::JoinSet, time::Instant};

use crate::support::{Answer, Failed, Service, ms, policy, secs, start_calls};
use tidegate::policy::Verdict;

#[tokio::test(start_paused = true)]
async fn attempts_leave_evenly_at_the_rate() {
    let (policy, service, start) = (
        policy().rate(100.0).build().unwrap(),
        Service::default(),
        Instant::now(),
    );
    let calls = start_calls(&policy, &service, 500, |_| ms(20));
    calls.join_all().await;
    assert!(start.elapsed() <= secs(5) + ms(30), "{:?}", start.elapsed());
    assert!(
        service.most_within(secs(1)) <= 102,
        "{}",
        service.most_within(secs(1))
    );
    assert!(
        service.most_within(ms(100)) <= 12,
        "{}",
        service.most_within(ms(100))
    );
    let snapshot = policy.snapshot();
    assert!(
        snapshot.rate_used > 0.99 && snapshot.rate_used < 1.01,
        "{}",
        snapshot.rate_used
    );
}

#[tokio::test(start_paused = true)]
async fn after_a_brown_out_the_limit_still_holds() {
    let policy = policy().rate(100.0).in_flight(64).build().unwrap();
    let service = Service::default();
    let brown_out = Instant::now() + secs(1)..Instant::now() + secs(4);
    let mut calls = JoinSet::new();
    for _ in 0..600 {
        let (policy, service, brown_out) = (policy.clone(), service.clone(), brown_out.clone());
        calls.spawn(async move {
            let serve = async |_| -> Answer {
                let now = Instant::now();
                let work = if brown_out.contains(&now) {
                    brown_out.end - now
                } else {
                    ms(50)
                };
                service.serve(work).await;
                Ok(1)
            };
            policy.call(Op::idempotent(), serve).await.unwrap()
        });
    }
    calls.join_all().await;
    assert_eq!(service.most_open(), 64);
    assert!(
        service.most_within(secs(1)) <= 102,
        "{}",
        service.most_within(secs(1))
    );
    assert!(
        service.most_within(ms(100)) <= 12,
        "{}",
        service.most_within(ms(100))
    );
}

#[tokio::test(start_paused = true)]
async fn every_attempt_pays_the_rate() {
    let policy = policy().rate(10.0).build().unwrap();
    let service = Service::default();
    let start = Instant::now();
    for _ in 0..5 {
        let serve = async |attempt: tidegate::policy::Attempt| -> Answer {
            service.serve(ms(1)).await;
            if attempt.number == 1 {
                Err(Failed(Verdict::transient()))
            } else {
                Ok(1)
            }
        };
        policy.call(Op::idempotent(), serve).await.unwrap();
    }
    assert_eq!(policy.snapshot().requests, 10);
    assert!(start.elapsed() >= ms(895), "{:?}", start.elapsed());
    assert_eq!(policy.snapshot().consulted.rate, 10);
}

#[tokio::test(start_paused = true)]
async fn a_burst_leaves_at_once_after_a_silence() {
    let (policy, service) = (
        policy().rate(10.0).burst(4).build().unwrap(),
        Service::default(),
    );
    let calls = start_calls(&policy, &service, 8, |_| ms(1));
    calls.join_all().await;
    assert_eq!(service.most_within(ms(1)), 4);
    assert_eq!(service.most_within(ms(101)), 5);
}

#[tokio::test(start_paused = true)]
async fn a_new_rate_is_felt_by_those_who_wait() {
    let (policy, start) = (policy().rate(0.01).build().unwrap(), Instant::now());
    let call = || {
        let policy = policy.clone();
        async move {
            policy
                .call(Op::idempotent(), async |_| -> Answer { Ok(1) })
                .await
                .unwrap()
        }
    };
    call().await;
    let waiting = tokio::spawn(call());
    tokio::task::yield_now().await;
    policy.set_rate(10.0).unwrap();
    waiting.await.unwrap();
    assert_eq!(start.elapsed(), ms(100));
    assert!(policy.set_rate(f64::NAN).is_err());
}
