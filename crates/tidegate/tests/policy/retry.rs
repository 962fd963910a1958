use tidegate::policy::{Budget, Class, Op, Retry, Sent, StopReason, Verdict};
use tokio::time::{Instant, sleep};

use crate::support::{Answer, Failed, call_with, fail_times, ms, policy, secs, stop};

const TRANSIENT: Answer = Err(Failed(Verdict::transient()));

#[tokio::test(start_paused = true)]
async fn a_transient_failure_is_repeated_until_it_passes() {
    let policy = policy().build().unwrap();
    assert_eq!(
        call_with(&policy, Op::idempotent(), &[TRANSIENT, TRANSIENT, Ok(3)])
            .await
            .unwrap(),
        3
    );
    let snapshot = policy.snapshot();
    assert_eq!((snapshot.requests, snapshot.retries), (3, 2));
    assert_eq!(
        (snapshot.consulted.retry, snapshot.consulted.budget),
        (2, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn exhausted_attempts_return_the_last_error_and_every_attempt() {
    let policy = policy().build().unwrap();
    let error = call_with(&policy, Op::idempotent(), &[TRANSIENT])
        .await
        .unwrap_err();
    assert_eq!(error.why, StopReason::AttemptsExhausted { attempts: 3 });
    assert_eq!(error.last, Some(Failed(Verdict::transient())));
    assert_eq!(
        error.attempts.iter().map(|a| a.number).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert!(error.attempts.iter().all(|a| a.class == Class::Transient));
    assert!(error.attempts[0].waited.is_zero() && error.attempts[1].waited <= ms(51));
    assert_eq!(error.to_string(), "gave up after 3 attempts");
}

#[tokio::test(start_paused = true)]
async fn what_will_not_pass_is_not_repeated() {
    let policy = policy().build().unwrap();
    for verdict in [
        Verdict::fatal(),
        Verdict::fatal().sent(Sent::No),
        Verdict::rejected(),
    ] {
        assert_eq!(
            stop(&policy, Op::idempotent(), &[Err(Failed(verdict))]).await,
            StopReason::NotRetriable
        );
    }
    assert_eq!(
        stop(
            &policy,
            Op::idempotent(),
            &[Err(Failed(Verdict::cancelled()))]
        )
        .await,
        StopReason::Cancelled
    );
    assert_eq!(policy.snapshot().retries, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_unsafe_to_repeat_is_repeated_only_if_it_cannot_have_been_acted_on() {
    let policy = policy().build().unwrap();
    let soon = Instant::now();
    let repeated = [
        Verdict::never_sent(),
        Verdict::throttled(),
        Verdict::overload().retry_at(soon),
        Verdict::transient().sent(Sent::No),
    ];
    for verdict in repeated {
        let answers = [Err(Failed(verdict)), Ok(2)];
        assert_eq!(
            call_with(&policy, Op::unsafe_to_repeat(), &answers)
                .await
                .unwrap(),
            2,
            "{verdict:?}"
        );
    }
    let lost = [
        Verdict::transient(),
        Verdict::transient().sent(Sent::Maybe),
        Verdict::overload(),
        Verdict::timeout(),
    ];
    for verdict in lost {
        let why = stop(
            &policy,
            Op::unsafe_to_repeat(),
            &[Err(Failed(verdict)), Ok(2)],
        )
        .await;
        assert_eq!(why, StopReason::NotReplayable, "{verdict:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_too_long_is_dropped_and_repeated() {
    let policy = policy().build().unwrap();
    let start = Instant::now();
    let hang_once = async |attempt: tidegate::policy::Attempt| -> Answer {
        if attempt.number == 1 {
            std::future::pending::<()>().await;
        }
        Ok(attempt.number)
    };
    assert_eq!(
        policy
            .call(Op::idempotent().timeout(secs(2)), hang_once)
            .await
            .unwrap(),
        2
    );
    assert!(start.elapsed() >= secs(2) && start.elapsed() <= secs(2) + ms(51));
    assert_eq!(policy.snapshot().timeouts, 1);

    let hang = async |_| -> Answer { std::future::pending().await };
    let error = policy.call(Op::unsafe_to_repeat(), hang).await.unwrap_err();
    assert_eq!((error.why, error.last), (StopReason::NotReplayable, None));
    assert_eq!(
        (error.attempts[0].class, error.attempts[0].took),
        (Class::Timeout, secs(30))
    );
}

#[tokio::test(start_paused = true)]
async fn the_delay_a_server_states_is_never_undercut() {
    for seed in 0..50 {
        let policy = policy().seed(seed).build().unwrap();
        let at = Instant::now() + secs(90);
        call_with(
            &policy,
            Op::idempotent(),
            &[Err(Failed(Verdict::throttled().retry_at(at))), Ok(2)],
        )
        .await
        .unwrap();
        assert!(Instant::now() >= at, "jitter only adds");
        // The short back-off is enough to spread those who come back.
        assert!(Instant::now() <= at + ms(51));
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_delay_binds_only_the_call_it_was_given_to() {
    let policy = policy().rate(100.0).build().unwrap();
    let at = Instant::now() + secs(60);
    let throttled = tokio::spawn({
        let policy = policy.clone();
        async move {
            call_with(
                &policy,
                Op::idempotent(),
                &[Err(Failed(Verdict::throttled().retry_at(at))), Ok(2)],
            )
            .await
        }
    });
    tokio::task::yield_now().await;
    let start = Instant::now();
    call_with(&policy, Op::idempotent(), &[Ok(1)])
        .await
        .unwrap();
    assert!(start.elapsed() <= ms(10));
    throttled.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_delay_beyond_what_is_allowed_ends_the_call() {
    let policy = policy().build().unwrap();
    let retry_at = Instant::now() + secs(3601);
    let answers = [Err(Failed(Verdict::overload().retry_at(retry_at)))];
    assert_eq!(
        stop(&policy, Op::idempotent(), &answers).await,
        StopReason::ServerSaidNo { retry_at }
    );

    let retry_at = Instant::now() + secs(60);
    let answers = [Err(Failed(Verdict::throttled().retry_at(retry_at)))];
    let op = Op::idempotent().deadline(Instant::now() + secs(59));
    assert_eq!(
        stop(&policy, op, &answers).await,
        StopReason::ServerSaidNo { retry_at }
    );
}

#[tokio::test(start_paused = true)]
async fn an_empty_budget_ends_retries_and_successes_refill_it() {
    let budget = Budget {
        tokens: 28,
        ..Budget::default()
    };
    let policy = policy().budget(budget).build().unwrap();
    assert_eq!(
        stop(&policy, Op::idempotent(), &[TRANSIENT]).await,
        StopReason::AttemptsExhausted { attempts: 3 }
    );
    assert_eq!(policy.snapshot().budget, 0);
    assert_eq!(
        stop(&policy, Op::idempotent(), &[TRANSIENT]).await,
        StopReason::BudgetExhausted
    );
    for _ in 0..14 {
        call_with(&policy, Op::idempotent(), &[Ok(1)])
            .await
            .unwrap();
    }
    assert_eq!(policy.snapshot().budget, 14);
    // A repetition that succeeds is free, one after a throttled attempt is cheaper.
    call_with(&policy, Op::idempotent(), &[TRANSIENT, Ok(2)])
        .await
        .unwrap();
    assert_eq!(policy.snapshot().budget, 14);
    let throttled = Err(Failed(Verdict::throttled()));
    stop(
        &policy,
        Op::idempotent(),
        &[throttled, throttled, Err(Failed(Verdict::fatal()))],
    )
    .await;
    assert_eq!(policy.snapshot().budget, 4);
}

#[tokio::test(start_paused = true)]
async fn local_rejections_and_cancellations_cost_nothing() {
    let policy = policy()
        .outage(tidegate::policy::Outage::default())
        .build()
        .unwrap();
    let before = policy.snapshot();
    fail_times(&policy, 20, Verdict::rejected()).await;
    fail_times(&policy, 20, Verdict::cancelled()).await;
    let after = policy.snapshot();
    assert_eq!(
        (after.budget, after.health, after.paused_until),
        (before.budget, before.health, None)
    );
    // A repetition that ends in one of them gets its price back.
    let answers = [TRANSIENT, Err(Failed(Verdict::cancelled()))];
    assert_eq!(
        stop(&policy, Op::idempotent(), &answers).await,
        StopReason::Cancelled
    );
    assert_eq!(policy.snapshot().budget, 500);
}

#[tokio::test(start_paused = true)]
async fn a_single_attempt_needs_no_budget() {
    let once = Retry {
        max_attempts: 1,
        ..Retry::default()
    };
    let policy = policy().retry(once).build().unwrap();
    assert_eq!(
        stop(&policy, Op::idempotent(), &[TRANSIENT]).await,
        StopReason::AttemptsExhausted { attempts: 1 }
    );
    assert_eq!(policy.snapshot().budget, 500);
}

#[tokio::test(start_paused = true)]
async fn latency_is_of_the_attempt_alone() {
    let policy = policy().in_flight(1).build().unwrap();
    let calls: Vec<_> = (0..20)
        .map(|_| {
            tokio::spawn(policy.call(Op::idempotent(), async |_| -> Answer {
                sleep(ms(100)).await;
                Ok(1)
            }))
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let latency = policy.snapshot().latency;
    for read in [latency.p50_ms, latency.p95_ms, latency.p99_ms] {
        assert!((read - 100.0).abs() <= 5.0, "{read}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_once_is_repeated_only_if_nothing_was_sent() {
    let once = Op::idempotent().send_once();
    for verdict in [
        Verdict::transient(),
        Verdict::throttled(),
        Verdict::overload(),
        Verdict::never_sent().sent(Sent::Maybe),
        Verdict::timeout(),
    ] {
        let policy = policy().build().unwrap();
        let why = stop(&policy, once, &[Err(Failed(verdict))]).await;
        assert_eq!(why, StopReason::NotReplayable, "{verdict:?}");
        assert_eq!(policy.snapshot().requests, 1);
    }
    let policy = policy().build().unwrap();
    let answers = [Err(Failed(Verdict::never_sent())), Ok(1)];
    assert_eq!(call_with(&policy, once, &answers).await.unwrap(), 1);
}
