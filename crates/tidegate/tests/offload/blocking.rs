//! Blocking calls.

use crate::support::*;
use std::{
    collections::HashSet,
    future::pending,
    sync::{Arc, Barrier, mpsc::channel},
    thread,
    time::Duration,
};
use tidegate::{Opts, RefusedBecause, Scope, StopFlag, Stopped, scope};

#[tokio::test]
async fn a_blocking_call_is_a_child_with_a_value_an_error_or_a_panic() {
    let value = scope("value", async |s: &Scope<Fail>| {
        Ok(s.spawn_blocking("add", |_| Ok(40 + 2))?.await?)
    });
    assert_eq!(value.await.unwrap(), 42);

    let error = scope("error", async |s: &Scope<Fail>| {
        drop(s.spawn_blocking("bad", |_| Err::<(), _>(Fail("x".into())))?);
        pending::<Result<(), _>>().await
    });
    assert_eq!(failures(error.await.unwrap_err()), ["bad: x"]);

    let mut task = None;
    let error = scope("panic", async |s: &Scope<Fail>| {
        let work = |_: StopFlag| -> Result<(), Fail> { panic!("y") };
        task = Some(s.spawn_blocking("bad", work)?);
        Ok(())
    });
    assert_eq!(failures(error.await.unwrap_err()), ["bad! y"]);
    assert_eq!(task.unwrap().await, Err(Stopped::Panicked));
}

#[tokio::test]
async fn threads_are_used_again() {
    let mut threads = HashSet::new();
    scope("again", async |s: &Scope<Fail>| {
        for _ in 0..50 {
            let id = s.spawn_blocking("id", |_| Ok(thread::current().id()))?;
            threads.insert(id.await?);
        }
        Ok(())
    })
    .await
    .unwrap();
    assert!(threads.len() < 50, "{}", threads.len());
}

#[tokio::test]
async fn calls_that_wait_for_each_other_all_have_a_thread() {
    const MANY: usize = 50;
    scope("all", async |s: &Scope<Fail>| {
        let barrier = Arc::new(Barrier::new(MANY));
        for _ in 0..MANY {
            let barrier = barrier.clone();
            drop(s.spawn_blocking("waits", move |_| {
                barrier.wait();
                Ok(())
            })?);
        }
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_blocking_call_is_told_and_waited_for() {
    let log = Log::default();
    let error = scope("told", async |s: &Scope<Fail>| {
        let (runs, running) = tokio::sync::oneshot::channel();
        let log = log.clone();
        drop(s.spawn_blocking("loops", move |stop: StopFlag| {
            runs.send(()).unwrap();
            until_told(&stop);
            log.note(format!("{:?} {:?}", stop.reason(), tidegate::reason()));
            Ok(())
        })?);
        running.await?;
        s.cancel(ENOUGH, Duration::ZERO);
        pending::<Result<(), _>>().await
    });
    assert_eq!(error.await.unwrap_err().reason(), Some(ENOUGH));
    assert_eq!(log.take(), [r#"Some(User("enough")) Some(User("enough"))"#]);
}

#[tokio::test]
async fn a_blocking_call_may_spawn_into_its_scope() {
    let value = scope("spawns", async |s: &Scope<Fail>| {
        let inner = s.clone();
        let task = s.spawn_blocking("blocks", move |_| {
            Ok(inner.try_spawn("task", async { Ok(7) })?)
        })?;
        Ok(task.await?.await?)
    });
    assert_eq!(value.await.unwrap(), 7);
}

#[tokio::test]
async fn a_call_that_is_not_taken_hands_its_closure_back() {
    let one = Opts::named("one").max_children(1);
    scope(one, async |s: &Scope<Fail>| {
        let (hold, held) = channel::<()>();
        let holds = s.spawn_blocking("holds", move |_| Ok(held.recv()?))?;
        let text = String::from("mine");
        let refused = s.spawn_blocking("second", move |_| Ok(text)).unwrap_err();
        assert_eq!(refused.because, RefusedBecause::Full { limit: 1 });
        assert_eq!(size_of_val(&refused.into_work()), size_of::<String>());
        hold.send(())?;
        holds.await?;
        s.cancel(ENOUGH, Duration::ZERO);
        let refused = s.spawn_blocking("late", |_| Ok(())).unwrap_err();
        assert_eq!(refused.because, RefusedBecause::Cancelling(ENOUGH));
        Ok(())
    })
    .await
    .unwrap();
}

#[test]
fn a_runtime_s_end_waits_for_no_call() {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap();
    let (hold, held) = channel::<()>();
    let (done, ended) = channel();
    runtime.block_on(async {
        let (runs, running) = tokio::sync::oneshot::channel();
        let left = scope("left", async |s: &Scope<Fail>| {
            drop(s.spawn_blocking("holds", move |_| {
                runs.send(()).unwrap();
                held.recv()?;
                done.send(()).unwrap();
                Ok(())
            })?);
            Ok(())
        });
        tokio::select! {
            _ = left => unreachable!("it waits for its child"),
            _ = running => {}
        }
    });
    // Would wait for ever if the call were the runtime's.
    drop(runtime);
    hold.send(()).unwrap();
    ended.recv().unwrap();
}
