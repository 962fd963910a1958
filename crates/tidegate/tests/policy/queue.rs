//! Who of those who wait is next, and who need not wait any longer.

use std::{
    future::{pending, poll_fn},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use tidegate::policy::{Attempt, Hedge, HedgeAfter, Op, Policy, Queue, StopReason, Verdict};
use tokio::{
    sync::{mpsc, oneshot},
    task::{JoinHandle, yield_now},
    time::{Instant, sleep, timeout},
};

use crate::support::{Answer, Failed, ms, policy};

/// Starts a call that says its name when it is served, and takes `work`.
fn serve(
    policy: &Policy,
    order: &mpsc::Sender<u32>,
    name: u32,
    work: Duration,
    op: Op,
) -> JoinHandle<StopReason> {
    let order = order.clone();
    let call = policy.call(op, move |_| {
        let order = order.clone();
        async move {
            order.send(name).await.expect("the test listens");
            sleep(work).await;
            Answer::Ok(name)
        }
    });
    tokio::spawn(async {
        call.await
            .map_or_else(|error| error.why, |_| StopReason::Cancelled)
    })
}

/// The names of the calls served, in their order, once all have ended.
async fn all(mut served: mpsc::Receiver<u32>, order: mpsc::Sender<u32>) -> Vec<u32> {
    drop(order);
    let mut names = Vec::new();
    while let Some(name) = served.recv().await {
        names.push(name);
    }
    names
}

#[tokio::test(start_paused = true)]
async fn in_a_queue_that_stands_the_newest_is_next() {
    let policy = policy().in_flight(1).build().unwrap();
    let (order, served) = mpsc::channel(16);
    for name in 0..6 {
        serve(&policy, &order, name, ms(60), Op::idempotent());
    }
    sleep(ms(90)).await;
    assert!(!policy.snapshot().queue.newest_first);
    sleep(ms(20)).await;
    assert!(policy.snapshot().queue.newest_first);
    // At 60 ms nobody has waited for 100, at 120 all have.
    assert_eq!(all(served, order).await, [0, 1, 5, 4, 3, 2]);
    assert!(!policy.snapshot().queue.newest_first);
}

#[tokio::test(start_paused = true)]
async fn once_nobody_has_waited_long_the_oldest_is_next_again() {
    let policy = policy().in_flight(1).build().unwrap();
    let (order, served) = mpsc::channel(16);
    for name in 0..3 {
        serve(&policy, &order, name, ms(120), Op::idempotent());
    }
    sleep(ms(330)).await;
    for name in 3..6 {
        serve(&policy, &order, name, ms(30), Op::idempotent());
    }
    // At 120 ms the newest is 2 and at 240 only 1 is left. At 360, 390 and 420 nobody has waited for 100.
    assert_eq!(all(served, order).await, [0, 2, 1, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_for_work_that_nobody_gives_up_stays_in_order() {
    let queue = Queue::default().oldest_first();
    let policy = policy().in_flight(1).queue(queue).build().unwrap();
    let (order, served) = mpsc::channel(16);
    for name in 0..6 {
        serve(&policy, &order, name, ms(60), Op::idempotent());
    }
    assert_eq!(all(served, order).await, [0, 1, 2, 3, 4, 5]);
    assert!(!policy.snapshot().queue.newest_first);
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_time_is_over_is_passed_over_and_refused_then() {
    let policy = policy().in_flight(1).build().unwrap();
    let (order, served) = mpsc::channel(16);
    let start = Instant::now();
    serve(&policy, &order, 0, ms(80), Op::idempotent());
    yield_now().await;
    let late = serve(
        &policy,
        &order,
        1,
        ms(1),
        Op::idempotent().deadline(start + ms(30)),
    );
    serve(
        &policy,
        &order,
        2,
        ms(1),
        Op::idempotent().deadline(start + ms(300)),
    );
    assert_eq!(late.await.unwrap(), StopReason::DeadlineTooClose);
    assert_eq!(start.elapsed(), ms(30));
    assert_eq!(all(served, order).await, [0, 2]);
    assert_eq!(start.elapsed(), ms(81));
    let queue = policy.snapshot().queue;
    assert_eq!((queue.expired, queue.refused), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_not_refused_by_a_full_queue() {
    let policy = policy()
        .in_flight(1)
        .queue(Queue::bounded(1))
        .build()
        .unwrap();
    let fails_once = policy.call(Op::idempotent(), async |attempt: Attempt| -> Answer {
        sleep(ms(60)).await;
        match attempt.number {
            1 => Err(Failed(Verdict::transient())),
            n => Ok(n),
        }
    });
    let fails_once = tokio::spawn(fails_once);
    yield_now().await;
    let (order, _served) = mpsc::channel(16);
    let waits = serve(&policy, &order, 1, ms(60), Op::idempotent());
    yield_now().await;
    let refused = serve(&policy, &order, 2, ms(60), Op::idempotent());
    assert_eq!(refused.await.unwrap(), StopReason::Full { limit: 1 });
    // While the first call waits out its back-off, the second one is let through and a third takes its place.
    sleep(ms(61)).await;
    let third = serve(&policy, &order, 3, ms(60), Op::idempotent());
    assert_eq!(fails_once.await.unwrap().unwrap(), 2);
    waits.await.unwrap();
    third.await.unwrap();
    assert_eq!(policy.snapshot().queue.refused, 1);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_waits_behind_all_and_takes_no_place() {
    let hedge = Hedge {
        after: HedgeAfter::Fixed(ms(10)),
        ..Hedge::default()
    };
    let policy = policy()
        .in_flight(1)
        .queue(Queue::bounded(1))
        .hedge(hedge)
        .build()
        .unwrap();
    let (order, served) = mpsc::channel(16);
    serve(&policy, &order, 0, ms(50), Op::idempotent());
    sleep(ms(20)).await;
    assert_eq!(policy.snapshot().waiting, 0);
    let second = serve(&policy, &order, 1, ms(5), Op::idempotent());
    second.await.unwrap();
    assert_eq!(all(served, order).await, [0, 1]);
    assert_eq!(policy.snapshot().hedge.unwrap().sent, 0);
}

#[tokio::test(start_paused = true)]
async fn the_time_at_the_gate_is_counted() {
    let policy = policy().in_flight(1).build().unwrap();
    let (order, served) = mpsc::channel(16);
    for name in 0..3 {
        serve(&policy, &order, name, ms(40), Op::idempotent());
    }
    all(served, order).await;
    let wait = policy.snapshot().queue.wait;
    assert!((wait.p50_ms / 40.0 - 1.0).abs() < 0.05, "{wait:?}");
    assert!((wait.p99_ms / 80.0 - 1.0).abs() < 0.05, "{wait:?}");
}

/// Many futures like the one of RFD 609, in front of one that is polled: each costs 10 ms.
#[tokio::test(start_paused = true)]
async fn waiters_that_nobody_polls_hold_up_the_others_for_moments() {
    let queue = Queue::default().oldest_first();
    let policy = policy().in_flight(2).queue(queue).build().unwrap();
    let hang = || {
        policy.call(
            Op::unsafe_to_repeat().timeout(ms(100)),
            async |_| -> Answer { pending().await },
        )
    };
    let [first, second] = [hang(), hang()].map(tokio::spawn);
    yield_now().await;
    let start = Instant::now();
    let mut held: Vec<_> = (0..20)
        .map(|_| Box::pin(policy.call(Op::idempotent(), async |_| -> Answer { Ok(1) })))
        .collect();
    for call in &mut held {
        assert!(timeout(Duration::ZERO, call).await.is_err());
    }
    let other = policy.call(Op::idempotent(), async |_| -> Answer { Ok(2) });
    assert_eq!(tokio::spawn(other).await.unwrap().unwrap(), 2);
    // The permits come back at 100 ms, and two are called at a time.
    assert_eq!(start.elapsed(), ms(100) + ms(10) * 10);
    first.abort();
    second.abort();
    for call in held {
        assert_eq!(call.await.unwrap(), 1);
    }
    assert_eq!(
        (policy.snapshot().waiting, policy.snapshot().in_flight),
        (0, 0)
    );
}

/// The same on threads and a real clock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiters_that_nobody_polls_hold_up_nobody_on_threads_either() {
    let policy = policy().in_flight(1).build().unwrap();
    let (release, released) = oneshot::channel::<()>();
    let mut released = Some(released);
    let holder = tokio::spawn(policy.call(Op::unsafe_to_repeat(), move |_| {
        let released = released.take();
        async move {
            released.unwrap().await.unwrap();
            Ok::<_, Failed>(0)
        }
    }));
    while policy.snapshot().in_flight == 0 {
        yield_now().await;
    }
    let mut held: Vec<_> = (0..5)
        .map(|_| Box::pin(policy.call(Op::idempotent(), async |_| -> Answer { Ok(1) })))
        .collect();
    for call in &mut held {
        assert!(poll_once(call).await.is_none());
    }
    let other = tokio::spawn(policy.call(Op::idempotent(), async |_| -> Answer { Ok(2) }));
    release.send(()).unwrap();
    assert_eq!(holder.await.unwrap().unwrap(), 0);
    assert_eq!(other.await.unwrap().unwrap(), 2);
}

/// What `future` has after one poll.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    poll_fn(|cx| {
        Poll::Ready(match Pin::new(&mut *future).poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}
