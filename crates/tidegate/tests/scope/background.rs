//! Children that do not keep their scope open.

use crate::support::*;
use tidegate::{Reason, RefusedBecause, Scope, ScopeError, scope};
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn a_background_child_runs_until_the_last_other_child_has_ended() {
    let start = Instant::now();
    let drops = Drops::default();
    let guard = drops.timed(start);
    let value = scope("plain", async |s: &Scope<Fail>| {
        s.spawn_background("ticker", async move {
            let _guard = guard;
            forever::<()>().await
        })?;
        drop(s.try_spawn("one", after(SEC, Ok(())))?);
        // Children of scopes below count as well.
        let inner = scope("inner", async |i: &Scope<Fail>| {
            drop(i.try_spawn_with_grace("two", 3 * SEC, after(3 * SEC, Ok(())))?);
            forever::<()>().await
        });
        assert!(tokio::time::timeout(MS, inner).await.is_err());
        Ok(7)
    });
    assert_eq!(value.await.unwrap(), 7);
    assert_eq!((drops.count(), drops.secs()), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn a_scope_with_nothing_but_background_ends_with_its_body() {
    let value = scope("plain", async |s: &Scope<Fail>| {
        s.spawn_background("a", forever())?;
        s.spawn_background("b", async { Ok(()) })?;
        tokio::task::yield_now().await;
        s.spawn_background("c", forever())?;
        Ok(7)
    });
    assert_eq!(value.await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_background_failure_is_one_of_the_scope() {
    let error = scope("plain", async |s: &Scope<Fail>| {
        s.spawn_background("bad", async { fail("x") })?;
        drop(s.try_spawn("child", forever::<()>())?);
        forever::<()>().await
    });
    assert_eq!(failures(error.await.unwrap_err()), ["bad: x"]);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_reaches_the_background_and_late_work_comes_back() {
    let drops = Drops::default();
    let guard = drops.guard();
    let error = scope("plain", async |s: &Scope<Fail>| {
        s.spawn_background("ticker", async move {
            let _guard = guard;
            forever::<()>().await
        })?;
        tokio::task::yield_now().await;
        s.cancel(Reason::User("enough"), SEC);
        let refused = s.spawn_background("late", forever()).unwrap_err();
        assert_eq!(
            refused.because,
            RefusedBecause::Cancelling(Reason::User("enough"))
        );
        forever::<()>().await
    });
    assert!(matches!(
        error.await,
        Err(ScopeError::Cancelled(Reason::User("enough")))
    ));
    assert_eq!(drops.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn background_and_children_end_together_on_many_workers() {
    for _ in 0..500 {
        let drops = Drops::default();
        scope("race", async |s: &Scope<Fail>| {
            for _ in 0..2 {
                let guard = drops.guard();
                s.spawn_background("ticker", async move {
                    let _guard = guard;
                    forever::<()>().await
                })?;
                drop(s.try_spawn("child", async {
                    tokio::task::yield_now().await;
                    Ok(())
                })?);
            }
            Ok(())
        })
        .await
        .unwrap();
        assert_eq!(drops.count(), 2);
    }
}
