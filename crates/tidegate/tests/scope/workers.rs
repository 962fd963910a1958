//! The same on several workers, where the races are.

use crate::support::*;
use std::time::Duration;
use tidegate::{Opts, Reason, Scope, ScopeError, scope};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_child_is_lost_among_many() {
    let drops = Drops::default();
    let sum = scope(
        Opts::named("many").max_children(64),
        async |s: &Scope<Fail>| {
            let mut set = s.gather();
            let (mut spawned, mut sum) = (0_u64, 0);
            while spawned < 5000 || !set.is_empty() {
                while spawned < 5000 && set.len() < 100 {
                    let guard = drops.guard();
                    let n = spawned;
                    set.spawn("child", async move {
                        let _guard = guard;
                        if n % 2 == 0 {
                            tokio::task::yield_now().await;
                        }
                        Ok(n)
                    })
                    .await;
                    spawned += 1;
                }
                sum += set.next().await.expect("one is outstanding")?;
            }
            Ok(sum)
        },
    );
    assert_eq!(sum.await.unwrap(), 5000 * 4999 / 2);
    assert_eq!(drops.count(), 5000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_failure_stops_all_and_the_body_adds_no_phantom() {
    for round in 0..300 {
        let drops = Drops::default();
        let error = scope("race", async |s: &Scope<Fail>| {
            for n in 0..8 {
                let guard = drops.guard();
                drop(
                    s.spawn("waits", async move {
                        let _guard = guard;
                        if n % 2 == 0 {
                            tokio::task::yield_now().await;
                        }
                        forever::<()>().await
                    })
                    .await,
                );
            }
            let task = s.spawn("bad", async { fail::<()>("x") }).await;
            task.await?;
            Ok(())
        });
        assert_eq!(
            failures(error.await.unwrap_err()),
            ["bad: x"],
            "round {round}"
        );
        assert_eq!(drops.count(), 8, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_parent_waits_for_whatever_a_dropped_scope_has_spawned() {
    for round in 0..300_u32 {
        let drops = Drops::default();
        let mut spawned = 0;
        scope("parent", async |_: &Scope<Fail>| {
            let inner = scope("inner", async |s: &Scope<Fail>| {
                loop {
                    let guard = drops.guard();
                    spawned += 1;
                    drop(
                        s.spawn("child", async move {
                            let _guard = guard;
                            forever::<()>().await
                        })
                        .await,
                    );
                }
                #[expect(unreachable_code, reason = "it gives the body its type")]
                Ok(())
            });
            tokio::select! {
                biased;
                _ = after::<()>(Duration::from_micros(u64::from(round % 7) * 100), Ok(())) => {}
                result = inner => panic!("{result:?}"),
            }
            Ok(())
        })
        .await
        .unwrap();
        assert_eq!(drops.count(), spawned, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cancelling_from_many_threads_gives_one_reason() {
    for _ in 0..200 {
        let mut tasks = Vec::new();
        let error = scope("race", async |s: &Scope<Fail>| {
            for _ in 0..4 {
                tasks.push(s.try_spawn_with_grace("asked", SEC, async {
                    Ok(tidegate::cancelled().await)
                })?);
            }
            for why in ["a", "b", "c"] {
                let s = s.clone();
                drop(tokio::spawn(
                    async move { s.cancel(Reason::User(why), SEC) },
                ));
            }
            forever::<()>().await
        });
        let Err(ScopeError::Cancelled(reason)) = error.await else {
            panic!("not cancelled")
        };
        for task in tasks {
            assert_eq!(task.await, Ok(reason));
        }
    }
}
