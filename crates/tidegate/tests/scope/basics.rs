//! Success, failure, panic, and what the report says.

use crate::support::*;
use tidegate::{Reason, RefusedBecause, Scope, ScopeError, Stopped, What, scope};

#[tokio::test]
async fn a_body_borrows_what_surrounds_it_and_children_give_values() {
    let mut seen = Vec::new();
    let base = 40;
    let sum = scope("sum", async |s: &Scope<Fail>| {
        let task = s.spawn("two", async { Ok(2) }).await;
        seen.push(task.await?);
        Ok(base + seen[0])
    })
    .await
    .unwrap();
    assert_eq!((sum, seen), (42, vec![2]));
}

#[tokio::test(start_paused = true)]
async fn a_scope_ends_only_after_its_children() {
    let log = Log::default();
    scope("wait", async |s: &Scope<Fail>| {
        let child = log.clone();
        drop(s.try_spawn("slow", async move {
            after(SEC, Ok(())).await?;
            child.note("child ended");
            Ok(())
        })?);
        log.note("body ended");
        Ok(())
    })
    .await
    .unwrap();
    log.note("scope ended");
    assert_eq!(log.take(), ["body ended", "child ended", "scope ended"]);
}

#[tokio::test(start_paused = true)]
async fn the_first_error_stops_the_siblings_and_every_failure_is_kept() {
    let drops = Drops::default();
    let guard = drops.guard();
    let error = scope("all", async |s: &Scope<Fail>| {
        drop(
            s.spawn("stopped", async move {
                let _guard = guard;
                forever::<()>().await
            })
            .await,
        );
        // Asked by the first failure, it adds one of its own.
        drop(
            s.spawn_with_grace("graceful", SEC, async {
                tidegate::cancelled().await;
                fail::<()>("second")
            })
            .await,
        );
        drop(s.spawn("bad", after::<()>(MS, fail("first"))).await);
        forever::<()>().await
    })
    .await
    .unwrap_err();
    let ScopeError::Failed(all) = &error else {
        panic!("{error}")
    };
    assert!(!all.first.after_cancel && all.rest[0].after_cancel);
    assert_eq!(drops.count(), 1);
    assert_eq!(failures(error), ["bad: first", "graceful: second"]);
}

#[tokio::test(start_paused = true)]
async fn the_body_s_error_is_a_failure_under_the_scope_s_name() {
    let drops = Drops::default();
    let guard = drops.guard();
    let line = here().1 + 1;
    let error = scope("load", async |s: &Scope<Fail>| {
        drop(
            s.spawn("child", async move {
                let _guard = guard;
                forever::<()>().await
            })
            .await,
        );
        fail::<()>("body")
    })
    .await
    .unwrap_err();
    assert_eq!(error.first().unwrap().at.line(), line);
    assert_eq!(
        (failures(error), drops.count()),
        (vec!["load: body".to_owned()], 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_returned_with_its_payload_and_can_be_resumed() {
    let run = || {
        scope("panics", async |s: &Scope<Fail>| {
            drop(s.spawn("bad", async { std::panic::panic_any(7_u8) }).await as tidegate::Task<()>);
            forever::<()>().await
        })
    };
    let error = run().await.unwrap_err();
    let ScopeError::Failed(all) = error else {
        panic!("{error}")
    };
    let What::Panic(panic) = all.first.what else {
        panic!("no panic")
    };
    assert_eq!(panic.into_payload().downcast_ref(), Some(&7_u8));

    let outer = tokio::spawn(async move { run().await.map_err(ScopeError::or_resume_panic) });
    assert_eq!(
        outer.await.unwrap_err().into_panic().downcast_ref(),
        Some(&7_u8)
    );
}

#[tokio::test]
async fn a_panic_of_the_body_is_returned_too() {
    let error = scope("body", async |_: &Scope<Fail>| -> Result<(), Fail> {
        panic!("out of {}", "luck")
    });
    assert_eq!(failures(error.await.unwrap_err()), ["body! out of luck"]);
}

#[tokio::test]
async fn a_destructor_that_panics_is_a_panic_of_its_child() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in drop");
        }
    }
    let error = scope("drops", async |s: &Scope<Fail>| {
        let bomb = Bomb;
        let task = s
            .spawn("bomb", async move {
                let _bomb = bomb;
                forever::<()>().await
            })
            .await;
        tokio::task::yield_now().await;
        s.cancel(Reason::User("enough"), std::time::Duration::ZERO);
        drop(task);
        Ok(())
    })
    .await
    .unwrap_err();
    assert_eq!(failures(error), ["bomb! in drop"]);
}

#[tokio::test(start_paused = true)]
async fn a_task_says_how_its_child_ended() {
    let results = scope("kinds", async |s: &Scope<Fail>| {
        Ok(s.spawn("failed", async { fail::<()>("x") }).await)
    })
    .await;
    // The task was carried out of the scope by a value that the failure has thrown away.
    assert_eq!(failures(results.unwrap_err()), ["failed: x"]);

    let mut task = None;
    let error = scope("carried", async |s: &Scope<Fail>| {
        task = Some(s.spawn("panicked", async { panic!("y") }).await as tidegate::Task<()>);
        Ok(())
    })
    .await
    .unwrap_err();
    assert_eq!(failures(error), ["panicked! y"]);
    assert_eq!(task.unwrap().await, Err(Stopped::Panicked));
}

