//! Who is told, why, and how long they may take.

use crate::support::*;
use std::{pin::pin, time::Duration};
use tidegate::{Leave, Opts, Reason, RefusedBecause, Scope, ScopeError, Stopped, cancelled, scope};
use tokio::{
    task::yield_now,
    time::{Instant, timeout},
};

const ENOUGH: Reason = Reason::User("enough");

#[tokio::test(start_paused = true)]
async fn a_child_told_before_its_first_poll_never_runs() {
    let (mut task, log) = (None, Log::default());
    let error = scope("early", async |s: &Scope<Fail>| {
        let child = log.clone();
        task = Some(s.try_spawn("child", async move {
            child.note("ran");
            Ok(())
        })?);
        s.cancel(ENOUGH, Duration::ZERO);
        forever::<()>().await
    });
    assert!(matches!(error.await, Err(ScopeError::Cancelled(ENOUGH))));
    let stopped = task.unwrap().await;
    assert_eq!(
        stopped,
        Err(Stopped::NotStarted(RefusedBecause::Cancelling(ENOUGH)))
    );
    assert!(log.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_child_with_a_grace_is_asked_even_before_its_first_poll() {
    let result = scope("early", async |s: &Scope<Fail>| {
        let task = s.try_spawn_with_grace("child", SEC, async { Ok(cancelled().await) })?;
        s.cancel(ENOUGH, SEC);
        Ok(task)
    });
    assert_eq!(result.await.unwrap().await, Ok(ENOUGH));
}

#[tokio::test(start_paused = true)]
async fn a_child_told_half_way_is_dropped_at_its_await() {
    let (drops, mut task) = (Drops::default(), None);
    let guard = drops.guard();
    let result = scope("half", async |s: &Scope<Fail>| {
        let child = s.try_spawn("child", async move {
            let _guard = guard;
            forever::<()>().await
        })?;
        task = Some(child);
        tokio::time::sleep(SEC).await;
        assert_eq!(drops.count(), 0);
        s.cancel(ENOUGH, SEC);
        s.cancel(Reason::User("too late"), SEC);
        Ok("value")
    });
    // Nothing failed and the body had returned.
    assert_eq!(result.await.unwrap(), "value");
    assert_eq!(drops.count(), 1);
    assert_eq!(task.unwrap().await, Err(Stopped::Cancelled(ENOUGH)));
}

/// How long children with a grace of 5 s and a body with `own` run on after `cancel`, in seconds.
async fn lasted(own: Option<Duration>, cancel: impl FnOnce(&Scope<Fail>)) -> (u64, u64) {
    let mut opts = Opts::named("lasted");
    if let Some(grace) = own {
        opts = opts.grace(grace);
    }
    let start = Instant::now();
    let (child, body) = (Drops::default(), Drops::default());
    let (child_guard, body_guard) = (child.timed(start), body.timed(start));
    let result = scope(opts, async |s: &Scope<Fail>| {
        let _guard = body_guard;
        drop(s.try_spawn_with_grace("child", 5 * SEC, async move {
            let _guard = child_guard;
            forever::<()>().await
        })?);
        tokio::task::yield_now().await;
        cancel(s);
        forever::<()>().await
    });
    assert!(matches!(result.await, Err(ScopeError::Cancelled(ENOUGH))));
    (child.secs(), body.secs())
}

#[tokio::test(start_paused = true)]
async fn what_has_a_grace_is_dropped_when_the_shortest_is_over() {
    let cancel = |grace: u64| move |s: &Scope<Fail>| s.cancel(ENOUGH, Duration::from_secs(grace));
    assert_eq!(lasted(None, cancel(60)).await, (5, 0));
    assert_eq!(lasted(None, cancel(3)).await, (3, 0));
    assert_eq!(lasted(None, cancel(0)).await, (0, 0));
    assert_eq!(lasted(Some(2 * SEC), cancel(60)).await, (2, 2));
    assert_eq!(lasted(Some(9 * SEC), cancel(60)).await, (5, 9));
    assert_eq!(lasted(Some(9 * SEC), cancel(1)).await, (1, 1));
    assert_eq!(lasted(Some(Duration::ZERO), cancel(60)).await, (0, 0));
    assert_eq!(lasted(Some(Duration::MAX), cancel(7)).await, (5, 7));
}

#[tokio::test(start_paused = true)]
async fn a_grace_may_only_shrink() {
    let twice = |first: u64, then: u64| {
        move |s: &Scope<Fail>| {
            s.cancel(ENOUGH, Duration::from_secs(first));
            let s = s.clone();
            // Outside the tree, so that it is not stopped itself.
            drop(tokio::spawn(async move {
                tokio::time::sleep(SEC).await;
                s.cancel(Reason::User("other"), Duration::from_secs(then));
            }));
        }
    };
    assert_eq!(lasted(Some(9 * SEC), twice(4, 60)).await, (4, 4));
    assert_eq!(lasted(Some(9 * SEC), twice(4, 1)).await, (2, 2));
    assert_eq!(lasted(Some(9 * SEC), twice(60, 0)).await, (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_body_with_a_grace_is_asked_and_may_still_give_its_value() {
    let result = scope(
        Opts::named("asked").grace(5 * SEC),
        async |s: &Scope<Fail>| {
            let other = s.clone();
            assert_eq!(tidegate::grace_left(), None);
            drop(s.try_spawn("cancels", async move {
                other.cancel(ENOUGH, 60 * SEC);
                Ok(())
            })?);
            let reason = cancelled().await;
            tokio::time::sleep(SEC).await;
            // Level-triggered: it is seen as often as one looks.
            assert_eq!((cancelled().await, s.cancelled().await), (reason, reason));
            assert_eq!(
                (tidegate::reason(), s.reason()),
                (Some(reason), Some(reason))
            );
            assert_eq!(tidegate::grace_left(), Some(4 * SEC));
            Ok(reason)
        },
    );
    assert_eq!(result.await.unwrap(), ENOUGH);
}

#[tokio::test(start_paused = true)]
async fn a_reason_goes_down_the_tree_and_past_scopes_that_are_dropped_by_it() {
    let mut below = Vec::new();
    let error = scope("outer", async |s: &Scope<Fail>| {
        let outer = s.clone();
        drop(s.try_spawn("cancels", after(SEC, Ok(())))?);
        scope("middle", async |m: &Scope<Fail>| {
            scope("inner", async |i: &Scope<Fail>| {
                below.push(m.try_spawn_with_grace("asked", SEC, async { Ok(cancelled().await) })?);
                below.push(i.try_spawn_with_grace("asked", SEC, async { Ok(cancelled().await) })?);
                tokio::task::yield_now().await;
                outer.cancel(ENOUGH, SEC);
                forever::<()>().await
            })
            .await?;
            Ok(())
        })
        .await?;
        Ok(())
    });
    assert!(matches!(error.await, Err(ScopeError::Cancelled(ENOUGH))));
    for task in below {
        assert_eq!(task.await, Ok(ENOUGH));
    }
}

#[tokio::test(start_paused = true)]
async fn cancelling_a_scope_leaves_the_ones_above_alone() {
    let value = scope("outer", async |s: &Scope<Fail>| {
        let inner = scope("inner", async |i: &Scope<Fail>| {
            i.cancel(ENOUGH, SEC);
            forever::<()>().await
        });
        assert!(matches!(inner.await, Err(ScopeError::Cancelled(ENOUGH))));
        assert!(!s.is_cancelled() && tidegate::reason().is_none());
        Ok(s.try_spawn("child", async { Ok(7) })?.await?)
    });
    assert_eq!(value.await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_scope_opened_in_one_that_was_told_stops_at_its_first_await() {
    let result = scope(Opts::named("asked").grace(SEC), async |s: &Scope<Fail>| {
        s.cancel(ENOUGH, SEC);
        let inner = scope("inner", async |i: &Scope<Fail>| {
            assert_eq!(i.reason(), Some(ENOUGH));
            assert!(i.try_spawn("late", forever::<()>()).is_err());
            forever::<()>().await
        });
        Ok(inner.await.unwrap_err().reason())
    });
    assert_eq!(result.await.unwrap(), Some(ENOUGH));
}

#[tokio::test(start_paused = true)]
async fn on_leave_cancel_stops_what_still_runs_when_the_body_returns() {
    let mut task = None;
    let result = scope(
        Opts::named("leaves").on_leave(Leave::Cancel),
        async |s: &Scope<Fail>| {
            task = Some(s.try_spawn("child", forever::<()>())?);
            tokio::task::yield_now().await;
            Ok(7)
        },
    );
    assert_eq!(result.await.unwrap(), 7);
    assert_eq!(
        task.unwrap().await,
        Err(Stopped::Cancelled(Reason::BodyReturned))
    );
}

#[tokio::test(start_paused = true)]
async fn a_watcher_outside_the_tree_is_woken() {
    let handle = scope("watched", async |s: &Scope<Fail>| {
        let watched = s.clone();
        let watcher = tokio::spawn(async move { watched.cancelled().await });
        let given_up = tokio::time::timeout(MS, s.cancelled()).await;
        assert!(given_up.is_err());
        s.cancel(ENOUGH, SEC);
        Ok(watcher)
    });
    assert_eq!(handle.await.unwrap().await.unwrap(), ENOUGH);
}

#[tokio::test(start_paused = true)]
async fn outside_a_scope_nothing_is_ever_told() {
    assert!(tokio::time::timeout(SEC, cancelled()).await.is_err());
    assert_eq!(
        (
            tidegate::reason(),
            tidegate::remaining(),
            tidegate::grace_left()
        ),
        (None, None, None)
    );
}

/// The code of a scope that is stopping does not hear of what it awaits; the code around it does.
#[tokio::test(start_paused = true)]
async fn what_stopped_code_has_awaited_may_be_awaited_again() {
    let ended = scope("s", async |s: &Scope<Fail>| {
        let mut task = s.try_spawn("task", forever::<()>())?;
        yield_now().await;
        task.cancel(Reason::User("alone"));
        let mut other = pin!(scope("other", async |o: &Scope<Fail>| {
            o.cancel(Reason::User("other"), Duration::ZERO);
            forever::<()>().await
        }));
        for polled in [true, false] {
            let inner = scope("inner", async |i: &Scope<Fail>| {
                while !task.is_finished() {
                    yield_now().await;
                }
                i.cancel(ENOUGH, Duration::ZERO);
                match polled {
                    true => drop((&mut task).await),
                    false => drop(other.as_mut().await),
                }
                Ok(())
            });
            assert!(matches!(inner.await, Err(ScopeError::Cancelled(ENOUGH))));
        }
        assert_eq!(cancelled_by(task.await), Reason::User("alone"));
        Ok(matches!(other.await, Err(ScopeError::Cancelled(_))))
    });
    assert!(timeout(SEC, ended).await.unwrap().unwrap());
}

#[tokio::test(start_paused = true)]
async fn of_a_word_alone_and_one_for_all_the_first_stays() {
    let alone = Reason::User("alone");
    for alone_first in [true, false] {
        let ended = scope(Opts::named("s").grace(9 * SEC), async |s: &Scope<Fail>| {
            let task = s.spawn_with_grace("task", SEC, forever::<()>()).await;
            yield_now().await;
            if alone_first {
                task.cancel(alone);
            }
            s.cancel(ENOUGH, 9 * SEC);
            if !alone_first {
                task.cancel(alone);
            }
            Ok(cancelled_by(task.await))
        });
        let first = if alone_first { alone } else { ENOUGH };
        assert_eq!(ended.await.unwrap(), first);
    }
}
