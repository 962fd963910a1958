//! Children that are spawned and joined.

use crate::support::{Ledger, MS, swept};
use tidegate::{Opts, Scope, Stopped, scope};
use tokio::{task::yield_now, time::sleep};

async fn child(ledger: Ledger, n: u32) -> Result<u32, String> {
    let _running = ledger.running();
    yield_now().await;
    sleep(MS * n).await;
    Ok(n)
}

#[test]
fn spawn_and_join() {
    swept("spawn and join", |ledger| async move {
        let sum = scope("join", async |s: &Scope<String>| {
            let _running = ledger.running();
            let one = s.spawn("one", child(ledger.clone(), 1)).await;
            let two = s.spawn("two", child(ledger.clone(), 2)).await;
            Ok((one.await, two.await))
        });
        let sum = sum.await;
        ledger.nothing_runs("after the scope");
        sum
    });
}

#[test]
fn a_failure_stops_the_siblings() {
    swept("failure", |ledger| async move {
        let failed = scope("failing", async |s: &Scope<String>| {
            drop(s.spawn("slow", child(ledger.clone(), 100)).await);
            let fails = async {
                yield_now().await;
                Err::<(), _>("on purpose".to_owned())
            };
            let stopped = s.spawn("fails", fails).await.await;
            ledger.fault(format!("heard of {stopped:?} in a scope that stops"));
            Ok(())
        });
        let failed = failed.await;
        ledger.nothing_runs("after the scope");
        if failed.is_ok() {
            ledger.fault("the failure is lost");
        }
    });
}

#[test]
fn a_panic_stops_the_siblings() {
    swept("panic", |ledger| async move {
        let failed = scope("panicking", async |s: &Scope<String>| {
            drop(s.spawn("slow", child(ledger.clone(), 100)).await);
            let panics = async {
                yield_now().await;
                panic!("on purpose");
            };
            drop(s.spawn::<_, ()>("panics", panics).await);
            Ok(())
        });
        let failed = failed.await;
        ledger.nothing_runs("after the scope");
        drop(failed);
    });
}

#[test]
fn gather() {
    swept("gather", |ledger| async move {
        let sum = scope("gathering", async |s: &Scope<String>| {
            let mut children = s.gather();
            for n in 1..=3 {
                children.spawn("child", child(ledger.clone(), n)).await;
            }
            let mut sum = 0;
            while let Some(ended) = children.next().await {
                sum += ended.unwrap_or(0);
            }
            Ok(sum)
        });
        let sum = sum.await;
        ledger.nothing_runs("after the scope");
        sum
    });
}

#[test]
fn a_spawn_that_waits_for_room() {
    swept("room", |ledger| async move {
        let bounded = Opts::named("bounded").max_children(1);
        let ended = scope(bounded, async |s: &Scope<String>| {
            let mut tasks = Vec::new();
            for n in 1..=4 {
                tasks.push(s.spawn("child", child(ledger.clone(), n)).await);
                if s.children() > 1 {
                    ledger.fault("two children in the room of one");
                }
            }
            for task in tasks {
                if task.await == Err(Stopped::Failed) {
                    ledger.fault("a child failed");
                }
            }
            Ok(())
        });
        let ended = ended.await;
        ledger.nothing_runs("after the scope");
        ended
    });
}

#[test]
fn a_spawn_from_elsewhere_that_waits_for_room() {
    swept("room elsewhere", |ledger| async move {
        let spawner = scope("spawner", async |outer: &Scope<String>| {
            let full = scope(
                Opts::named("full").max_children(1),
                async |s: &Scope<String>| {
                    drop(s.spawn("first", child(ledger.clone(), 2)).await);
                    let (inner, theirs) = (s.clone(), ledger.clone());
                    let outside = async move {
                        let _running = theirs.running();
                        // Refused, or stopped, when the inner scope is stopping.
                        let _ended = inner.spawn("second", child(theirs.clone(), 1)).await.await;
                        Ok(())
                    };
                    drop(outer.spawn("outside", outside).await);
                    sleep(3 * MS).await;
                    Ok(())
                },
            );
            drop(full.await);
            Ok(())
        });
        let ended = spawner.await;
        ledger.nothing_runs("after the scope");
        ended
    });
}