#[tokio::test]
async fn the_verbs_without_a_grace_record_their_line_too() {
    for verb in 0..4 {
        let mut lines = Vec::new();
        let error = scope("sites", async |s: &Scope<Fail>| {
            let bad = || async { fail::<()>("now") };
            let set = s.gather();
            lines.push(here());
            if verb == 0 {
                drop(s.spawn("bad", bad()).await)
            } else if verb == 1 {
                drop(s.try_spawn("bad", bad())?);
            } else if verb == 2 {
                set.spawn("bad", bad()).await;
            } else {
                set.try_spawn("bad", bad())?;
            }
            forever::<()>().await
        })
        .await
        .unwrap_err();
        let line = lines[0].1 + 2 + 2 * verb;
        assert_eq!(error.first().unwrap().at.line(), line, "verb {verb}");
    }
}

#[tokio::test]
async fn every_verb_records_the_line_that_called_it() {
    let mut lines = Vec::new();
    let error = scope("sites", async |s: &Scope<Fail>| {
        // `here` stands on the line before each verb; all of the children fail, at once or when asked.
        let work = async || {
            tidegate::cancelled().await;
            fail::<()>("asked")
        };
        let stopped = |stop: tidegate::StopFlag| {
            while !stop.is_set() {
                std::thread::yield_now();
            }
            fail::<()>("thread")
        };
        let set = s.gather::<()>();
        lines.push(here());
        drop(s.spawn_with_grace("a", SEC, work()).await);
        lines.push(here());
        drop(s.try_spawn_with_grace("b", SEC, work())?);
        lines.push(here());
        set.try_spawn_with_grace("c", SEC, work())?;
        lines.push(here());
        set.spawn_with_grace("d", SEC, work()).await;
        lines.push(here());
        drop(s.spawn_thread("e", stopped)?);
        s.cancel(Reason::User("enough"), SEC);
        Ok(())
    })
    .await
    .unwrap_err();
    let ScopeError::Failed(all) = error else {
        panic!("{error}")
    };
    let mut found: Vec<_> = all
        .iter()
        .map(|failure| (failure.task, site(failure.at)))
        .collect();
    found.sort_unstable();
    let next = |(file, line)| (file, line + 1);
    let wanted: Vec<_> = ["a", "b", "c", "d", "e"]
        .into_iter()
        .zip(lines.into_iter().map(next))
        .collect();
    assert_eq!(found, wanted);
}

#[tokio::test(start_paused = true)]
async fn a_stopping_scope_hands_late_work_back() {
    let error = scope("late", async |s: &Scope<Fail>| {
        s.cancel(Reason::User("enough"), SEC);
        let refused = s.try_spawn("late", async { Ok(7) }).unwrap_err();
        assert_eq!(
            refused.because,
            RefusedBecause::Cancelling(Reason::User("enough"))
        );
        assert_eq!(refused.into_work().await.unwrap(), 7);
        let task = s.spawn("later", async { Ok(8) }).await;
        // This body has no grace, so it is dropped here and does not hear that the task was not started.
        task.await?;
        Ok(())
    })
    .await
    .unwrap_err();
    assert!(matches!(
        error,
        ScopeError::Cancelled(Reason::User("enough"))
    ));
}

#[tokio::test]
async fn an_ended_scope_hands_late_work_back() {
    let handle = scope("done", async |s: &Scope<Fail>| Ok(s.clone()))
        .await
        .unwrap();
    let refused = handle.try_spawn("late", async { Ok(7) }).unwrap_err();
    assert_eq!(refused.because, RefusedBecause::Closed);
    let task = handle.spawn("later", async { Ok(8) }).await;
    assert_eq!(task.await, Err(Stopped::NotStarted(RefusedBecause::Closed)));
}

#[tokio::test]
async fn errors_pass_through_the_question_mark_and_nested_scopes_stay_send() {
    async fn whole() -> Result<u32, Fail> {
        let mut local = 1;
        let sum = scope("outer", async |s: &Scope<Fail>| {
            local += 1;
            let inner = scope("inner", async |t: &Scope<Fail>| {
                local += 1;
                let task = t.try_spawn("child", async { Ok(10) })?;
                Ok(task.await? + local)
            })
            .await?;
            let task = s.spawn("child", async move { Ok(inner) }).await;
            Ok(task.await? + local)
        })
        .await?;
        Ok(sum)
    }
    fn send<T: Send + 'static>(future: T) -> T {
        future
    }
    assert_eq!(tokio::spawn(send(whole())).await.unwrap().unwrap(), 16);
}

#[test]
fn what_crosses_threads_may() {
    fn both<T: Send + Sync>() {}
    both::<Scope<Fail>>();
    both::<ScopeError<Fail>>();
    both::<tidegate::Refused<std::cell::Cell<u8>>>();
    both::<tidegate::Task<u8>>();
    both::<tidegate::Gather<u8, Fail>>();
    both::<tidegate::StopFlag>();
    both::<tidegate::Orphan>();
}
