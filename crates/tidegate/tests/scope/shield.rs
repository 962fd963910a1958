//! Sections that the tree's cancellation does not reach.

use crate::support::{Drops, Fail, Log, MS, SEC, cancelled_by, fail, forever};
use std::time::Duration;
use tidegate::{
    Opts, Overdue, Reason, RefusedBecause, Scope, ScopeError, Stopped, cancelled, deadline,
    is_cancelled, reason, scope, shield,
};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, timeout},
};

const STOP: Reason = Reason::User("enough");

#[tokio::test(start_paused = true)]
async fn a_shield_gives_what_its_work_gives() {
    assert_eq!(shield(SEC, async { 7 }).await, Ok(7));
    let late = shield(SEC, sleep(2 * SEC)).await;
    assert_eq!(late, Err(Overdue { within: SEC }));
}

#[tokio::test(start_paused = true)]
async fn a_told_child_is_dropped_only_behind_its_shield() {
    let log = Log::default();
    let (start, seen) = (Instant::now(), log.clone());
    let (sender, told) = oneshot::channel();
    let ended = scope("s", async |s: &Scope<Fail>| {
        let task = s
            .spawn("child", async move {
                let done = shield(10 * SEC, async {
                    told.await.unwrap();
                    seen.note(format!("inside {} {:?}", is_cancelled(), reason()));
                    sleep(3 * SEC).await;
                    seen.note("done");
                });
                done.await.unwrap();
                seen.note(format!("outside {}", is_cancelled()));
                forever::<()>().await
            })
            .await;
        sleep(SEC).await;
        s.cancel(STOP, 60 * SEC);
        sender.send(()).unwrap();
        task.await?;
        Ok(())
    });
    assert_eq!(ended.await.unwrap_err().reason(), Some(STOP));
    assert_eq!(log.take(), ["inside false None", "done", "outside true"]);
    assert_eq!(start.elapsed(), 4 * SEC);
}

