//! A permit comes back when everything has ended that runs in the scopes of its attempt.

use std::{convert::Infallible, future::pending, sync::mpsc};

use tidegate::{
    Scope,
    policy::{Attempt, Hedge, HedgeAfter, Op, Outage, Policy, Verdict},
    scope, shield,
};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use crate::support::{Answer, Failed, attempts, fail_times, ms, policy, secs, stop};

/// A policy for one attempt at a time, which makes one attempt a call.
fn narrow() -> Policy {
    attempts(1).in_flight(1).build().unwrap()
}

fn in_flight(policy: &Policy) -> usize {
    policy.snapshot().in_flight
}

/// An attempt that opens a scope, has `begin` start something in it, and never ends by itself.
async fn stuck(begin: impl FnOnce(&Scope<Infallible>)) -> Answer {
    let ended = scope("attempt", async |s: &Scope<Infallible>| {
        begin(s);
        pending::<Result<(), _>>().await
    });
    drop(ended.await);
    Ok(0)
}

/// A child that takes a second more than the attempt has.
fn child_with_grace(s: &Scope<Infallible>) {
    let work = async {
        sleep(secs(2)).await;
        Ok(())
    };
    drop(s.try_spawn_with_grace("child", secs(10), work).unwrap());
}

/// Runs a call whose attempt times out after a second, and says what is in flight right then, and a second later.
async fn after_timeout(policy: &Policy, begin: fn(&Scope<Infallible>)) -> [usize; 2] {
    let op = Op::idempotent().timeout(secs(1));
    let call = policy.call(op, |_| stuck(begin));
    call.await.unwrap_err();
    let then = in_flight(policy);
    sleep(secs(2)).await;
    [then, in_flight(policy)]
}

