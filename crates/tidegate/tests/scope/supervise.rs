//! Supervised scopes: a failure stays with the child, and is somewhere to be read.

use crate::support::*;
use tidegate::{
    ChildError, Opts, Reason, RefusedBecause, Scope, ScopeError, Stopped, Supervised, Supervisor,
    cancelled, scope, shield, supervise,
};
use tokio::time::timeout;

fn kept<T>(done: &Supervised<T, Fail>) -> Vec<String> {
    done.failures.iter().map(show).collect()
}

#[tokio::test(start_paused = true)]
async fn a_failure_stops_nobody_and_is_its_handle_s() {
    let done = supervise("three", async |s: &Supervisor<Fail>| {
        let bad = s.spawn("bad", async { fail::<()>("x") }).await;
        let panics = s
            .spawn("panics", async { panic!("y") as Result<(), Fail> })
            .await;
        let good = s.spawn("good", after(SEC, Ok(7))).await;
        assert!(matches!(bad.await, Err(ChildError::Error(Fail(text))) if text == "x"));
        assert!(matches!(panics.await, Err(ChildError::Panic(panic)) if panic.message() == "y"));
        assert!(!s.is_cancelled() && !good.is_finished());
        Ok(good.await?)
    })
    .await
    .unwrap();
    assert_eq!((done.value, done.failures.len()), (7, 0));
}

