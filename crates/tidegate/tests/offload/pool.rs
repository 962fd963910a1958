//! The pool: places, order, backpressure, outcomes.

use crate::support::*;
use std::{
    future::{Future, pending},
    panic::Location,
    pin::pin,
    task::{Context, Waker},
};
use tidegate::{
    Opts, RefusedBecause, Scope, ScopeError, StopFlag, Stopped,
    offload::{Pool, PoolOpts},
    scope,
};

#[tokio::test]
async fn a_closure_is_a_child_with_a_value_an_error_or_a_panic() {
    let pool = narrow(1);
    let value = scope("value", async |s: &Scope<Fail>| {
        Ok(pool.spawn(s, "add", |_| Ok(40 + 2)).await.await?)
    });
    assert_eq!(value.await.unwrap(), 42);

    let error = scope("error", async |s: &Scope<Fail>| {
        let work = |_: &StopFlag| Err::<(), _>(Fail("x".into()));
        drop(pool.spawn(s, "bad", work).await);
        pending::<Result<(), _>>().await
    });
    assert_eq!(failures(error.await.unwrap_err()), ["bad: x"]);

    let mut task = None;
    let error = scope("panic", async |s: &Scope<Fail>| {
        let work = |_: &StopFlag| -> Result<(), Fail> { panic!("y") };
        task = Some(pool.try_spawn(s, "bad", work)?);
        Ok(())
    });
    assert_eq!(failures(error.await.unwrap_err()), ["bad! y"]);
    assert_eq!(task.unwrap().await, Err(Stopped::Panicked));

    // The thread has outlived all of it.
    assert_eq!(pool.run("after", |_| 7).await.unwrap(), 7);
}

#[tokio::test]
async fn a_full_pool_refuses_and_hands_the_closure_back() {
    let pool = narrow(1);
    scope("full", async |s: &Scope<Fail>| {
        let held = hold(&pool, s).await;
        let waits = pool.try_spawn(s, "waits", |_| Ok("ran"))?;
        assert_eq!((pool.running(), pool.queued()), (1, 1));

        let text = String::from("mine");
        let refused = pool.try_spawn(s, "third", move |_| Ok(text)).unwrap_err();
        assert_eq!(refused.because, RefusedBecause::PoolFull { limit: 2 });
        assert_eq!(s.children(), 2);
        assert_eq!(size_of_val(&refused.into_work()), size_of::<String>());

        held.let_go().await;
        assert_eq!(waits.await?, "ran");
        assert_eq!((pool.running(), pool.queued()), (0, 0));
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_full_scope_refuses_and_takes_no_place_of_the_pool() {
    let pool = narrow(0);
    let one = Opts::named("one").max_children(1);
    scope(one, async |s: &Scope<Fail>| {
        let child = s.try_spawn("child", async {
            tokio::task::yield_now().await;
            Ok(())
        })?;
        let refused = pool.try_spawn(s, "refused", |_| Ok(())).unwrap_err();
        assert_eq!(refused.because, RefusedBecause::Full { limit: 1 });

        let mut waits = pin!(pool.spawn(s, "waits", |_| Ok(7)));
        assert!(poll_once(waits.as_mut()).is_none());
        // The place that it will need is there for others as long as it cannot use it.
        assert_eq!(pool.run("other", |_| 8).await.unwrap(), 8);
        child.await?;
        assert_eq!(waits.await.await?, 7);
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn who_waits_for_a_place_gets_it_in_turn() {
    let pool = narrow(0);
    let log = Log::default();
    scope("turns", async |s: &Scope<Fail>| {
        let held = hold(&pool, s).await;
        let note = |what| {
            let log = log.clone();
            move |_: &StopFlag| {
                log.note(what);
                Ok(())
            }
        };
        let mut first = pin!(pool.spawn(s, "first", note("first")));
        let mut second = Box::pin(pool.spawn(s, "second", note("second")));
        let mut third = pin!(pool.spawn(s, "third", note("third")));
        assert!(poll_once(first.as_mut()).is_none());
        assert!(poll_once(second.as_mut()).is_none());
        assert!(poll_once(third.as_mut()).is_none());
        // Given up, a place in the line is no longer there.
        drop(second);
        held.let_go().await;
        // Nobody overtakes.
        assert!(pool.try_spawn(s, "late", note("late")).is_err());
        first.await.await?;
        third.await.await?;
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(log.take(), ["first", "third"]);
}

#[tokio::test]
async fn what_is_queued_runs_in_order() {
    let pool = narrow(10);
    let log = Log::default();
    scope("order", async |s: &Scope<Fail>| {
        let held = hold(&pool, s).await;
        for n in 0..10 {
            let log = log.clone();
            let work = move |_: &StopFlag| {
                log.note(n.to_string());
                Ok(())
            };
            drop(pool.spawn(s, "note", work).await);
        }
        held.let_go().await;
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(log.take().concat(), "0123456789");
}

#[tokio::test]
async fn as_many_run_at_once_as_there_are_threads() {
    let pool = Pool::new(PoolOpts::named("wide").threads(3).queue(1));
    scope("wide", async |s: &Scope<Fail>| {
        let held = [
            hold(&pool, s).await,
            hold(&pool, s).await,
            hold(&pool, s).await,
        ];
        drop(pool.try_spawn(s, "waits", |_| Ok(()))?);
        assert_eq!((pool.running(), pool.queued()), (3, 1));
        for one in held {
            one.let_go().await;
        }
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn threads_bear_the_name_of_their_pool() {
    let name = |_: &StopFlag| std::thread::current().name().map(str::to_owned);
    let shared = Pool::shared().run("name", name).await.unwrap().unwrap();
    assert!(shared.starts_with("tidegate-cpu-"), "{shared}");
    let own = narrow(0).run("name", name).await.unwrap();
    assert_eq!(own.as_deref(), Some("narrow-1"));
}

#[tokio::test]
async fn a_failure_names_the_line_that_spawned() {
    let pool = narrow(1);
    let mut lines = Vec::new();
    let mut waits = async |tries: bool| {
        let error = scope("site", async |s: &Scope<Fail>| {
            let work = |_: &StopFlag| Err::<(), _>(Fail("x".into()));
            if tries {
                lines.push(Location::caller().line() + 1);
                drop(pool.try_spawn(s, "bad", work)?);
            } else {
                lines.push(Location::caller().line() + 1);
                drop(pool.spawn(s, "bad", work).await);
            }
            pending::<Result<(), _>>().await
        });
        match error.await {
            Err(ScopeError::Failed(failures)) => failures.first.at.line(),
            other => panic!("{other:?}"),
        }
    };
    let found = [waits(true).await, waits(false).await];
    assert_eq!(found.as_slice(), lines);
}

#[tokio::test]
async fn a_spawn_that_is_never_polled_is_nothing() {
    let pool = narrow(0);
    scope("never", async |s: &Scope<Fail>| {
        drop(pool.spawn(s, "never", |_| -> Result<(), Fail> { panic!("ran") }));
        drop(pool.run("never", |_| panic!("ran")));
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!((pool.running(), pool.queued()), (0, 0));
}

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}
