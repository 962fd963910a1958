//! Clean-ups that the scope runs at its end, and sections that survive their caller.

use crate::support::{Drops, Fail, Log, MS, SEC, fail, failures, forever, here, site};
use std::time::Duration;
use tidegate::{
    Leave, Opts, Reason, RefusedBecause, Scope, ScopeError, Stopped, What, is_cancelled, scope,
};
use tokio::time::{Instant, sleep, timeout};

const STOP: Reason = Reason::User("enough");

fn note_later(s: &Scope<Fail>, log: &Log, name: &'static str) {
    let log = log.clone();
    let deferred = s.defer(name, 10 * SEC, async move {
        sleep(SEC).await;
        log.note(format!("{name} {}", is_cancelled()));
        Ok(())
    });
    drop(deferred.expect("the scope is open"));
}

/// A scope with two clean-ups and a child that leaves before them, ended by `end`.
async fn cleaned(end: impl AsyncFnOnce(&Scope<Fail>) -> Result<(), Fail>) -> Vec<String> {
    let log = Log::default();
    let ended = scope("s", async |s: &Scope<Fail>| {
        note_later(s, &log, "first");
        note_later(s, &log, "second");
        let seen = log.clone();
        let child = s.spawn_with_grace("child", 60 * SEC, async move {
            sleep(5 * SEC).await;
            seen.note("child");
            Ok(())
        });
        drop(child.await);
        sleep(SEC).await;
        end(s).await
    });
    // The last arm drops the scope; its parent waits.
    drop(timeout(3 * SEC, ended).await);
    sleep(20 * SEC).await;
    log.take()
}

#[tokio::test(start_paused = true)]
async fn clean_ups_run_after_the_last_child_on_every_way_out() {
    const ALL: [&str; 3] = ["child", "second false", "first false"];
    assert_eq!(cleaned(async |_| Ok(())).await, ALL);
    assert_eq!(cleaned(async |_| fail("bad")).await, ALL);
    assert_eq!(cleaned(async |_| panic!("on purpose")).await, ALL);
    assert_eq!(
        cleaned(async |s| {
            s.cancel(STOP, 60 * SEC);
            Ok(())
        })
        .await,
        ALL
    );
    // Dropped by the time-out around it.
    assert_eq!(cleaned(async |_| forever().await).await, ALL);
}

