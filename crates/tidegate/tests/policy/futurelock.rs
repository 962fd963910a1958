//! The program of RFD 609 (Oxide, "Futurelock"), with a policy for its mutex.
//!
//! `select!` has a future by reference that waits for the one permit, and goes on with another arm, in which the same task
//! waits for the permit as well. The first future is ahead in the queue and is not polled again. A fair lock hands itself to
//! that future, and the program stands still for ever. There is no other traffic that could move the queue.

use std::time::Duration;

use tidegate::policy::{Op, Policy};
use tokio::{
    runtime::Builder,
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::support::{Answer, ms, policy};

/// How long the background task has the permit, and when the program loses its patience: a tenth and a fiftieth of the
/// original's times.
const HELD: Duration = ms(500);
const PATIENCE: Duration = ms(10);

/// Takes the permit and keeps it for a while.
async fn start_background_task(policy: &Policy) -> JoinHandle<()> {
    let (tell, told) = oneshot::channel();
    let (policy, mut tell) = (policy.clone(), Some(tell));
    let task = tokio::spawn(async move {
        let attempt = move |_| {
            let tell = tell.take().expect("one attempt");
            async move {
                tell.send(()).expect("the program waits for it");
                sleep(HELD).await;
                Answer::Ok(0)
            }
        };
        policy.call(Op::idempotent(), attempt).await.unwrap();
    });
    told.await.unwrap();
    task
}

async fn do_async_thing(policy: &Policy, label: u32) -> u32 {
    let attempt = async |_| Answer::Ok(label);
    policy.call(Op::idempotent(), attempt).await.unwrap()
}

async fn do_stuff(policy: &Policy) -> u32 {
    let mut first = Box::pin(do_async_thing(policy, 1));
    tokio::select! {
        label = &mut first => label,
        // The program's own sleep: here it stops polling the first one.
        () = sleep(PATIENCE) => do_async_thing(policy, 2).await,
    }
}

async fn program() -> (u32, Duration) {
    let policy = policy().in_flight(1).build().unwrap();
    let background = start_background_task(&policy).await;
    let start = Instant::now();
    let label = timeout(60 * HELD, do_stuff(&policy)).await;
    let took = start.elapsed();
    background.await.unwrap();
    assert_eq!(policy.snapshot().in_flight, 0);
    (label.expect("it does not stand still"), took)
}

#[tokio::test(start_paused = true)]
async fn it_goes_on_as_soon_as_the_one_that_is_not_polled_is_overdue() {
    let (label, took) = program().await;
    assert_eq!(label, 2);
    assert!(took >= HELD && took <= HELD + ms(11), "{took:?}");
}

#[test]
fn it_goes_on_in_both_runtimes_on_a_real_clock() {
    let one = Builder::new_current_thread().enable_all().build().unwrap();
    let many = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    for runtime in [one, many] {
        let task = runtime.spawn(program());
        assert_eq!(runtime.block_on(task).unwrap().0, 2);
    }
}