#[tokio::test(start_paused = true)]
async fn an_attempt_without_children_gives_its_permit_back_at_once() {
    assert_eq!(after_timeout(&narrow(), |_| {}).await, [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_is_dropped_gives_the_permit_back_at_its_next_poll() {
    let policy = narrow();
    let begin =
        |s: &Scope<Infallible>| drop(s.try_spawn("child", pending::<Result<(), _>>()).unwrap());
    assert_eq!(after_timeout(&policy, begin).await, [1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_grace_child_of_a_timed_out_attempt_keeps_the_permit() {
    let policy = narrow();
    assert_eq!(after_timeout(&policy, child_with_grace).await, [1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_critical_section_of_a_timed_out_attempt_keeps_the_permit() {
    let begin = |s: &Scope<Infallible>| {
        let work = async {
            sleep(secs(2)).await;
            Ok(())
        };
        drop(s.critical("pay", secs(10), work).unwrap());
    };
    assert_eq!(after_timeout(&narrow(), begin).await, [1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_clean_up_of_a_timed_out_attempt_keeps_the_permit() {
    let begin = |s: &Scope<Infallible>| {
        let work = async {
            sleep(secs(1)).await;
            Ok(())
        };
        drop(s.defer("close", secs(10), work).unwrap());
    };
    assert_eq!(after_timeout(&narrow(), begin).await, [1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_background_child_of_a_timed_out_attempt_keeps_the_permit() {
    let begin = |s: &Scope<Infallible>| {
        let inner = s.clone();
        let work = async move {
            child_with_grace(&inner);
            pending().await
        };
        s.spawn_background("back", work).unwrap();
    };
    assert_eq!(after_timeout(&narrow(), begin).await, [1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_keeps_its_permit_as_long_as_its_children_run() {
    let policy = narrow();
    let call = policy.call(Op::idempotent(), |_| stuck(child_with_grace));
    timeout(secs(1), call).await.unwrap_err();
    assert_eq!(in_flight(&policy), 1);
    sleep(secs(2)).await;
    assert_eq!(in_flight(&policy), 0);
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_is_dropped_inside_its_attempt_keeps_the_permit_of_an_attempt_that_succeeds() {
    let policy = narrow();
    let attempt = async |_: Attempt| -> Answer {
        timeout(secs(1), stuck(child_with_grace)).await.unwrap_err();
        Ok(7)
    };
    let answer = policy.call(Op::idempotent(), attempt).await;
    assert_eq!(answer.unwrap(), 7);
    assert_eq!(in_flight(&policy), 1);
    sleep(secs(2)).await;
    assert_eq!(in_flight(&policy), 0);
}

#[tokio::test(start_paused = true)]
async fn the_next_call_is_let_in_when_the_last_child_has_ended() {
    let policy = narrow();
    let start = tokio::time::Instant::now();
    let call = policy.call(Op::idempotent().timeout(secs(1)), |_| {
        stuck(child_with_grace)
    });
    call.await.unwrap_err();
    let next = policy.call(Op::idempotent(), async |_| -> Answer { Ok(1) });
    next.await.unwrap();
    // The head of the queue is woken, and does not only look again.
    assert_eq!(start.elapsed(), secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_retry_waits_for_the_children_of_the_attempt_before() {
    let policy = policy().in_flight(1).build().unwrap();
    let start = tokio::time::Instant::now();
    let attempt = async |attempt: Attempt| match attempt.number {
        1 => stuck(child_with_grace).await,
        _ => Ok(2),
    };
    let call = policy.call(Op::idempotent().timeout(secs(1)), attempt);
    assert_eq!(call.await.unwrap(), 2);
    assert_eq!(start.elapsed(), secs(2));
    assert_eq!(policy.snapshot().in_flight_max, 1);
}

#[tokio::test(start_paused = true)]
async fn what_an_attempt_spawns_into_a_scope_around_the_call_does_not_keep_its_permit() {
    let policy = narrow();
    let around = scope("around", async |s: &Scope<Infallible>| {
        let attempt = async |_: Attempt| -> Answer {
            child_with_grace(s);
            Ok(1)
        };
        policy.call(Op::idempotent(), attempt).await.unwrap();
        assert_eq!((s.children(), in_flight(&policy)), (1, 0));
        Ok(())
    });
    around.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn scopes_in_scopes_and_in_shields_keep_the_permit() {
    let policy = narrow();
    let attempt = async |_: Attempt| -> Answer {
        let inner = shield(secs(60), stuck(child_with_grace));
        let outer = scope("outer", async |_: &Scope<Infallible>| {
            inner.await.unwrap().unwrap();
            Ok(())
        });
        drop(outer.await);
        Ok(1)
    };
    let call = policy.call(Op::idempotent().timeout(secs(1)), attempt);
    call.await.unwrap_err();
    assert_eq!(in_flight(&policy), 1);
    sleep(secs(2)).await;
    assert_eq!(in_flight(&policy), 0);
}

#[tokio::test(start_paused = true)]
async fn a_child_inside_two_attempts_keeps_both_permits() {
    let (outer, inner) = (narrow(), narrow());
    let attempt = async |_: Attempt| -> Answer {
        let call = inner.call(Op::idempotent(), |_| stuck(child_with_grace));
        Ok(call.await.unwrap_or(0))
    };
    let call = outer.call(Op::idempotent().timeout(secs(1)), attempt);
    call.await.unwrap_err();
    assert_eq!((in_flight(&outer), in_flight(&inner)), (1, 1));
    sleep(secs(2)).await;
    assert_eq!((in_flight(&outer), in_flight(&inner)), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_is_carried_out_of_its_attempt_holds_nothing_while_it_is_idle() {
    let policy = narrow();
    let attempt = async |_: Attempt| -> Answer {
        let mut open = Box::pin(stuck(|_| {}));
        timeout(ms(1), &mut open).await.unwrap_err();
        std::mem::forget(open);
        Ok(1)
    };
    policy.call(Op::idempotent(), attempt).await.unwrap();
    assert_eq!(in_flight(&policy), 0);
}

#[tokio::test(start_paused = true)]
async fn no_second_probe_is_sent_while_a_part_of_the_first_runs() {
    let outage = Outage {
        failures: 1,
        probe_base: ms(10),
        probe_cap: ms(10),
        ..Outage::default()
    };
    let policy = policy().outage(outage).build().unwrap();
    fail_times(&policy, 1, Verdict::overload()).await;
    let probe = policy.call(Op::unsafe_to_repeat(), async |_: Attempt| {
        timeout(secs(1), stuck(child_with_grace)).await.unwrap_err();
        Answer::Err(Failed(Verdict::overload()))
    });
    let (_, next) = tokio::join!(probe, async {
        sleep(ms(500)).await;
        let start = tokio::time::Instant::now();
        stop(
            &policy,
            Op::unsafe_to_repeat(),
            &[Err(Failed(Verdict::fatal()))],
        )
        .await;
        start.elapsed()
    });
    assert!((ms(1_500)..ms(1_600)).contains(&next), "{next:?}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_an_attempt_leaves_the_permit_to_its_children() {
    let policy = narrow();
    let call = policy.call(Op::idempotent(), async |_: Attempt| -> Answer {
        timeout(ms(1), stuck(child_with_grace)).await.unwrap_err();
        panic!("on purpose")
    });
    tokio::spawn(call).await.unwrap_err();
    assert_eq!(in_flight(&policy), 1);
    sleep(secs(2)).await;
    assert_eq!(in_flight(&policy), 0);
}

#[tokio::test(start_paused = true)]
async fn the_loser_of_a_hedged_attempt_keeps_its_permit_as_long_as_its_children_run() {
    let hedge = Hedge {
        after: HedgeAfter::Fixed(secs(1)),
        ..Hedge::default()
    };
    let policy = policy().in_flight(2).hedge(hedge).build().unwrap();
    let attempt = async |attempt: Attempt| match attempt.is_hedge {
        true => Ok(7),
        false => stuck(child_with_grace).await,
    };
    assert_eq!(policy.call(Op::idempotent(), attempt).await.unwrap(), 7);
    assert_eq!(in_flight(&policy), 1);
    sleep(secs(2)).await;
    assert_eq!(in_flight(&policy), 0);
    assert_eq!(policy.snapshot().in_flight_max, 2);
}

/// On real threads: nothing tells a closure to stop.
#[tokio::test]
async fn a_thread_of_an_attempt_keeps_its_permit() {
    let policy = narrow();
    let (go, wait) = mpsc::channel::<()>();
    let (begins, begun) = oneshot::channel();
    let begin = |s: &Scope<Infallible>| {
        let work = move |_| {
            begins.send(()).unwrap();
            wait.recv().unwrap();
            Ok(())
        };
        drop(s.spawn_blocking("thread", work).unwrap());
    };
    let mut begin = Some(begin);
    let call = policy.call(Op::idempotent(), |_| stuck(begin.take().expect("once")));
    tokio::select! {
        _ = call => unreachable!("it never ends"),
        begun = begun => begun.unwrap(),
    }
    assert_eq!(in_flight(&policy), 1);
    let next = policy.call(Op::idempotent(), async |_| -> Answer { Ok(1) });
    let (next, ()) = tokio::join!(next, async {
        assert_eq!(policy.snapshot().waiting, 1);
        go.send(()).unwrap();
    });
    assert_eq!(next.unwrap(), 1);
    assert_eq!(in_flight(&policy), 0);
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_is_kept_by_hand_as_well_comes_back_with_the_last_of_both() {
    let policy = narrow();
    let mut kept = None;
    let attempt = |attempt: Attempt| {
        kept = Some(attempt.keep_permit());
        stuck(child_with_grace)
    };
    let call = policy.call(Op::idempotent().timeout(secs(1)), attempt);
    call.await.unwrap_err();
    sleep(secs(2)).await;
    assert_eq!(in_flight(&policy), 1);
    drop(kept);
    assert_eq!(in_flight(&policy), 0);
}

/// On real threads, where attempts and their children end in any order.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_get_every_permit_back_from_what_attempts_leave_behind() {
    let policy = policy().in_flight(3).build().unwrap();
    let rest = async |yields: usize| {
        for _ in 0..yields {
            tokio::task::yield_now().await;
        }
    };
    let tasks: Vec<_> = (0..24usize)
        .map(|task| {
            let policy = policy.clone();
            tokio::spawn(async move {
                for round in 0..100usize {
                    let attempt = async |_: Attempt| -> Answer {
                        let ended = scope("attempt", async |s: &Scope<Infallible>| {
                            let child = async move {
                                rest(round % 5).await;
                                Ok(())
                            };
                            drop(s.try_spawn_with_grace("child", secs(60), child).unwrap());
                            rest(task % 3).await;
                            Ok(())
                        });
                        drop(ended.await);
                        Ok(1)
                    };
                    let call = policy.call(Op::idempotent(), attempt);
                    tokio::select! {
                        _ = call => {}
                        () = rest((task + round) % 9), if round % 2 == 0 => {}
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    // Those that were left behind have a task each; all permits at once are there when these have ended.
    let all = tokio::sync::Barrier::new(3);
    let call = || {
        policy.call(Op::idempotent(), async |_| -> Answer {
            all.wait().await;
            Ok(1)
        })
    };
    let (a, b, c) = tokio::join!(call(), call(), call());
    assert_eq!((a.unwrap(), b.unwrap(), c.unwrap()), (1, 1, 1));
    let snapshot = policy.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.in_flight_max), (0, 3));
}
