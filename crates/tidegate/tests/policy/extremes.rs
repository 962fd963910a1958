//! Settings, delays and deadlines that no clock can hold.

use std::time::Duration;

use tidegate::policy::{
    Attempt, Breaker, Budget, Hedge, HedgeAfter, Op, Outage, PolicyBuilder, Quota, Retry, Slow,
    StopReason, Verdict,
};
use tokio::time::{Instant, timeout};

use crate::support::{Answer, Failed, call_with, fail_times, ms, policy, secs, stop};

/// Nearly the last instant there is.
fn last_instant() -> Instant {
    let mut at = Instant::now();
    let mut step = Duration::MAX;
    while step > Duration::ZERO {
        while let Some(later) = at.checked_add(step) {
            at = later;
        }
        step /= 2;
    }
    at
}

/// Everything as long, as many or as much as it can be.
fn most() -> PolicyBuilder {
    policy()
        .in_flight(usize::MAX)
        .rate(1e9)
        .burst(u32::MAX)
        .attempt_timeout(Duration::MAX)
        .retry(Retry {
            max_attempts: u32::MAX,
            base: Duration::MAX,
            throttled_base: Duration::MAX,
            cap: Duration::MAX,
            max_server_delay: Duration::MAX,
        })
        .budget(Budget {
            tokens: u32::MAX,
            retry_cost: u32::MAX,
            throttled_cost: u32::MAX,
            earned: u32::MAX,
        })
        .outage(Outage {
            failures: 1,
            window: Duration::MAX,
            probe_base: Duration::MAX,
            probe_cap: Duration::MAX,
            patience: Some(Duration::MAX),
        })
        .breaker(Breaker {
            window: Duration::MAX,
            min_calls: u32::MAX,
            slow: Some(Slow {
                after: Duration::MAX,
                ratio: 1.0,
            }),
            consecutive: Some(1),
            open_for: Duration::MAX,
            open_cap: Duration::MAX,
            probes: u32::MAX,
            ..Breaker::default()
        })
        .hedge(Hedge {
            after: HedgeAfter::Fixed(Duration::MAX),
            min_delay: Duration::MAX,
            tokens: u32::MAX,
            earned_per_mille: u32::MAX,
            ..Hedge::default()
        })
}

const VERDICTS: [Verdict; 6] = [
    Verdict::transient(),
    Verdict::throttled(),
    Verdict::overload(),
    Verdict::never_sent(),
    Verdict::timeout(),
    Verdict::fatal(),
];

#[tokio::test(start_paused = true)]
async fn settings_without_measure_break_nothing() {
    for verdict in VERDICTS {
        let policy = most().build().unwrap();
        call_with(&policy, Op::idempotent(), &[Ok(1)])
            .await
            .unwrap();
        for retry_at in [None, Some(last_instant())] {
            let failed = [Err(Failed(Verdict {
                retry_at,
                ..verdict
            }))];
            let call = call_with(&policy, Op::idempotent(), &failed);
            drop(timeout(secs(100), call).await);
        }
        let snapshot = policy.snapshot();
        assert_eq!((snapshot.in_flight, snapshot.waiting), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_breaker_and_an_outage_neither() {
    for verdict in VERDICTS {
        let mut builder = most();
        builder = builder.outage(Outage {
            failures: u32::MAX,
            window: Duration::MAX,
            ..Outage::default()
        });
        let policy = builder.breaker(Breaker::default()).build().unwrap();
        for retry_at in [None, Some(last_instant())] {
            let failed = [Err(Failed(Verdict {
                retry_at,
                ..verdict
            }))];
            for _ in 0..12 {
                let call = call_with(&policy, Op::idempotent(), &failed);
                drop(timeout(ms(100), call).await);
            }
        }
        let snapshot = policy.snapshot();
        assert_eq!((snapshot.in_flight, snapshot.waiting), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_at_the_end_of_all_time_is_none() {
    let policy = policy()
        .in_flight(1)
        .hedge(Hedge::default())
        .build()
        .unwrap();
    let op = Op::idempotent()
        .deadline(last_instant())
        .timeout(Duration::MAX);
    let keep = async |attempt: Attempt| Ok::<_, Failed>(attempt.keep_permit());
    let permit = policy.call(op, keep).await.unwrap();
    let waits = tokio::spawn({
        let policy = policy.clone();
        async move { call_with(&policy, op, &[Ok(1)]).await }
    });
    tokio::time::sleep(ms(50)).await;
    assert_eq!(policy.snapshot().waiting, 1);
    drop(permit);
    assert_eq!(waits.await.unwrap().unwrap(), 1);
    let fallback = policy.call_or(
        op,
        async |_| -> Answer { Ok(1) },
        Duration::MAX,
        async |_| Ok(2),
    );
    drop(fallback.await);
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_is_never_renewed_is_a_refusal() {
    let policy = policy().build().unwrap();
    let quota = Quota {
        remaining: 0,
        reset_at: Some(last_instant()),
    };
    let tells = async |attempt: Attempt| -> Answer {
        attempt.quota(quota);
        Ok(1)
    };
    policy.call(Op::idempotent(), tells).await.unwrap();
    let why = stop(
        &policy,
        Op::idempotent().deadline(Instant::now() + secs(1)),
        &[Ok(1)],
    )
    .await;
    assert!(matches!(why, StopReason::ServerSaidNo { .. }), "{why:?}");
}

#[tokio::test(start_paused = true)]
async fn a_breaker_opened_until_the_end_of_all_time_refuses() {
    let policy = policy().breaker(Breaker::default()).build().unwrap();
    policy.open_breaker(Some(last_instant()));
    fail_times(&policy, 1, Verdict::ok()).await;
    let why = stop(&policy, Op::idempotent(), &[Ok(1)]).await;
    assert!(matches!(why, StopReason::BreakerOpen { .. }), "{why:?}");
}
