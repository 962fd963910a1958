//! A policy shared by runtimes, each with timers of its own.

use std::{future::pending, sync::Arc, time::Duration};

use tidegate::policy::{Attempt, Class, Op, Policy, Retry, StopReason};
use tokio::{
    runtime::{Builder, Runtime},
    time::{Instant, advance, timeout},
};

use crate::support::{Answer, Failed, ms, secs};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

fn policy() -> Policy {
    let once = Retry {
        max_attempts: 1,
        ..Retry::default()
    };
    Policy::named("api")
        .in_flight(2)
        .retry(once)
        .build()
        .unwrap()
}

fn hang(policy: &Policy, op: Op) -> impl Future<Output = Class> + use<> {
    let call = policy.call(op, async |_| -> Answer { pending().await });
    async { call.await.expect_err("it does not answer").attempts[0].class }
}

#[test]
fn a_runtime_that_stands_still_holds_up_no_timeout_of_another() {
    let (still, other, policy) = (runtime(), runtime(), policy());
    let call = hang(&policy, Op::idempotent().timeout(ms(5)));
    still.block_on(async {
        // Its alarm is set, and nobody looks at it again.
        drop(tokio::spawn(call));
        while policy.snapshot().in_flight == 0 {
            tokio::task::yield_now().await;
        }
    });
    let ends = other.block_on(hang(&policy, Op::idempotent().timeout(ms(20))));
    assert_eq!(ends, Class::Timeout);
    assert_eq!(policy.snapshot().in_flight, 1);
    drop(still);
    assert_eq!(policy.snapshot().in_flight, 0);
}

#[test]
fn a_runtime_that_stands_still_holds_up_no_waiter_of_another() {
    let (still, other, policy) = (runtime(), runtime(), policy());
    policy.set_in_flight(1).unwrap();
    let holds = hang(&policy, Op::idempotent());
    let waits = hang(&policy, Op::idempotent());
    still.block_on(async {
        drop([tokio::spawn(holds), tokio::spawn(waits)]);
        while policy.snapshot().waiting == 0 {
            tokio::task::yield_now().await;
        }
    });
    policy.set_in_flight(2).unwrap();
    // The waiter was called, and will not come.
    let answers = policy.call(Op::idempotent(), async |_| -> Answer { Ok(1) });
    let answer = other.block_on(async { timeout(secs(30), answers).await });
    assert_eq!(answer.expect("its turn comes").unwrap(), 1);
}

#[test]
fn a_call_that_outlives_its_runtime_ends_in_time_in_another() {
    let (first, second, policy) = (runtime(), runtime(), policy());
    policy.set_in_flight(1).unwrap();
    let mut attempt = Box::pin(hang(&policy, Op::idempotent().timeout(ms(40))));
    let mut waiter = Box::pin(hang(&policy, Op::idempotent().timeout(ms(1))));
    first.block_on(async {
        assert!(timeout(ms(1), &mut attempt).await.is_err());
        assert!(timeout(ms(1), &mut waiter).await.is_err());
    });
    drop(first);
    let ends = second.block_on(async { tokio::join!(attempt, waiter) });
    assert_eq!(ends, (Class::Timeout, Class::Timeout));
}

#[test]
fn alarms_do_not_keep_a_policy() {
    let runtime = runtime();
    let name: Arc<str> = "api".into();
    let policy = Policy::named(Arc::clone(&name))
        .in_flight(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let hangs = hang(&policy, Op::idempotent().timeout(ms(60_000)));
        assert!(timeout(ms(1), hangs).await.is_err());
    });
    drop(policy);
    assert_eq!(Arc::strong_count(&name), 1);
}

