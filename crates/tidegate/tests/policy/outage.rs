use std::sync::atomic::{AtomicBool, Ordering};

use tidegate::policy::{
    Attempt, Budget, Class, Health, Op, Outage, Policy, Retry, StopReason, Verdict,
};
use tokio::{
    task::{JoinSet, yield_now},
    time::{Instant, sleep},
};

use crate::support::{Answer, Failed, Service, call_with, fail_times, ms, policy, secs, stop};

fn watched(outage: Outage) -> Policy {
    policy().outage(outage).build().unwrap()
}

fn is_down(policy: &Policy) -> bool {
    matches!(policy.snapshot().health, Health::Down { .. })
}

/// Takes the service down with five calls that cannot be repeated and so do not wait.
async fn take_down(policy: &Policy) {
    fail_times(policy, 5, Verdict::timeout()).await;
    assert!(is_down(policy));
}

#[tokio::test(start_paused = true)]
async fn calls_survive_an_outage_that_is_much_longer_than_their_retries() {
    let policy = policy()
        .rate(100.0)
        .outage(Outage::default())
        .build()
        .unwrap();
    let (service, start) = (Service::default(), Instant::now());
    let outage = start + secs(1)..start + secs(31);
    let mut calls = JoinSet::new();
    for _ in 0..500 {
        let (policy, service, outage) = (policy.clone(), service.clone(), outage.clone());
        calls.spawn(async move {
            let serve = async |_: Attempt| -> Answer {
                service.serve(ms(20)).await;
                if outage.contains(&Instant::now()) {
                    Err(Failed(Verdict::overload()))
                } else {
                    Ok(1)
                }
            };
            policy.call(Op::idempotent(), serve).await.unwrap()
        });
    }
    assert_eq!(calls.join_all().await.len(), 500);
    let sends = service.sends();
    let probes = sends.iter().filter(|at| outage.contains(at)).count();
    // Those in flight when it began, and probes from 100 ms to 20 s apart.
    assert!(probes <= 7 + 16 + 10, "{probes}");
    assert!(
        service.most_within(secs(1)) <= 102,
        "the rate holds when the service is back"
    );
    assert!(
        start.elapsed() <= secs(31 + 20 + 5),
        "{:?}",
        start.elapsed()
    );
    assert!(!is_down(&policy));
    assert!(
        policy.snapshot().budget >= 500 - 5 * 14,
        "an outage is not charged"
    );
}