#[tokio::test(start_paused = true)]
async fn the_hard_instant_ends_a_shield() {
    let (start, drops) = (Instant::now(), Drops::default());
    let guard = drops.timed(start);
    let ended = scope("s", async |s: &Scope<Fail>| {
        drop(
            s.spawn("child", async move {
                let _guard = guard;
                drop(shield(60 * SEC, forever::<()>()).await);
                fail::<()>("the shield outlived the grace")
            })
            .await,
        );
        sleep(SEC).await;
        s.cancel(STOP, 2 * SEC);
        Ok(())
    });
    ended.await.unwrap();
    assert_eq!(drops.secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_hard_instant_that_comes_nearer_finds_an_open_shield() {
    let start = Instant::now();
    scope("s", async |s: &Scope<Fail>| {
        drop(
            s.spawn("child", async {
                shield(60 * SEC, forever::<()>())
                    .await
                    .map_err(|_| Fail("late".into()))?
            })
            .await,
        );
        sleep(SEC).await;
        s.cancel(STOP, 50 * SEC);
        let s = s.clone();
        tokio::spawn(async move {
            sleep(SEC).await;
            s.cancel(STOP, SEC);
        });
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(start.elapsed(), 3 * SEC);
}

#[tokio::test(start_paused = true)]
async fn a_shield_in_a_body_keeps_the_scopes_around_it_as_well() {
    let log = Log::default();
    let (start, seen) = (Instant::now(), log.clone());
    let ended = scope("outer", async |outer: &Scope<Fail>| {
        let stop = outer.clone();
        drop(
            outer
                .spawn("child", async move {
                    scope("middle", async |_: &Scope<Fail>| {
                        scope("inner", async |_: &Scope<Fail>| {
                            shield(10 * SEC, async {
                                stop.cancel(STOP, 60 * SEC);
                                sleep(2 * SEC).await;
                            })
                            .await?;
                            seen.note("shielded to the end");
                            sleep(SEC).await;
                            seen.note("not stopped");
                            Ok(())
                        })
                        .await?;
                        Ok(())
                    })
                    .await?;
                    Ok(())
                })
                .await,
        );
        forever::<()>().await
    });
    assert_eq!(ended.await.unwrap_err().reason(), Some(STOP));
    assert_eq!(log.take(), ["shielded to the end"]);
    assert_eq!(start.elapsed(), 2 * SEC);
}

#[tokio::test(start_paused = true)]
async fn a_scope_opened_in_a_shield_hears_only_of_its_end() {
    let log = Log::default();
    let seen = log.clone();
    let ended = scope("outer", async |s: &Scope<Fail>| {
        s.cancel(STOP, 60 * SEC);
        let inside = shield(5 * SEC, async {
            assert_eq!(deadline(), Some(Instant::now() + 5 * SEC));
            scope("inner", async |s: &Scope<Fail>| {
                let task = s
                    .spawn_with_grace("child", SEC, async move {
                        sleep(SEC).await;
                        seen.note("works");
                        seen.note(cancelled().await.to_string());
                        Ok(())
                    })
                    .await;
                Ok(task.await?)
            })
            .await
        });
        assert!(inside.await.is_err());
        forever::<()>().await
    });
    assert_eq!(ended.await.unwrap_err().reason(), Some(STOP));
    let seen = log.take();
    assert_eq!(seen[0], "works");
    assert!(
        seen[1].starts_with("the deadline of scope `shield`"),
        "{seen:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_shield_dies_with_whoever_awaits_it() {
    let drops = Drops::default();
    let guard = drops.guard();
    let work = shield(60 * SEC, async move {
        let _guard = guard;
        forever::<()>().await
    });
    assert!(timeout(SEC, work).await.is_err());
    assert_eq!(drops.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_shield_that_was_never_polled_holds_nothing() {
    let ended = scope("s", async |s: &Scope<Fail>| {
        let _unpolled = shield(60 * SEC, forever::<()>());
        s.cancel(STOP, 60 * SEC);
        forever::<()>().await
    });
    assert_eq!(ended.await.unwrap_err().reason(), Some(STOP));
}

#[tokio::test(start_paused = true)]
async fn a_panic_passes_through_a_shield() {
    let ended = scope("s", async |s: &Scope<Fail>| {
        let task = s
            .spawn("child", async {
                shield(SEC, async { panic!("on purpose") }).await.unwrap();
                Ok(())
            })
            .await;
        Ok(task.await?)
    });
    let Err(ScopeError::Failed(failures)) = ended.await else {
        panic!("a panic is a failure")
    };
    assert_eq!(crate::support::show(&failures.first), "child! on purpose");
}

#[tokio::test(start_paused = true)]
async fn children_left_in_a_cut_shield_get_no_more_time_than_it() {
    let (start, drops) = (Instant::now(), Drops::default());
    let guard = drops.timed(start);
    scope(
        Opts::named("outer").grace(2 * SEC),
        async |s: &Scope<Fail>| {
            drop(
                s.spawn("child", async move {
                    let inside = scope("inner", async |s: &Scope<Fail>| {
                        drop(
                            s.spawn_with_grace("slow", 60 * SEC, async move {
                                let _guard = guard;
                                forever::<()>().await
                            })
                            .await,
                        );
                        forever::<()>().await
                    });
                    drop(shield(60 * SEC, inside).await);
                    Ok(())
                })
                .await,
            );
            sleep(SEC).await;
            s.cancel(STOP, 60 * SEC);
            Ok(())
        },
    )
    .await
    .unwrap();
    assert_eq!(drops.secs(), 3);
}

/// A shield holds while it is open; what it leaves behind belongs to its scope again.
#[tokio::test(start_paused = true)]
async fn children_left_behind_a_shield_have_what_their_scope_has() {
    let start = Instant::now();
    let ended = scope("s", async |s: &Scope<Fail>| {
        let work = scope("inner", async |i: &Scope<Fail>| {
            drop(i.spawn_with_grace("slow", 60 * SEC, forever::<()>()).await);
            forever::<()>().await
        });
        assert!(shield(9 * SEC, timeout(SEC, work)).await.unwrap().is_err());
        let nearer = s.clone();
        tokio::spawn(async move {
            sleep(SEC).await;
            nearer.cancel(STOP, SEC);
        });
        s.cancel(STOP, 30 * SEC);
        forever::<()>().await
    });
    assert!(matches!(ended.await, Err(ScopeError::Cancelled(STOP))));
    assert_eq!(start.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_child_told_alone_ends_alone() {
    let (start, drops) = (Instant::now(), Drops::default());
    let guard = drops.timed(start);
    let sum = scope("s", async |s: &Scope<Fail>| {
        let other = s.spawn("other", async {
            sleep(3 * SEC).await;
            assert!(!is_cancelled());
            Ok(1)
        });
        let other = other.await;
        let task = s
            .spawn("child", async move {
                let _guard = guard;
                forever::<()>().await
            })
            .await;
        sleep(SEC).await;
        task.cancel(STOP);
        assert_eq!(cancelled_by(task.await), STOP);
        assert!(!s.is_cancelled());
        Ok(other.await?)
    });
    assert_eq!(sum.await.unwrap(), 1);
    assert_eq!(drops.secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_child_told_alone_before_its_first_poll_never_runs() {
    scope("s", async |s: &Scope<Fail>| {
        let task = s.try_spawn("child", async { fail::<()>("it ran") })?;
        task.cancel(STOP);
        assert!(matches!(task.await, Err(Stopped::NotStarted(_))));
        // The mark has gone with it, and the next child is not taken for it.
        assert_eq!(s.spawn("next", async { Ok(2) }).await.await, Ok(2));
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_child_told_alone_keeps_its_grace_and_tells_what_it_has_opened() {
    let log = Log::default();
    let seen = log.clone();
    scope("s", async |s: &Scope<Fail>| {
        let task = s
            .spawn_with_grace("child", 5 * SEC, async move {
                let inner = scope("inner", async |_: &Scope<Fail>| forever::<()>().await);
                seen.note(inner.await.unwrap_err().to_string());
                seen.note(cancelled().await.to_string());
                // Opened after the word, it is told at once.
                let inner = scope("late", async |_: &Scope<Fail>| forever::<()>().await);
                seen.note(inner.await.unwrap_err().to_string());
                sleep(SEC).await;
                Ok(3)
            })
            .await;
        sleep(SEC).await;
        task.cancel(STOP);
        assert_eq!(task.await, Ok(3));
        Ok(())
    })
    .await
    .unwrap();
    let seen = log.take();
    assert_eq!(seen[1], "enough");
    assert!(seen.iter().all(|line| line.contains("enough")), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_child_told_alone_is_forced_after_its_grace() {
    let start = Instant::now();
    scope("s", async |s: &Scope<Fail>| {
        let task = s.spawn_with_grace("child", 2 * SEC, forever::<()>()).await;
        sleep(MS).await;
        task.cancel(STOP);
        assert_eq!(cancelled_by(task.await), STOP);
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(start.elapsed(), 2 * SEC + MS);
}

#[tokio::test(start_paused = true)]
async fn an_ended_child_and_a_second_word_change_nothing() {
    scope("s", async |s: &Scope<Fail>| {
        let task = s.spawn("child", async { Ok(4) }).await;
        sleep(Duration::from_millis(5)).await;
        task.cancel(STOP);
        assert_eq!(task.await, Ok(4));
        let task = s.spawn("child", forever::<()>()).await;
        sleep(MS).await;
        task.cancel(STOP);
        task.cancel(Reason::User("again"));
        assert_eq!(cancelled_by(task.await), STOP);
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_grace_of_what_stood_in_a_shield_begins_when_that_is_dropped() {
    let (start, drops) = (Instant::now(), Drops::default());
    let guard = drops.timed(start);
    let ended = scope("outer", async |s: &Scope<Fail>| {
        s.cancel(STOP, 60 * SEC);
        let inside = scope("inside", async |inside: &Scope<Fail>| {
            let child = inside.spawn_with_grace("child", 2 * SEC, async move {
                let _guard = guard;
                forever::<()>().await
            });
            drop(child.await);
            forever::<()>().await
        });
        assert!(timeout(3 * SEC, shield(9 * SEC, inside)).await.is_err());
        Ok(())
    });
    assert!(ended.await.is_ok());
    assert_eq!(drops.secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_shielded_child_of_a_dropped_scope_is_waited_for_by_the_parent() {
    let log = Log::default();
    let (start, seen) = (Instant::now(), log.clone());
    scope("outer", async |_: &Scope<Fail>| {
        let inner = scope("inner", async |s: &Scope<Fail>| {
            let child = s.spawn("child", async move {
                shield(10 * SEC, async {
                    sleep(3 * SEC).await;
                    seen.note("saved");
                })
                .await?;
                forever::<()>().await
            });
            drop(child.await);
            forever::<()>().await
        });
        assert!(timeout(SEC, inner).await.is_err());
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(log.take(), ["saved"]);
    assert_eq!(start.elapsed(), 3 * SEC);
}

#[tokio::test(start_paused = true)]
async fn one_arm_in_a_shield_keeps_the_other_arms_of_its_task() {
    let log = Log::default();
    let seen = log.clone();
    scope("s", async |s: &Scope<Fail>| {
        let child = s.spawn("child", async move {
            let shielded = shield(10 * SEC, sleep(3 * SEC));
            let beside = async {
                sleep(2 * SEC).await;
                seen.note(format!("beside {}", is_cancelled()));
            };
            let (shielded, ()) = tokio::join!(shielded, beside);
            shielded?;
            forever::<()>().await
        });
        drop(child.await);
        sleep(SEC).await;
        s.cancel(STOP, 60 * SEC);
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(log.take(), ["beside true"]);
}

#[tokio::test(start_paused = true)]
async fn a_shield_hears_how_a_task_ended_that_was_asked_for_before() {
    let log = Log::default();
    let ended = scope("s", async |s: &Scope<Fail>| {
        s.cancel(STOP, SEC);
        let mut late = s.spawn("late", forever::<()>()).await;
        tokio::select! {
            biased;
            _ = &mut late => log.note("heard"),
            () = std::future::ready(()) => log.note("silent"),
        }
        let stopped = shield(SEC, late).await.unwrap().unwrap_err();
        log.note(stopped.to_string());
        Ok(())
    });
    ended.await.unwrap();
    let refused = Stopped::NotStarted(RefusedBecause::Cancelling(STOP));
    assert_eq!(log.take(), ["silent".to_owned(), refused.to_string()]);
}