/// Waits in one runtime, which then stands still or ends, and from there on in another.
fn why_a_waiter_stops(deadline_in: Duration, first_ends: bool) -> StopReason {
    let (first, second, policy) = (runtime(), runtime(), policy());
    policy.set_in_flight(1).unwrap();
    let mut holds = Box::pin(hang(&policy, Op::idempotent()));
    let waits = Op::idempotent().deadline(Instant::now() + deadline_in);
    let mut waits = Box::pin(policy.call(waits, async |_| -> Answer { Ok(1) }));
    let mut first = Some(first);
    first.as_ref().expect("just made").block_on(async {
        assert!(timeout(ms(1), &mut holds).await.is_err());
        assert!(timeout(ms(1), &mut waits).await.is_err());
    });
    first.take_if(|_| first_ends);
    let start = Instant::now();
    let end = second.block_on(async { timeout(secs(30), waits).await });
    assert!(start.elapsed() < secs(10), "it is told in time");
    end.expect("it has ended by then")
        .expect_err("no permit comes")
        .why
}

#[test]
fn a_waiter_that_moves_to_another_runtime_hears_of_its_deadline_there() {
    for first_ends in [false, true] {
        let why = why_a_waiter_stops(ms(60), first_ends);
        assert_eq!(why, StopReason::DeadlineTooClose, "{first_ends}");
    }
}

#[test]
fn a_waiter_that_moves_to_another_runtime_hears_there_that_its_token_is_due() {
    let (first, second, policy) = (runtime(), runtime(), policy());
    policy.set_rate(20.0).unwrap();
    let mut waits = Box::pin(policy.call(Op::idempotent(), async |_| -> Answer { Ok(2) }));
    first.block_on(async {
        let pays = policy.call(Op::idempotent(), async |_| -> Answer { Ok(1) });
        assert_eq!(pays.await.unwrap(), 1);
        assert!(timeout(ms(1), &mut waits).await.is_err());
    });
    let start = Instant::now();
    let answer = second.block_on(async { timeout(secs(30), waits).await });
    assert!(start.elapsed() < secs(10), "it is told in time");
    assert_eq!(answer.expect("its token comes").unwrap(), 2);
}

#[test]
fn a_runtime_whose_paused_clock_is_ahead_holds_up_no_timeout_of_another() {
    let paused = || {
        Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
    };
    let (behind, ahead, policy) = (paused(), paused(), policy());
    let soon = Op::idempotent().timeout(ms(10));
    let late = Op::idempotent().timeout(ms(20));
    let mut calls = Box::pin(async { tokio::join!(hang(&policy, soon), hang(&policy, late)) });
    behind.block_on(async {
        tokio::select! {
            biased;
            _ = &mut calls => unreachable!("nothing ends at once"),
            () = std::future::ready(()) => {}
        }
    });
    ahead.block_on(async {
        advance(secs(3600)).await;
        policy.snapshot();
    });
    behind.block_on(async {
        let start = Instant::now();
        let ends = timeout(secs(30), calls).await;
        assert_eq!(ends, Ok((Class::Timeout, Class::Timeout)));
        assert!(start.elapsed() < secs(1), "{:?}", start.elapsed());
    });
}

/// Whether a runtime's memory is given back once it has ended, is seen by what its hooks hold.
#[test]
fn a_wait_that_was_given_up_keeps_nothing_of_its_runtime() {
    let policy = policy();
    let kept = Arc::new(());
    for _ in 0..3 {
        let hook = Arc::clone(&kept);
        let runtime = Builder::new_current_thread()
            .enable_time()
            .on_thread_park(move || drop(Arc::clone(&hook)))
            .build()
            .unwrap();
        runtime.block_on(async {
            policy.set_in_flight(1).unwrap();
            let attempt = async |attempt: Attempt| Ok::<_, Failed>(attempt.keep_permit());
            let permit = policy.call(Op::idempotent(), attempt).await.unwrap();
            assert!(
                timeout(ms(1), hang(&policy, Op::idempotent()))
                    .await
                    .is_err()
            );
            drop(permit);
        });
    }
    assert_eq!(Arc::strong_count(&kept), 1);
}