#[tokio::test(start_paused = true)]
async fn a_failure_whose_handle_was_dropped_comes_back() {
    let mut line = 0;
    let done = supervise("kept", async |s: &Supervisor<Fail>| {
        let late = after::<()>(SEC, fail("dropped before the end"));
        line = here().1 + 1;
        drop(s.spawn("later", late).await);
        let early = s.try_spawn("early", async { fail::<()>("dropped after the end") })?;
        tokio::time::sleep(MS).await;
        assert!(early.is_finished());
        drop(early);
        s.spawn_background("background", after(2 * SEC, fail("in the background")))?;
        drop(s.spawn("well", after(9 * SEC, Ok(()))).await);
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(done.failures[1].at.line(), line);
    assert!(!done.failures[1].after_cancel);
    assert_eq!(
        kept(&done),
        [
            "early: dropped after the end",
            "later: dropped before the end",
            "background: in the background"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_background_child_that_fails_at_its_end_says_that_the_scope_was_not_told() {
    let done = supervise("open", async |s: &Supervisor<Fail>| {
        // In a shield, as what is told without one does not come to fail.
        let work = async {
            shield(2 * SEC, after::<()>(SEC, fail("late")))
                .await
                .unwrap()
        };
        s.spawn_background("background", work)?;
        tokio::time::sleep(MS).await;
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(kept(&done), ["background: late"]);
    assert!(!done.failures[0].after_cancel);
}

#[tokio::test(start_paused = true)]
async fn failures_may_be_taken_while_the_scope_runs() {
    let done = supervise("long", async |s: &Supervisor<Fail>| {
        drop(s.spawn("first", async { fail::<()>("x") }).await);
        tokio::time::sleep(MS).await;
        let taken = s.take_failures();
        assert_eq!(taken.iter().map(show).collect::<Vec<_>>(), ["first: x"]);
        drop(s.spawn("second", async { fail::<()>("y") }).await);
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(kept(&done), ["second: y"]);
}

#[tokio::test(start_paused = true)]
async fn the_body_s_error_comes_first_and_stops_the_children() {
    let drops = Drops::default();
    let guard = drops.guard();
    let error = supervise("body", async |s: &Supervisor<Fail>| {
        drop(
            s.spawn("stopped", async move {
                let _guard = guard;
                forever::<()>().await
            })
            .await,
        );
        drop(s.spawn("bad", async { fail::<()>("x") }).await);
        tokio::time::sleep(MS).await;
        fail::<()>("gives up")
    })
    .await
    .unwrap_err();
    assert_eq!(
        (failures(error), drops.count()),
        (vec!["body: gives up".to_owned(), "bad: x".to_owned()], 1)
    );
}

#[tokio::test(start_paused = true)]
async fn the_body_s_panic_is_returned() {
    let error = supervise("body", async |s: &Supervisor<Fail>| {
        drop(s.spawn("child", forever::<()>()).await);
        panic!("x") as Result<(), Fail>
    });
    assert_eq!(failures(error.await.unwrap_err()), ["body! x"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_destructor_of_the_body_is_no_success() {
    let error = supervise("body", async |_: &Supervisor<Fail>| {
        let _trap = Trap("x");
        Ok(7)
    });
    assert_eq!(failures(error.await.unwrap_err()), ["body! x"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_destructor_stays_with_the_child_too() {
    let done = supervise("traps", async |s: &Supervisor<Fail>| {
        let finished = s
            .spawn("finished", async {
                let _trap = Trap("x");
                Ok(())
            })
            .await;
        assert!(matches!(finished.await, Err(ChildError::Panic(_))));
        // A value that nobody takes panics when it is dropped.
        drop(s.spawn("value", after(MS, Ok(Trap("y")))).await);
        tokio::time::sleep(SEC).await;
        assert!(!s.is_cancelled());
        let cut = s
            .spawn("cut", async {
                let _trap = Trap("z");
                forever::<()>().await
            })
            .await;
        tokio::time::sleep(MS).await;
        drop(cut);
        s.cancel(Reason::User("enough"), SEC);
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(kept(&done), ["value! y", "cut! z"]);
}

#[tokio::test(start_paused = true)]
async fn a_child_told_alone_stops_alone() {
    const WHY: Reason = Reason::User("not needed");
    let done = supervise("alone", async |s: &Supervisor<Fail>| {
        let cut = s.spawn("cut", forever::<()>()).await;
        let polite = async {
            cancelled().await;
            fail::<()>("in its grace")
        };
        let asked = s.spawn_with_grace("asked", SEC, polite).await;
        let never = s.spawn("never", async { Ok(()) }).await;
        never.cancel(WHY);
        assert!(matches!(
            never.await,
            Err(ChildError::Stopped(Stopped::NotStarted(_)))
        ));
        tokio::time::sleep(MS).await;
        cut.cancel(WHY);
        assert!(matches!(
            cut.await,
            Err(ChildError::Stopped(Stopped::Cancelled(WHY)))
        ));
        asked.cancel(WHY);
        drop(asked);
        let other = s.spawn("other", after(SEC, Ok(7))).await;
        assert!(!s.is_cancelled());
        Ok(other.await?)
    })
    .await
    .unwrap();
    assert_eq!(done.value, 7);
    assert_eq!(kept(&done), ["asked: in its grace"]);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_stops_the_children_and_their_handles_say_why() {
    let error = supervise(
        Opts::named("grace").grace(SEC),
        async |s: &Supervisor<Fail>| {
            let cut = s.spawn("cut", forever::<()>()).await;
            let asked = s
                .spawn_with_grace("asked", SEC, async { Ok(cancelled().await) })
                .await;
            tokio::time::sleep(MS).await;
            let why = Reason::User("enough");
            s.cancel(why, SEC);
            let never = s.spawn("never", async { Ok(()) }).await;
            let refused = s
                .try_spawn("refused", async { Ok(()) })
                .expect_err("stopping");
            assert_eq!(refused.because, RefusedBecause::Cancelling(why));
            assert!(refused.into_work().await.is_ok());
            assert!(
                matches!(cut.await, Err(ChildError::Stopped(Stopped::Cancelled(r))) if r == why)
            );
            assert_eq!(asked.await?, why);
            assert!(matches!(
                never.await,
                Err(ChildError::Stopped(Stopped::NotStarted(_)))
            ));
            forever::<()>().await
        },
    );
    assert!(matches!(
        error.await,
        Err(ScopeError::Cancelled(Reason::User("enough")))
    ));
}

#[tokio::test(start_paused = true)]
async fn a_stopped_body_hears_nothing_and_its_child_s_failure_is_kept() {
    let log = Log::default();
    let error = supervise("stopped", async |s: &Supervisor<Fail>| {
        let child = s
            .spawn_with_grace("child", SEC, async {
                cancelled().await;
                fail::<()>("x")
            })
            .await;
        s.cancel(Reason::User("enough"), SEC);
        let outcome = child.await;
        log.note(format!("{outcome:?}"));
        Ok(())
    })
    .await
    .unwrap_err();
    assert!(error.first().unwrap().after_cancel);
    assert_eq!(
        (failures(error), log.take()),
        (vec!["child: x".to_owned()], vec![])
    );
}

/// What is awaited in a scope that is stopping keeps its news for whoever awaits it next.
#[tokio::test(start_paused = true)]
async fn a_handle_awaited_by_stopped_code_may_be_awaited_again() {
    let done = supervise("s", async |s: &Supervisor<Fail>| {
        let mut child = s.spawn("bad", async { fail::<()>("bad") }).await;
        let inner = scope("inner", async |i: &Scope<Fail>| {
            while !child.is_finished() {
                tokio::task::yield_now().await;
            }
            i.cancel(Reason::User("enough"), std::time::Duration::ZERO);
            drop((&mut child).await);
            Ok(())
        });
        assert!(matches!(inner.await, Err(ScopeError::Cancelled(_))));
        match child.await {
            Err(ChildError::Error(Fail(text))) => Ok(text),
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(timeout(SEC, done).await.unwrap().unwrap().value, "bad");
}

#[tokio::test(start_paused = true)]
async fn a_full_scope_makes_the_body_wait_and_hands_work_back() {
    let opts = Opts::named("one").max_children(1);
    let done = supervise(opts, async |s: &Supervisor<Fail>| {
        let first = s.spawn("first", after(SEC, Ok(1))).await;
        let refused = s
            .try_spawn("second", async { Ok(2) })
            .expect_err("one child is the limit");
        assert_eq!(refused.because, RefusedBecause::Full { limit: 1 });
        let second = s.spawn("second", refused.into_work()).await;
        assert!(first.is_finished());
        Ok((first.await?, second.await?))
    });
    assert_eq!(done.await.unwrap().value, (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_stops_a_supervised_scope() {
    let opts = Opts::named("slow").timeout(SEC);
    let error = supervise(opts, async |s: &Supervisor<Fail>| {
        drop(s.spawn("child", forever::<()>()).await);
        forever::<()>().await
    });
    let Err(ScopeError::Cancelled(Reason::Deadline { declared_by })) = error.await else {
        panic!("no deadline")
    };
    assert_eq!(declared_by.name(), "slow");
}

#[tokio::test(start_paused = true)]
async fn every_verb_records_the_line_that_spawned() {
    let bad = || async { fail::<()>("x") };
    let mut line = 0;
    let done = supervise("lines", async |s: &Supervisor<Fail>| {
        line = here().1;
        drop(s.spawn("child", bad()).await);
        drop(s.try_spawn("child", bad())?);
        drop(s.spawn_with_grace("child", SEC, bad()).await);
        drop(s.try_spawn_with_grace("child", SEC, bad())?);
        s.spawn_background("child", bad())?;
        Ok(())
    });
    let done = done.await.unwrap();
    let mut lines: Vec<_> = done.failures.iter().map(|f| f.at.line() - line).collect();
    lines.sort_unstable();
    assert_eq!(lines, [1, 2, 3, 4, 5]);

    line = here().1 + 1;
    let failed = supervise("own", async |_: &Supervisor<Fail>| fail::<()>("x"));
    assert_eq!(failed.await.unwrap_err().first().unwrap().at.line(), line);
}

#[tokio::test]
async fn a_scope_that_has_ended_hands_work_back() {
    let done = supervise("ended", async |s: &Supervisor<Fail>| Ok(s.clone()));
    let late = done.await.unwrap().value;
    let refused = late.try_spawn("late", async { Ok(7) });
    let refused = refused.expect_err("the scope has ended");
    assert_eq!(refused.because, RefusedBecause::Closed);
    assert_eq!(refused.into_work().await.unwrap(), 7);
    let background = late.spawn_background("late", async { Ok(()) });
    assert!(background.is_err());
    let late = late.spawn("late", async { Ok(()) }).await;
    assert!(matches!(
        late.await,
        Err(ChildError::Stopped(Stopped::NotStarted(
            RefusedBecause::Closed
        )))
    ));
}

#[test]
fn supervised_scopes_can_be_sent() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let scope = is_send(supervise("sent", async |s: &Supervisor<Fail>| {
        let child = is_send(s.spawn("child", async { Ok(1) })).await;
        Ok(is_send(child).await?)
    }));
    drop(scope);
}

#[tokio::test(start_paused = true)]
async fn a_shield_hears_how_a_child_failed_that_was_asked_for_before() {
    let done = supervise("s", async |s: &Supervisor<Fail>| {
        let mut bad = s.spawn("bad", async { fail::<()>("x") }).await;
        tokio::time::sleep(MS).await;
        s.cancel(Reason::User("enough"), SEC);
        tokio::select! {
            biased;
            _ = &mut bad => unreachable!("told to stop, this code hears nothing"),
            () = std::future::ready(()) => {}
        }
        let heard = shield(SEC, bad).await.unwrap();
        Ok(matches!(heard, Err(ChildError::Error(Fail(text))) if text == "x"))
    });
    let done = done.await.unwrap();
    assert!(done.value && done.failures.is_empty());
}
