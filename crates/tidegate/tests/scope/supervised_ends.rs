//! Failures of supervised children whose scope or handle is gone: the root hears of them.

use crate::support::*;
use std::time::Duration;
use tidegate::{
    Supervisor, cancelled,
    root::{self, Ended, Shutdown},
    scope, supervise,
};
use tokio::time::timeout;

fn quiet() -> Shutdown {
    Shutdown::new().signals(false)
}

fn unclaimed<T>(ended: &Ended<T, Fail>) -> Vec<String> {
    let mut all: Vec<_> = ended.unclaimed.iter().map(ToString::to_string).collect();
    for text in &mut all {
        // Without the place, which the tests of sites look at.
        let (start, rest) = text.split_once(" (").unwrap();
        *text = format!("{start}{}", rest.split_once(')').unwrap().1);
    }
    all
}

#[test]
fn failures_of_a_dropped_scope_reach_the_root() {
    let ended = root::run(quiet(), "main", async |_: &tidegate::Scope<Fail>| {
        let inner = supervise("inner", async |s: &Supervisor<Fail>| {
            let early = s.spawn("early", async { fail::<()>("x") }).await;
            let _asked = s
                .spawn_with_grace("asked", SEC, async {
                    cancelled().await;
                    fail::<()>("y")
                })
                .await;
            forever::<()>().await?;
            drop(early);
            Ok(())
        });
        assert!(timeout(MS, inner).await.is_err());
        Ok(())
    });
    assert_eq!(
        unclaimed(&ended),
        [
            "main/inner: task `early` failed: x",
            "main/inner: task `asked` failed: y"
        ]
    );
}

#[test]
fn a_handle_dropped_after_its_scope_gives_the_failure_to_the_root() {
    let ended = root::run(quiet(), "main", async |_: &tidegate::Scope<Fail>| {
        let done = supervise("inner", async |s: &Supervisor<Fail>| {
            Ok(s.spawn("child", async { fail::<()>("x") }).await)
        });
        let done = done.await.map_err(|error| Fail(error.to_string()))?;
        assert!(done.failures.is_empty());
        drop(done.value);
        Ok(())
    });
    assert_eq!(unclaimed(&ended), ["main/inner: task `child` failed: x"]);
}

#[test]
fn a_handle_that_outlives_its_scope_can_still_be_awaited() {
    let ended = root::run(quiet(), "main", async |_: &tidegate::Scope<Fail>| {
        let done = supervise("inner", async |s: &Supervisor<Fail>| {
            Ok(s.spawn("child", async { fail::<()>("x") }).await)
        });
        let done = done.await.map_err(|error| Fail(error.to_string()))?;
        assert!(done.value.await.is_err());
        Ok(())
    });
    assert!(ended.result.is_ok() && ended.unclaimed.is_empty());
}

#[test]
fn more_failures_than_are_kept_reach_the_root() {
    let ended = root::run(quiet(), "main", async |_: &tidegate::Scope<Fail>| {
        let done = supervise("inner", async |s: &Supervisor<Fail>| {
            for _ in 0..1030 {
                drop(s.spawn("child", async { fail::<()>("x") }).await);
            }
            Ok(())
        });
        Ok(done.await.unwrap().failures.len())
    });
    assert_eq!(ended.result.unwrap(), 1024);
    assert_eq!(ended.unclaimed.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn the_parent_waits_for_the_children_of_a_dropped_supervised_scope() {
    let drops = Drops::default();
    let guard = drops.guard();
    scope("parent", async |_: &tidegate::Scope<Fail>| {
        let inner = supervise("inner", async |s: &Supervisor<Fail>| {
            let work = async move {
                let _guard = guard;
                cancelled().await;
                after(SEC, Ok(())).await
            };
            drop(s.spawn_with_grace("child", 5 * SEC, work).await);
            forever::<()>().await
        });
        assert!(timeout(SEC, inner).await.is_err());
        assert_eq!(drops.count(), 0);
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(drops.count(), 1);
}

#[tokio::test]
async fn a_supervised_scope_that_is_never_polled_is_nothing() {
    let log = Log::default();
    drop(supervise("never", async |_: &Supervisor<Fail>| {
        log.note("ran");
        Ok(())
    }));
    assert!(log.take().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_failure_is_lost_when_a_handle_goes_while_its_child_ends() {
    const CHILDREN: usize = 1_000;
    let mut awaited = 0;
    let done = supervise("race", async |s: &Supervisor<Fail>| {
        for n in 0..CHILDREN {
            let mut child = s.spawn("child", async { fail::<()>("x") }).await;
            if n % 2 == 0 {
                // At some moment before, during or after its end, on another thread.
                let dropper = async move {
                    drop(child);
                    Ok(())
                };
                drop(s.spawn("dropper", dropper).await);
            } else if timeout(Duration::ZERO, &mut child).await.is_ok() {
                awaited += 1;
            }
        }
        Ok(())
    });
    let kept = done.await.unwrap().failures.len();
    assert_eq!(kept + awaited, CHILDREN);
}