#[tokio::test(start_paused = true)]
async fn the_clean_ups_of_a_dropped_scope_keep_its_parent_open() {
    let log = Log::default();
    let start = Instant::now();
    scope("outer", async |_: &Scope<Fail>| {
        let inner = scope("inner", async |s: &Scope<Fail>| {
            note_later(s, &log, "close");
            forever::<()>().await
        });
        assert!(timeout(SEC, inner).await.is_err());
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(log.take(), ["close false"]);
    assert_eq!(start.elapsed(), 2 * SEC);
}

#[tokio::test(start_paused = true)]
async fn a_disarmed_clean_up_does_not_run() {
    let log = Log::default();
    scope("s", async |s: &Scope<Fail>| {
        let seen = log.clone();
        let deferred = s.defer("never", SEC, async move {
            seen.note("ran");
            Ok(())
        })?;
        note_later(s, &log, "kept");
        assert!(deferred.disarm());
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(log.take(), ["kept false"]);
}

#[tokio::test(start_paused = true)]
async fn what_fails_in_a_clean_up_is_the_scopes_and_stops_no_other() {
    let log = Log::default();
    let mut at = None;
    let ended = scope("s", async |s: &Scope<Fail>| {
        note_later(s, &log, "last");
        at = Some(here());
        drop(s.defer("panics", SEC, async { panic!("on purpose") })?);
        drop(s.defer("fails", SEC, async { fail("bad") })?);
        drop(s.defer("hangs", SEC, forever())?);
        Ok(())
    });
    let Err(ScopeError::Failed(failed)) = ended.await else {
        panic!("the clean-ups fail")
    };
    assert!(matches!(failed.first.what, What::CutShort { within } if within == SEC));
    let panics = failed.rest.iter().find(|failure| failure.task == "panics");
    let (file, line) = at.unwrap();
    assert_eq!(site(panics.unwrap().at), (file, line + 1));
    assert_eq!(
        failures(ScopeError::Failed(failed)),
        ["hangs: cut after 1s", "fails: bad", "panics! on purpose"]
    );
    assert_eq!(log.take(), ["last false"]);
}

#[tokio::test(start_paused = true)]
async fn the_hard_instant_cuts_a_clean_up_and_says_which_were_not_run() {
    let start = Instant::now();
    let ended = scope("s", async |s: &Scope<Fail>| {
        drop(s.defer("second", SEC, async { Ok(()) })?);
        drop(s.defer("first", 60 * SEC, forever())?);
        s.cancel(STOP, 2 * SEC);
        Ok(())
    });
    assert_eq!(
        failures(ended.await.unwrap_err()),
        ["first: cut after 60s", "second: NotRun"]
    );
    assert_eq!(start.elapsed(), 2 * SEC);
}

#[tokio::test(start_paused = true)]
async fn an_ended_scope_hands_a_clean_up_back() {
    let mut late = None;
    scope("s", async |s: &Scope<Fail>| {
        late = Some(s.clone());
        Ok(())
    })
    .await
    .unwrap();
    let refused = late
        .unwrap()
        .defer("late", SEC, async { Ok(()) })
        .unwrap_err();
    assert_eq!(refused.because, RefusedBecause::Closed);
    assert!(refused.into_work().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_clean_up_may_defer_another_and_open_scopes() {
    let log = Log::default();
    let seen = log.clone();
    scope("s", async |s: &Scope<Fail>| {
        let handle = s.clone();
        drop(s.defer("first", SEC, async move {
            note_later(&handle, &seen, "second");
            let inner = scope("inner", async |s: &Scope<Fail>| {
                Ok(s.spawn("child", async { Ok(1) }).await.await?)
            });
            seen.note(format!("first {}", inner.await?));
            Ok(())
        })?);
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(log.take(), ["first 1", "second false"]);
}

#[tokio::test(start_paused = true)]
async fn clean_ups_wait_for_background_children() {
    let log = Log::default();
    let seen = log.clone();
    scope("s", async |s: &Scope<Fail>| {
        note_later(s, &log, "clean-up");
        s.spawn_background("background", async move {
            let _note = NoteOnDrop(seen);
            forever().await
        })?;
        sleep(MS).await;
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(log.take(), ["dropped", "clean-up false"]);
}

struct NoteOnDrop(Log);

impl Drop for NoteOnDrop {
    fn drop(&mut self) {
        self.0.note("dropped");
    }
}

#[tokio::test(start_paused = true)]
async fn a_critical_child_survives_its_caller_and_the_cancel() {
    let log = Log::default();
    let seen = log.clone();
    let ended = scope(
        Opts::named("s").on_leave(Leave::Cancel),
        async |s: &Scope<Fail>| {
            let section = s.critical("commit", 10 * SEC, async move {
                sleep(3 * SEC).await;
                seen.note(format!("committed {}", is_cancelled()));
                Ok(5)
            })?;
            assert!(timeout(SEC, section).await.is_err());
            Ok(())
        },
    );
    ended.await.unwrap();
    assert_eq!(log.take(), ["committed false"]);
}

#[tokio::test(start_paused = true)]
async fn a_critical_child_is_taken_by_a_scope_that_is_stopping() {
    let log = Log::default();
    let seen = log.clone();
    let ended = scope(Opts::named("s").grace(10 * SEC), async |s: &Scope<Fail>| {
        s.cancel(STOP, 10 * SEC);
        assert!(s.try_spawn("plain", async { Ok(()) }).is_err());
        let section = s.critical("rollback", 5 * SEC, async move {
            sleep(SEC).await;
            seen.note("rolled back");
            Ok(6)
        })?;
        Ok(section.await?)
    });
    assert_eq!(ended.await.unwrap(), 6);
    assert_eq!(log.take(), ["rolled back"]);
}

#[tokio::test(start_paused = true)]
async fn a_critical_child_that_is_over_its_time_is_a_failure() {
    let drops = Drops::default();
    let guard = drops.guard();
    let ended = scope("s", async |s: &Scope<Fail>| {
        let section = s.critical("commit", SEC, async move {
            let _guard = guard;
            forever::<()>().await
        })?;
        assert_eq!(section.await, Err(Stopped::Failed));
        Ok(())
    });
    assert_eq!(failures(ended.await.unwrap_err()), ["commit: cut after 1s"]);
    assert_eq!(drops.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_critical_childs_error_and_panic_are_its_scopes() {
    let ended = scope("s", async |s: &Scope<Fail>| {
        drop(s.critical("fails", SEC, async { fail::<()>("bad") })?);
        drop(s.critical("panics", SEC, async {
            sleep(MS).await;
            match is_cancelled() {
                false => panic!("on purpose"),
                true => Ok(()),
            }
        })?);
        forever::<()>().await
    });
    assert_eq!(
        failures(ended.await.unwrap_err()),
        ["fails: bad", "panics! on purpose"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_ended_scope_hands_a_critical_section_back() {
    let mut late = None;
    let outer = scope("s", async |s: &Scope<Fail>| {
        late = Some(s.clone());
        Ok(())
    });
    outer.await.unwrap();
    let refused = late.unwrap().critical("late", SEC, async { Ok(7) });
    assert!(matches!(refused.unwrap_err().into_work().await, Ok(7)));
}

#[tokio::test(start_paused = true)]
async fn a_critical_child_told_before_its_first_poll_runs_all_the_same() {
    let log = Log::default();
    let seen = log.clone();
    scope("s", async |s: &Scope<Fail>| {
        let section = s.critical("commit", 5 * SEC, async move {
            sleep(SEC).await;
            seen.note("committed");
            Ok(())
        })?;
        s.cancel(STOP, 60 * SEC);
        drop(section);
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(log.take(), ["committed"]);
}

#[tokio::test(start_paused = true)]
async fn a_critical_child_of_a_dropped_scope_is_waited_for_by_the_parent() {
    let log = Log::default();
    let (start, seen) = (Instant::now(), log.clone());
    scope("outer", async |_: &Scope<Fail>| {
        let inner = scope("inner", async |s: &Scope<Fail>| {
            Ok(s.critical("commit", 5 * SEC, async move {
                sleep(3 * SEC).await;
                seen.note("committed");
                Ok(())
            })?
            .await?)
        });
        assert!(timeout(SEC, inner).await.is_err());
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(log.take(), ["committed"]);
    assert_eq!(start.elapsed(), 3 * SEC);
}

#[tokio::test(start_paused = true)]
async fn a_zero_grace_leaves_no_time_for_critical_work_and_says_so() {
    let ended = scope("s", async |s: &Scope<Fail>| {
        drop(s.critical("commit", 5 * SEC, forever::<()>())?);
        sleep(MS).await;
        s.cancel(STOP, Duration::ZERO);
        Ok(())
    });
    // It had begun, so its end is one of the scope's failures.
    assert_eq!(failures(ended.await.unwrap_err()), ["commit: cut after 5s"]);
}
