//! Results as they come.

use crate::support::*;
use tidegate::{Opts, Reason, RefusedBecause, Scope, Stopped, scope};

#[tokio::test(start_paused = true)]
async fn results_come_in_the_order_in_which_children_end() {
    let order = scope("order", async |s: &Scope<Fail>| {
        let mut set = s.gather();
        assert!(set.is_empty() && set.next().await.is_none());
        for n in [3_u32, 1, 2] {
            set.spawn("sleep", after(n * SEC, Ok(n))).await;
        }
        assert_eq!(set.len(), 3);
        let mut order = vec![set.next().await.unwrap()?];
        // More may be spawned while results come, also after the last one has come.
        set.spawn("sleep", after(3 * SEC, Ok(4))).await;
        while let Some(result) = set.next().await {
            order.push(result?);
        }
        set.try_spawn("last", async { Ok(5) })?;
        order.push(set.next().await.unwrap()?);
        assert_eq!(set.len(), 0);
        Ok(order)
    });
    assert_eq!(order.await.unwrap(), [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn whoever_has_taken_a_result_has_room_for_one_more() {
    scope(
        Opts::named("one").max_children(1),
        async |s: &Scope<Fail>| {
            let mut set = s.gather();
            for _ in 0..3 {
                set.try_spawn("child", after(SEC, Ok(())))?;
                set.next().await.expect("one is outstanding")?;
            }
            Ok(())
        },
    )
    .await
    .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_waiting_next_may_be_given_up_and_loses_nothing() {
    scope("patience", async |s: &Scope<Fail>| {
        let mut set = s.gather();
        set.spawn("slow", after(SEC, Ok(7))).await;
        assert!(tokio::time::timeout(MS, set.next()).await.is_err());
        assert_eq!(set.next().await, Some(Ok(7)));
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_body_with_a_grace_sees_how_each_child_ended() {
    let mut seen = Vec::new();
    let error = scope(Opts::named("grace").grace(SEC), async |s: &Scope<Fail>| {
        let mut set = s.gather();
        set.spawn("bad", async { fail("x") }).await;
        set.spawn("panics", async { forever::<()>().await }).await;
        while let Some(result) = set.next().await {
            seen.push(result);
        }
        set.spawn("late", async { Ok(()) }).await;
        seen.extend(set.next().await);
        Ok(())
    })
    .await
    .unwrap_err();
    let at = error.first().unwrap().at;
    let failed = Reason::ChildFailed { task: "bad", at };
    assert_eq!(failures(error), ["bad: x"]);
    let never = RefusedBecause::Cancelling(failed);
    assert_eq!(
        seen,
        [
            Err(Stopped::Failed),
            Err(Stopped::NotStarted(never)),
            Err(Stopped::NotStarted(never))
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_without_a_grace_does_not_hear_of_the_failure_that_stops_it() {
    let log = Log::default();
    let error = scope("plain", async |s: &Scope<Fail>| {
        let mut set = s.gather::<()>();
        set.spawn("bad", async { fail("x") }).await;
        let result = set.next().await;
        log.note(format!("{result:?}"));
        fail::<()>("a phantom")
    })
    .await
    .unwrap_err();
    assert_eq!(
        (failures(error), log.take()),
        (vec!["bad: x".to_owned()], vec![])
    );
}

#[tokio::test(start_paused = true)]
async fn a_dropped_set_drops_its_results_and_the_scope_still_waits() {
    let drops = Drops::default();
    scope("waits", async |s: &Scope<Fail>| {
        let set = s.gather();
        for secs in [0, 1] {
            let guard = drops.guard();
            set.spawn("child", after(secs * SEC, Ok(guard))).await;
        }
        tokio::time::sleep(MS).await;
        drop(set);
        assert_eq!(drops.count(), 1);
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(drops.count(), 2);
}
