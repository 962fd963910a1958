//! Scopes that are told, dropped or gone while the pool has work of theirs.

use crate::support::*;
use std::{future::pending, sync::mpsc::channel, time::Duration};
use tidegate::{
    Opts, Reason, RefusedBecause, Scope, StopFlag, Stopped, cancelled,
    offload::{Pool, PoolOpts},
    scope,
};
use tokio::{select, sync::oneshot, task::yield_now};

#[tokio::test]
async fn what_waits_in_the_queue_is_dropped_when_its_scope_is_told() {
    let pool = narrow(1);
    let log = Log::default();
    scope("outer", async |outer: &Scope<Fail>| {
        let held = hold(&pool, outer).await;
        let mut task = None;
        let error = scope("told", async |s: &Scope<Fail>| {
            let dropped = NoteDrop(log.clone(), "dropped");
            let work = move |_: &StopFlag| {
                dropped.0.note("ran");
                Ok(())
            };
            task = Some(pool.spawn(s, "waits", work).await);
            s.cancel(ENOUGH, Duration::ZERO);
            pending::<Result<(), _>>().await
        });
        // It ends although the only thread is held.
        assert_eq!(error.await.unwrap_err().reason(), Some(ENOUGH));
        assert_eq!(log.take(), ["dropped"]);
        assert_eq!(task.unwrap().await, Err(TOLD));
        // The place is free again.
        let next = pool.try_spawn(outer, "next", |_| Ok(7))?;
        held.let_go().await;
        assert_eq!(next.await?, 7);
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_destructor_that_panics_in_the_queue_is_the_child_s_panic() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("on drop");
        }
    }
    let pool = narrow(1);
    scope("outer", async |outer: &Scope<Fail>| {
        let held = hold(&pool, outer).await;
        let mut task = None;
        let error = scope("told", async |s: &Scope<Fail>| {
            let bad = Bad;
            let work = move |_: &StopFlag| {
                let _bad = bad;
                Ok(())
            };
            task = Some(pool.spawn(s, "bad", work).await);
            s.cancel(ENOUGH, Duration::ZERO);
            pending::<Result<(), _>>().await
        });
        assert_eq!(failures(error.await.unwrap_err()), ["bad! on drop"]);
        assert_eq!(task.unwrap().await, Err(Stopped::Panicked));
        held.let_go().await;
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn what_runs_is_told_and_waited_for() {
    let pool = narrow(0);
    let log = Log::default();
    let error = scope("told", async |s: &Scope<Fail>| {
        let (runs, running) = oneshot::channel();
        let log = log.clone();
        let work = move |stop: &StopFlag| {
            runs.send(()).unwrap();
            until_told(stop);
            // The ambient functions speak of the closure's scope.
            log.note(format!("{:?} {:?}", stop.reason(), tidegate::reason()));
            Ok(())
        };
        drop(pool.spawn(s, "loops", work).await);
        running.await?;
        s.cancel(ENOUGH, Duration::ZERO);
        pending::<Result<(), _>>().await
    });
    assert_eq!(error.await.unwrap_err().reason(), Some(ENOUGH));
    assert_eq!(log.take(), [r#"Some(User("enough")) Some(User("enough"))"#]);
}

#[tokio::test]
async fn who_waits_for_a_place_hears_that_its_scope_is_told() {
    let pool = narrow(0);
    scope("outer", async |outer: &Scope<Fail>| {
        let held = hold(&pool, outer).await;
        let graceful = Opts::named("told").grace(Duration::from_secs(60));
        let stopped = scope(graceful, async |s: &Scope<Fail>| {
            s.cancel(ENOUGH, Duration::from_secs(60));
            Ok(pool.spawn(s, "waits", |_| Ok(())).await.await)
        });
        assert_eq!(stopped.await.unwrap(), Err(TOLD));
        held.let_go().await;
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_scope_that_has_ended_takes_nothing() {
    let pool = narrow(0);
    let ended = scope("ended", async |s: &Scope<Fail>| Ok(s.clone()));
    let ended = ended.await.unwrap();
    let refused = pool.try_spawn(&ended, "late", |_| Ok(())).unwrap_err();
    assert_eq!(refused.because, RefusedBecause::Closed);
    let task = pool.spawn(&ended, "late", |_| Ok(())).await;
    assert_eq!(task.await, Err(Stopped::NotStarted(RefusedBecause::Closed)));
    assert_eq!(pool.run("free", |_| 7).await.unwrap(), 7);
}

#[tokio::test]
async fn the_parent_waits_for_the_closures_of_a_dropped_scope() {
    let pool = narrow(1);
    let log = Log::default();
    scope("parent", async |_: &Scope<Fail>| {
        let (runs, running) = oneshot::channel();
        let dropped = scope("dropped", async |s: &Scope<Fail>| {
            let (queued, note) = (NoteDrop(log.clone(), "queued dropped"), log.clone());
            let work = move |stop: &StopFlag| {
                until_told(stop);
                note.note(format!("{:?}", stop.reason()));
                Ok(())
            };
            drop(pool.spawn(s, "runs", work).await);
            let work = move |_: &StopFlag| {
                let _queued = queued;
                Ok(())
            };
            drop(pool.spawn(s, "queued", work).await);
            while pool.running() == 0 {
                yield_now().await;
            }
            runs.send(()).unwrap();
            pending::<Result<(), _>>().await
        });
        select! {
            _ = dropped => unreachable!("it does not end by itself"),
            _ = running => Ok(()),
        }
    })
    .await
    .unwrap();
    let mut noted = log.take();
    noted.sort_unstable();
    let reason = format!("{:?}", Some(Reason::OwnerDropped));
    assert_eq!(noted, [reason, "queued dropped".into()]);
}

#[tokio::test]
async fn a_pool_without_a_handle_finishes_what_it_has_taken() {
    let log = Log::default();
    scope("left", async |s: &Scope<Fail>| {
        let pool = narrow(1);
        let held = hold(&pool, s).await;
        let note = log.clone();
        let work = move |_: &StopFlag| {
            note.note("ran");
            Ok(())
        };
        drop(pool.spawn(s, "queued", work).await);
        drop(pool);
        held.let_go().await;
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(log.take(), ["ran"]);
}

#[test]
fn a_runtime_s_end_waits_for_no_closure() {
    let pool = narrow(0);
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap();
    let (hold, held) = channel::<()>();
    let (done, ended) = channel();
    runtime.block_on(async {
        let (runs, running) = oneshot::channel();
        let left = scope("left", async |s: &Scope<Fail>| {
            let work = move |_: &StopFlag| {
                runs.send(()).unwrap();
                held.recv()?;
                done.send(()).unwrap();
                Ok(())
            };
            drop(pool.try_spawn(s, "holds", work)?);
            Ok(())
        });
        select! {
            _ = left => unreachable!("it waits for its child"),
            _ = running => {}
        }
    });
    // Would wait for ever if the closure were the runtime's.
    drop(runtime);
    hold.send(()).unwrap();
    ended.recv().unwrap();
}

#[tokio::test]
async fn a_body_with_a_grace_has_the_result_of_what_was_told() {
    let pool = narrow(0);
    let graceful = Opts::named("told").grace(Duration::from_secs(60));
    let value = scope(graceful, async |s: &Scope<Fail>| {
        let (runs, running) = oneshot::channel();
        let work = move |stop: &StopFlag| {
            runs.send(()).unwrap();
            until_told(stop);
            Ok("so far")
        };
        let task = pool.spawn(s, "loops", work).await;
        running.await?;
        s.cancel(ENOUGH, Duration::from_secs(60));
        cancelled().await;
        Ok(task.await?)
    });
    assert!(matches!(value.await, Ok("so far")));
}

/// Threads take closures out of the queue at one end while the scope's word takes them out of the middle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_closure_runs_or_is_dropped_once_whenever_its_scope_is_told() {
    const CLOSURES: usize = 20;
    let pool = Pool::new(PoolOpts::named("race").threads(2).queue(CLOSURES));
    for told_after in 0..200 {
        let (gone, ran) = (Log::default(), Log::default());
        let ended = scope("told", async |s: &Scope<Fail>| {
            for n in 0..CLOSURES {
                if n == told_after % CLOSURES {
                    let teller = s.clone();
                    let tells = async move {
                        teller.cancel(ENOUGH, Duration::ZERO);
                        Ok(())
                    };
                    drop(s.try_spawn("tells", tells)?);
                }
                let (guard, ran) = (NoteDrop(gone.clone(), "gone"), ran.clone());
                let work = move |_: &StopFlag| {
                    let _guard = guard;
                    ran.note("ran");
                    Ok(())
                };
                drop(pool.spawn(s, "work", work).await);
            }
            Ok(())
        });
        let all_spawned = ended.await.is_ok();
        let (gone, ran) = (gone.take().len(), ran.take().len());
        assert!(ran <= gone, "{ran} of {gone}");
        assert!(!all_spawned || gone == CLOSURES, "{gone}");
        assert_eq!((pool.running(), pool.queued()), (0, 0));
    }
}
