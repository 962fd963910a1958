//! How many children run at once.

use crate::support::*;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};
use tidegate::{Opts, Reason, RefusedBecause, Scope, Stopped, scope};
use tokio::time::timeout;

#[tokio::test(start_paused = true)]
async fn spawn_waits_for_room() {
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    scope(
        Opts::named("three").max_children(3),
        async |s: &Scope<Fail>| {
            for _ in 0..20 {
                let (running, most) = (running.clone(), most.clone());
                let work = async move {
                    most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                    after(SEC, Ok(())).await?;
                    running.fetch_sub(1, SeqCst);
                    Ok(())
                };
                drop(s.spawn("child", work).await);
                assert!(s.children() <= 3);
            }
            Ok(())
        },
    )
    .await
    .unwrap();
    assert_eq!((running.load(SeqCst), most.load(SeqCst)), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn try_spawn_hands_back_what_has_no_room() {
    scope(
        Opts::named("one").max_children(1),
        async |s: &Scope<Fail>| {
            let first = s.try_spawn("first", after(SEC, Ok(1)))?;
            let refused = s.try_spawn("second", async { Ok(2) }).unwrap_err();
            assert_eq!(refused.because, RefusedBecause::Full { limit: 1 });
            assert_eq!(first.await?, 1);
            assert_eq!(s.try_spawn("second", refused.into_work())?.await?, 2);
            Ok(())
        },
    )
    .await
    .unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_default_is_1024_and_may_be_lifted() {
    for (opts, bound) in [
        (Opts::named("default"), 1024),
        (Opts::named("all").max_children(usize::MAX), 3000),
    ] {
        scope(opts, async |s: &Scope<Fail>| {
            for _ in 0..bound {
                drop(s.try_spawn("child", after(SEC, Ok(())))?);
            }
            assert_eq!(
                s.try_spawn("more", async { Ok(()) }).is_err(),
                bound == 1024
            );
            Ok(())
        })
        .await
        .unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_does_not_wait_for_room_among_its_own_siblings() {
    let result = scope(
        Opts::named("one").max_children(1),
        async |s: &Scope<Fail>| {
            let outer = s.clone();
            let child = s.try_spawn("child", async move {
                // However deep: this body runs in the child, too.
                let stopped = scope("inner", async |_: &Scope<Fail>| {
                    Ok(outer.spawn("sibling", forever::<()>()).await.await)
                });
                Ok(stopped.await?)
            })?;
            Ok(child.await?)
        },
    );
    assert_eq!(
        result.await.unwrap(),
        Err(Stopped::NotStarted(RefusedBecause::Full { limit: 1 }))
    );
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_called_in_order_and_those_who_give_up_are_passed_over() {
    let log = Log::default();
    scope(
        Opts::named("one").max_children(1),
        async |s: &Scope<Fail>| {
            drop(s.try_spawn("first", after(SEC, Ok(())))?);
            let mut waiting = Vec::new();
            for (name, patience) in [("a", 9 * SEC), ("b", MS), ("c", 9 * SEC)] {
                let (s, log) = (s.clone(), log.clone());
                let work = async move {
                    log.note(name);
                    Ok(())
                };
                waiting.push(tokio::spawn(async move {
                    timeout(patience, s.spawn(name, work)).await.is_ok()
                }));
                tokio::task::yield_now().await;
            }
            let mut served = Vec::new();
            for task in waiting {
                served.push(task.await?);
            }
            assert_eq!(served, [true, false, true]);
            Ok(())
        },
    )
    .await
    .unwrap();
    assert_eq!(log.take(), ["a", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_place_offered_to_one_who_is_gone_goes_to_the_next() {
    scope(
        Opts::named("one").max_children(1),
        async |s: &Scope<Fail>| {
            let first = s.try_spawn("first", after(SEC, Ok(())))?;
            let mut a = Box::pin(s.spawn("a", async { Ok(()) }));
            let mut b = Box::pin(s.spawn("b", async { Ok(()) }));
            assert!(timeout(MS, &mut a).await.is_err());
            assert!(timeout(MS, &mut b).await.is_err());
            first.await?;
            // `a` was called when the first child left, and does not come.
            drop(a);
            timeout(SEC, b)
                .await
                .expect("the call was passed on")
                .await?;
            Ok(())
        },
    )
    .await
    .unwrap();
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_hear_of_a_cancel() {
    let mut waiting = None;
    scope(
        Opts::named("one").max_children(1),
        async |s: &Scope<Fail>| {
            drop(s.try_spawn("first", forever::<()>())?);
            let outside = s.clone();
            waiting = Some(tokio::spawn(async move {
                outside.spawn("second", forever::<()>()).await.await
            }));
            tokio::time::sleep(MS).await;
            s.cancel(Reason::User("enough"), SEC);
            Ok(())
        },
    )
    .await
    .unwrap();
    let stopped = waiting.unwrap().await.unwrap();
    assert_eq!(
        stopped,
        Err(Stopped::NotStarted(RefusedBecause::Cancelling(
            Reason::User("enough")
        )))
    );
}
