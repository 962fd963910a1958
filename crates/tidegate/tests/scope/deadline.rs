//! Deadlines: whose they are, and whom they reach.

use crate::support::*;
use std::time::Duration;
use tidegate::{Opts, Reason, Scope, ScopeError, ScopeId, Stopped, scope};
use tokio::time::Instant;

fn declarer<T: std::fmt::Debug>(result: Result<T, ScopeError<Fail>>) -> ScopeId {
    match result {
        Err(ScopeError::Cancelled(Reason::Deadline { declared_by })) => declared_by,
        other => panic!("no deadline: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_names_the_scope_that_declared_it() {
    let start = Instant::now();
    let mut own = None;
    let result = scope(Opts::named("own").timeout(SEC), async |s: &Scope<Fail>| {
        own = Some(s.id());
        assert_eq!(
            (s.remaining(), tidegate::remaining()),
            (Some(SEC), Some(SEC))
        );
        forever::<()>().await
    });
    let declared_by = declarer(result.await);
    assert_eq!((Some(declared_by), declared_by.name()), (own, "own"));
    assert_eq!(start.elapsed().as_secs(), 1);
}

/// The declarer that the inner scope sees, as the outer body has a grace in which to ask.
async fn seen_by_inner(outer: Duration, inner: Duration) -> &'static str {
    let opts = Opts::named("outer").timeout(outer).grace(60 * SEC);
    let result = scope(opts, async |_: &Scope<Fail>| {
        let result = scope(
            Opts::named("inner").timeout(inner),
            async |s: &Scope<Fail>| {
                assert_eq!(s.remaining(), Some(outer.min(inner)));
                forever::<()>().await
            },
        );
        Ok(declarer(result.await).name())
    });
    result.await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_earliest_deadline_counts_and_a_tie_is_the_outer_one_s() {
    assert_eq!(seen_by_inner(2 * SEC, SEC).await, "inner");
    assert_eq!(seen_by_inner(SEC, 2 * SEC).await, "outer");
    let at = SEC;
    assert_eq!(seen_by_inner(at, at).await, "outer");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_reaches_children_after_the_body_has_returned() {
    let mut task = None;
    let result = scope(Opts::named("late").timeout(SEC), async |s: &Scope<Fail>| {
        task = Some(s.try_spawn("child", forever::<()>())?);
        Ok("value")
    });
    assert_eq!(result.await.unwrap(), "value");
    let reason = cancelled_by(task.unwrap().await);
    assert!(matches!(reason, Reason::Deadline { declared_by } if declared_by.name() == "late"));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_reaches_the_children_of_scopes_below() {
    let mut task = None;
    let result = scope(
        Opts::named("outer").timeout(SEC),
        async |_: &Scope<Fail>| {
            scope("inner", async |s: &Scope<Fail>| {
                let remaining = async { Ok((tidegate::remaining(), forever::<()>().await?)) };
                task = Some(s.try_spawn("child", remaining)?);
                forever::<()>().await
            })
            .await?;
            Ok(())
        },
    );
    assert_eq!(declarer(result.await).name(), "outer");
    assert!(matches!(
        task.unwrap().await,
        Err(Stopped::Cancelled(Reason::Deadline { .. }))
    ));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_has_passed_lets_the_body_run_to_its_first_await() {
    let log = Log::default();
    let result = scope(
        Opts::named("past").timeout(Duration::ZERO),
        async |_: &Scope<Fail>| {
            log.note("ran");
            tokio::task::yield_now().await;
            log.note("ran on");
            Ok(())
        },
    );
    assert_eq!(declarer(result.await).name(), "past");
    assert_eq!(log.take(), ["ran"]);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_beyond_all_time_is_none() {
    let result = scope(
        Opts::named("never").timeout(Duration::MAX),
        async |s: &Scope<Fail>| Ok(s.remaining()),
    );
    assert_eq!(result.await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn an_own_deadline_cuts_the_scope_off_and_the_code_around_goes_on() {
    let result = scope("outer", async |s: &Scope<Fail>| {
        let inner = scope(
            Opts::named("inner").timeout(SEC),
            async |_: &Scope<Fail>| forever::<()>().await,
        );
        assert_eq!(declarer(inner.await).name(), "inner");
        Ok(s.try_spawn("after", async { Ok(7) })?.await?)
    });
    assert_eq!(result.await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_reaches_children_while_nobody_polls_the_scope() {
    let (mut task, start) = (None, Instant::now());
    let mut parked = Box::pin(scope(
        Opts::named("parked").timeout(2 * SEC),
        async |s: &Scope<Fail>| {
            let told = async move {
                tidegate::cancelled().await;
                Ok(start.elapsed().as_secs())
            };
            task = Some(s.try_spawn_with_grace("child", SEC, told)?);
            forever::<()>().await
        },
    ));
    assert!(tokio::time::timeout(SEC, &mut parked).await.is_err());
    tokio::time::sleep(60 * SEC).await;
    assert_eq!(declarer(parked.await).name(), "parked");
    assert_eq!(task.unwrap().await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_scope_keeps_its_deadline_while_its_parent_goes_on() {
    let (start, drops) = (Instant::now(), Drops::default());
    let seen = drops.guard();
    scope("outer", async |_: &Scope<Fail>| {
        let mut inner = Box::pin(scope(
            Opts::named("inner").timeout(2 * SEC),
            async |s: &Scope<Fail>| {
                drop(s.try_spawn("child", async move {
                    let _seen = seen;
                    forever::<()>().await
                })?);
                forever::<()>().await
            },
        ));
        assert!(tokio::time::timeout(SEC, &mut inner).await.is_err());
        std::mem::forget(inner);
        drops.wait_for(1).await;
        assert_eq!(start.elapsed().as_secs(), 2);
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_scope_is_told_when_nothing_else_is_left_in_its_parent() {
    let (start, drops) = (Instant::now(), Drops::default());
    let seen = drops.guard();
    scope("outer", async |_: &Scope<Fail>| {
        let mut inner = Box::pin(scope("inner", async |s: &Scope<Fail>| {
            drop(s.try_spawn("child", async move {
                let _seen = seen;
                forever::<()>().await
            })?);
            forever::<()>().await
        }));
        assert!(tokio::time::timeout(SEC, &mut inner).await.is_err());
        std::mem::forget(inner);
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!((drops.count(), start.elapsed().as_secs()), (1, 1));
}
