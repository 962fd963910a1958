//! What happens when somebody drops a future of ours.

use crate::support::*;
use tidegate::{
    Reason, Scope, ScopeError, Stopped, What, cancelled,
    root::{self, Shutdown},
    scope,
};
use tokio::time::timeout;

#[tokio::test(start_paused = true)]
async fn the_parent_waits_for_the_children_of_a_dropped_scope() {
    let log = Log::default();
    scope("parent", async |_: &Scope<Fail>| {
        let inner = scope("inner", async |s: &Scope<Fail>| {
            let log = log.clone();
            drop(s.try_spawn_with_grace("graceful", 5 * SEC, async move {
                let reason = cancelled().await;
                log.note(format!("told: {reason}"));
                after(SEC, Ok(())).await?;
                log.note("cleaned up");
                Ok(())
            })?);
            forever::<()>().await
        });
        assert!(timeout(SEC, inner).await.is_err());
        log.note("body went on");
        Ok(())
    })
    .await
    .unwrap();
    let told = format!("told: {}", Reason::OwnerDropped);
    assert_eq!(
        log.take(),
        ["body went on".to_owned(), told, "cleaned up".to_owned()]
    );
}

#[test]
fn failures_nobody_could_be_told_of_reach_the_root() {
    let log = Log::default();
    let hook = log.clone();
    // A hook that panics harms nobody.
    let quiet = Shutdown::new().signals(false).on_unclaimed(move |orphan| {
        hook.note(orphan.failure.task);
        panic!("a hook");
    });
    let ended = root::run(quiet, "main", async |_: &Scope<Fail>| {
        let inner = scope("inner", async |s: &Scope<Fail>| {
            for text in ["one", "two"] {
                let work = async move {
                    cancelled().await;
                    fail::<()>(text)
                };
                drop(s.try_spawn_with_grace("child", SEC, work)?);
            }
            forever::<()>().await
        });
        assert!(timeout(MS, inner).await.is_err());
        Ok(7)
    });
    assert_eq!(ended.result.unwrap(), 7);
    assert!(ended.survivors.is_empty());
    let mut texts: Vec<_> = ended
        .unclaimed
        .iter()
        .map(|orphan| {
            let What::Error(error) = &orphan.failure.what else {
                panic!("{orphan}")
            };
            assert!(orphan.failure.after_cancel);
            format!("{}/{}: {error}", orphan.scope, orphan.failure.task)
        })
        .collect();
    texts.sort_unstable();
    assert_eq!(texts, ["main/inner/child: one", "main/inner/child: two"]);
    assert_eq!(log.take(), ["child", "child"]);
}

#[tokio::test(start_paused = true)]
async fn a_scope_dropped_by_a_cancel_above_gives_that_reason() {
    let mut task = None;
    let error = scope("outer", async |s: &Scope<Fail>| {
        let outer = s.clone();
        scope("inner", async |i: &Scope<Fail>| {
            task = Some(i.try_spawn_with_grace("child", SEC, async { Ok(cancelled().await) })?);
            // The outer body, with all that is in it, is dropped at this await.
            outer.cancel(Reason::User("outer"), SEC);
            forever::<()>().await
        })
        .await?;
        Ok(())
    });
    assert!(matches!(
        error.await,
        Err(ScopeError::Cancelled(Reason::User("outer")))
    ));
    assert_eq!(task.unwrap().await, Ok(Reason::User("outer")));
}

#[tokio::test]
async fn a_scope_that_is_never_polled_is_nothing() {
    let value = scope("outer", async |_: &Scope<Fail>| {
        drop(scope("inner", async |_: &Scope<Fail>| Ok(())));
        Ok(7)
    });
    assert_eq!(value.await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_task_runs_on_and_is_waited_for() {
    let log = Log::default();
    scope("waits", async |s: &Scope<Fail>| {
        let log = log.clone();
        drop(s.try_spawn("child", async move {
            after(SEC, Ok(())).await?;
            log.note("done");
            Ok(())
        })?);
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(log.take(), ["done"]);
}

#[tokio::test(start_paused = true)]
async fn children_are_told_before_the_body_s_destructors_run() {
    struct Look(Scope<Fail>, Log);
    impl Drop for Look {
        fn drop(&mut self) {
            self.1.note(format!("{:?}", self.0.reason()));
        }
    }
    let log = Log::default();
    let inner = scope("inner", async |s: &Scope<Fail>| {
        let _look = Look(s.clone(), log.clone());
        drop(s.try_spawn("child", forever::<()>())?);
        forever::<()>().await
    });
    assert!(timeout(SEC, inner).await.is_err());
    assert_eq!(log.take(), ["Some(OwnerDropped)"]);
}

#[test]
fn a_runtime_that_goes_away_ends_its_children() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut task = None;
    runtime.block_on(async {
        let inner = scope("inner", async |s: &Scope<Fail>| {
            task = Some(s.try_spawn_with_grace("child", 60 * SEC, forever::<()>())?);
            forever::<()>().await
        });
        assert!(timeout(MS, inner).await.is_err());
    });
    drop(runtime);
    let other = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    assert_eq!(other.block_on(task.unwrap()), Err(Stopped::RuntimeGone));
}

#[test]
fn failures_outside_every_root_reach_the_process_root() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let inner = scope("unclaimed", async |s: &Scope<Fail>| {
            let work = async {
                cancelled().await;
                fail::<()>("lost")
            };
            drop(s.try_spawn_with_grace("child", SEC, work)?);
            forever::<()>().await
        });
        assert!(timeout(MS, inner).await.is_err());
        let mut found = Vec::new();
        while found.is_empty() {
            tokio::task::yield_now().await;
            found.extend(
                root::unclaimed()
                    .into_iter()
                    .filter(|orphan| orphan.scope == "unclaimed"),
            );
        }
        assert!(
            found[0].to_string().ends_with("failed: lost"),
            "{}",
            found[0]
        );
    });
}
