//! A call's future may be dropped at any point. Whatever it held comes back.

use std::time::Duration;

use proptest::prelude::*;
use tidegate::policy::{Attempt, Health, Op, Outage, Policy, Verdict};
use tokio::{runtime::Builder, time::sleep};

use crate::support::{Answer, Failed, ms, policy, secs};

/// One call of a program: when it comes, how its attempts end, and when its future is dropped.
#[derive(Clone, Debug)]
struct Plan {
    comes: Duration,
    takes: Duration,
    ends: Answer,
    dropped: Option<Duration>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let verdict = prop_oneof![
        5 => Just(Ok(1)),
        1 => Just(Err(Failed(Verdict::transient()))),
        1 => Just(Err(Failed(Verdict::throttled()))),
        1 => Just(Err(Failed(Verdict::never_sent()))),
        1 => Just(Err(Failed(Verdict::fatal()))),
    ];
    let millis = |most: u64| (0..most).prop_map(ms);
    (
        millis(300),
        millis(200),
        verdict,
        prop::option::of(millis(600)),
    )
        .prop_map(|(comes, takes, ends, dropped)| Plan {
            comes,
            takes,
            ends,
            dropped,
        })
}

/// Runs the calls at once and drops those that are to be dropped, and in the end all that still run.
async fn play(policy: &Policy, plans: Vec<Plan>) {
    let calls: Vec<_> = plans
        .into_iter()
        .map(|plan| {
            let policy = policy.clone();
            tokio::spawn(async move {
                sleep(plan.comes).await;
                let attempt = async |_: Attempt| -> Answer {
                    sleep(plan.takes).await;
                    plan.ends
                };
                let call = policy.call(Op::idempotent().timeout(ms(150)), attempt);
                match plan.dropped {
                    Some(after) => drop(tokio::time::timeout(after, call).await),
                    None => drop(call.await),
                }
            })
        })
        .collect();
    sleep(secs(5)).await;
    for call in calls {
        call.abort();
        drop(call.await);
    }
}

fn on_paused_time(program: impl Future<Output = ()>) {
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(program);
}

proptest! {
    #[test]
    fn dropping_calls_at_any_point_leaks_nothing(
        plans in prop::collection::vec(plan(), 1..40),
        in_flight in 1usize..4,
        rate in prop::option::of(5.0f64..200.0),
        seed: u64,
    ) {
        on_paused_time(async {
            let builder = policy().seed(seed).in_flight(in_flight).outage(Outage::default());
            let policy = match rate {
                Some(rate) => builder.rate(rate).build().unwrap(),
                None => builder.build().unwrap(),
            };
            play(&policy, plans).await;
            let snapshot = policy.snapshot();
            assert_eq!((snapshot.in_flight, snapshot.waiting), (0, 0));
            assert!(snapshot.in_flight_max <= in_flight);
            // No probe, no permit and no token is lost: as many calls as may be in flight go through.
            let calls: Vec<_> =
                (0..in_flight).map(|_| tokio::spawn(policy.call(Op::idempotent(), async |_| -> Answer { Ok(1) }))).collect();
            for call in calls {
                call.await.unwrap().unwrap();
            }
            assert_eq!(policy.snapshot().health, Health::Up);
        });
    }

    #[test]
    fn calls_that_are_dropped_do_not_touch_the_budget(drops in prop::collection::vec(0u64..120, 1..30), seed: u64) {
        on_paused_time(async {
            let policy = policy().seed(seed).in_flight(2).build().unwrap();
            for after in drops {
                // The first attempt fails at once and is charged for a second, which never ends.
                let attempt = async |attempt: Attempt| -> Answer {
                    if attempt.number > 1 {
                        std::future::pending::<()>().await;
                    }
                    Err(Failed(Verdict::transient()))
                };
                drop(tokio::time::timeout(ms(after), policy.call(Op::idempotent(), attempt)).await);
            }
            assert_eq!(policy.snapshot().budget, 500);
        });
    }
}

/// The same on real threads, where wakes, releases and drops meet in any order.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_leak_nothing() {
    let policy = policy().in_flight(3).build().unwrap();
    let tasks: Vec<_> = (0..48usize)
        .map(|task| {
            let policy = policy.clone();
            tokio::spawn(async move {
                for round in 0..100usize {
                    let attempt = async |_| -> Answer {
                        tokio::task::yield_now().await;
                        Ok(1)
                    };
                    let call = policy.call(Op::idempotent(), attempt);
                    let patience = async {
                        for _ in 0..(task + round) % 9 {
                            tokio::task::yield_now().await;
                        }
                    };
                    tokio::select! {
                        _ = call => {}
                        () = patience, if round % 2 == 0 => {}
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let snapshot = policy.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.waiting), (0, 0));
    assert_eq!(snapshot.in_flight_max, 3);
}
