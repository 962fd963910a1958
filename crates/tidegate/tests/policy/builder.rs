use std::time::Duration;

use tidegate::policy::{Budget, Hedge, Op, Outage, Policy, PolicyBuilder, Retry};

use crate::support::{Answer, policy};

fn message(builder: PolicyBuilder) -> String {
    builder
        .build()
        .expect_err("the setting is refused")
        .to_string()
}

#[test]
fn a_bad_setting_is_named_when_the_policy_is_built() {
    let cases = [
        (
            policy().in_flight(0),
            "policy `api`: in_flight is 0; it must be at least 1",
        ),
        (
            policy().burst(0),
            "policy `api`: burst is 0; it must be at least 1",
        ),
        (
            policy().rate(0.0),
            "policy `api`: rate is 0 per second; it must be from 1e-6 to 1e9",
        ),
        (
            policy().rate(f64::NAN),
            "policy `api`: rate is NaN per second; it must be from 1e-6 to 1e9",
        ),
        (
            policy().attempt_timeout(Duration::ZERO),
            "policy `api`: attempt_timeout is zero; it must be longer",
        ),
        (
            policy().retry(Retry {
                max_attempts: 0,
                ..Retry::default()
            }),
            "policy `api`: retry.max_attempts is 0; it must be at least 1",
        ),
        (
            policy().budget(Budget {
                tokens: 10,
                ..Budget::default()
            }),
            "policy `api`: budget.tokens is 10, which never pays for a retry at 14",
        ),
        (
            policy().outage(Outage {
                probe_cap: Duration::ZERO,
                ..Outage::default()
            }),
            "policy `api`: outage.probe_cap must not be shorter than outage.probe_base",
        ),
        (
            policy().hedge(Hedge {
                min_samples: 0,
                ..Hedge::default()
            }),
            "policy `api`: hedge.min_samples is 0; it must be at least 1",
        ),
    ];
    for (builder, expected) in cases {
        assert_eq!(message(builder), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn every_stage_that_is_set_is_consulted() {
    let policy = policy()
        .rate(100.0)
        .outage(Outage::default())
        .build()
        .unwrap();
    policy
        .call(Op::idempotent(), async |_| -> Answer { Ok(1) })
        .await
        .unwrap();
    let consulted = policy.snapshot().consulted;
    assert_eq!(
        (
            consulted.health,
            consulted.pause,
            consulted.permit,
            consulted.rate
        ),
        (1, 1, 1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn clones_share_their_limits_and_their_figures() {
    let policy = policy().in_flight(1).build().unwrap();
    let running = tokio::spawn(policy.clone().call(Op::idempotent(), async |_| -> Answer {
        std::future::pending().await
    }));
    tokio::task::yield_now().await;
    assert_eq!(policy.snapshot().in_flight, 1);
    running.abort();
}

#[test]
fn a_policy_and_its_calls_can_move_between_threads() {
    fn moves<T: Send>(_: &T) {}
    fn shares<T: Send + Sync + 'static>() {}
    shares::<Policy>();
    let policy = policy().build().unwrap();
    moves(&policy.call(Op::idempotent(), async |_| -> Answer { Ok(1) }));
}