#[tokio::test(start_paused = true)]
async fn while_down_one_probe_at_a_time_leaves() {
    let policy = watched(Outage::default());
    take_down(&policy).await;
    let service = Service::default();
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        let (policy, service) = (policy.clone(), service.clone());
        calls.spawn(async move {
            let hang = async |_| -> Answer {
                service.serve(secs(3600)).await;
                Ok(1)
            };
            policy.call(Op::idempotent().timeout(ms(500)), hang).await
        });
    }
    sleep(secs(60)).await;
    assert_eq!(service.most_open(), 1);
    let sends = service.sends();
    assert!((5..=12).contains(&sends.len()), "{}", sends.len());
    let gap = |i: usize| sends[i + 1] - sends[i];
    assert!(gap(sends.len() - 2) > 2 * gap(0), "probes back off");
    calls.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn after_the_patience_every_caller_gives_up() {
    let policy = watched(Outage {
        patience: Some(secs(60)),
        ..Outage::default()
    });
    take_down(&policy).await;
    let start = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..40 {
        let policy = policy.clone();
        calls.spawn(async move {
            call_with(
                &policy,
                Op::idempotent(),
                &[Err(Failed(Verdict::never_sent()))],
            )
            .await
        });
    }
    for result in calls.join_all().await {
        let why = result.unwrap_err().why;
        assert!(
            matches!(why, StopReason::GaveUp { down_for } if down_for >= secs(60)),
            "{why:?}"
        );
    }
    assert!(start.elapsed() <= secs(60) + ms(1), "{:?}", start.elapsed());
    assert_eq!(policy.snapshot().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn a_new_call_may_end_an_outage_that_others_gave_up() {
    let policy = watched(Outage {
        patience: Some(secs(60)),
        ..Outage::default()
    });
    take_down(&policy).await;
    sleep(secs(600)).await;
    let why = stop(
        &policy,
        Op::idempotent(),
        &[Err(Failed(Verdict::never_sent()))],
    )
    .await;
    assert!(matches!(why, StopReason::GaveUp { .. }), "{why:?}");
    sleep(secs(60)).await;
    call_with(&policy, Op::idempotent(), &[Ok(1)])
        .await
        .unwrap();
    assert_eq!(policy.snapshot().health, Health::Up);
}

#[tokio::test(start_paused = true)]
async fn any_answer_that_is_no_outage_proves_that_the_service_lives() {
    for verdict in [Verdict::fatal(), Verdict::throttled()] {
        let policy = watched(Outage::default());
        take_down(&policy).await;
        let _error = call_with(&policy, Op::idempotent(), &[Err(Failed(verdict)), Ok(2)]).await;
        assert_eq!(policy.snapshot().health, Health::Up, "{verdict:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_always_times_out_is_no_outage_and_five_of_them_are() {
    let policy = watched(Outage::default());
    let op = Op::idempotent().timeout(secs(10));
    let hang = async |_| -> Answer { std::future::pending().await };
    let error = policy.call(op, hang).await.unwrap_err();
    assert_eq!(error.why, StopReason::AttemptsExhausted { attempts: 3 });
    assert!(!is_down(&policy));
    fail_times(&policy, 4, Verdict::timeout()).await;
    let Health::Down { since, class, .. } = policy.snapshot().health else {
        panic!("it is down")
    };
    assert_eq!((since, class), (Instant::now(), Class::Timeout));
}

#[tokio::test(start_paused = true)]
async fn two_overloaded_answers_two_seconds_apart_are_an_outage() {
    let policy = watched(Outage::default());
    fail_times(&policy, 1, Verdict::overload()).await;
    sleep(secs(2)).await;
    assert!(!is_down(&policy));
    fail_times(&policy, 1, Verdict::overload()).await;
    assert!(is_down(&policy));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_unsafe_to_repeat_does_not_wait_for_the_service() {
    let policy = watched(Outage {
        failures: 1,
        ..Outage::default()
    });
    let why = stop(
        &policy,
        Op::unsafe_to_repeat(),
        &[Err(Failed(Verdict::transient()))],
    )
    .await;
    assert_eq!(why, StopReason::NotReplayable);
}

#[tokio::test(start_paused = true)]
async fn an_empty_budget_slows_down_to_probes_instead_of_failing_calls() {
    let budget = Budget {
        tokens: 28,
        ..Budget::default()
    };
    let retry = Retry {
        max_attempts: 5,
        ..Retry::default()
    };
    let outage = Outage {
        failures: 1000,
        ..Outage::default()
    };
    let policy = policy()
        .budget(budget)
        .retry(retry)
        .outage(outage)
        .build()
        .unwrap();
    let failing = Err(Failed(Verdict::transient()));
    let call = tokio::spawn({
        let policy = policy.clone();
        async move {
            call_with(
                &policy,
                Op::idempotent(),
                &[failing, failing, failing, Ok(4)],
            )
            .await
        }
    });
    while policy.snapshot().requests < 3 {
        sleep(ms(1)).await;
    }
    assert!(is_down(&policy));
    assert_eq!(call.await.unwrap().unwrap(), 4);
    assert_eq!(policy.snapshot().health, Health::Up);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_always_fails_does_not_stand_in_front_of_the_proof() {
    let policy = watched(Outage::default());
    let outage_over = AtomicBool::new(false);
    let always = [Err(Failed(Verdict::transient()))];
    let poison = call_with(&policy, Op::idempotent(), &always);
    let good = async {
        yield_now().await;
        let serve = async |_| -> Answer {
            if outage_over.load(Ordering::Relaxed) {
                Ok(1)
            } else {
                Err(Failed(Verdict::transient()))
            }
        };
        policy.call(Op::idempotent(), serve).await
    };
    let timeline = async {
        take_down(&policy).await;
        sleep(secs(5)).await;
        outage_over.store(true, Ordering::Relaxed);
    };
    let ((), poison, good) = tokio::join!(timeline, poison, good);
    assert_eq!(good.unwrap(), 1);
    assert_eq!(
        poison.unwrap_err().why,
        StopReason::AttemptsExhausted { attempts: 3 }
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_delay_beyond_the_patience_ends_the_call() {
    let policy = watched(Outage {
        patience: Some(secs(60)),
        ..Outage::default()
    });
    let retry_at = Instant::now() + secs(61);
    let why = stop(
        &policy,
        Op::idempotent(),
        &[Err(Failed(Verdict::throttled().retry_at(retry_at)))],
    )
    .await;
    assert_eq!(why, StopReason::ServerSaidNo { retry_at });
}

#[tokio::test(start_paused = true)]
async fn a_dropped_probe_is_passed_on() {
    let policy = watched(Outage::default());
    take_down(&policy).await;
    let probe = tokio::spawn(policy.call(Op::idempotent(), async |_| -> Answer {
        std::future::pending().await
    }));
    let next = tokio::spawn(policy.call(Op::idempotent(), async |_| -> Answer { Ok(2) }));
    sleep(ms(150)).await;
    assert_eq!(
        (policy.snapshot().in_flight, policy.snapshot().waiting),
        (1, 1)
    );
    let start = Instant::now();
    probe.abort();
    assert_eq!(next.await.unwrap().unwrap(), 2);
    assert!(start.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn a_deadline_binds_while_the_service_is_down() {
    let policy = watched(Outage {
        failures: 1,
        ..Outage::default()
    });
    let start = Instant::now();
    let failed = Failed(Verdict::never_sent());
    let error = call_with(
        &policy,
        Op::idempotent().deadline(start + secs(5)),
        &[Err(failed)],
    )
    .await
    .unwrap_err();
    assert_eq!(
        (error.why, error.last),
        (StopReason::DeadlineTooClose, Some(failed))
    );
    assert!(
        start.elapsed() < secs(5),
        "the probe that cannot leave in time is not waited for"
    );
}
