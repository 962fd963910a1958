//! A policy shared by runtimes, each with timers of its own.

use std::{future::pending, sync::Arc};

use tidegate::policy::{Class, Op, Policy, Retry};
use tokio::{
    runtime::{Builder, Runtime},
    time::timeout,
};

use crate::support::{Answer, ms, secs};

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
