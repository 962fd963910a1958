//! Every kind of violation but those of the check.

use crate::support::line_of;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tidegate::{Scope, scope};
use tidegate_test::{Mode, Sweep, Violations, cancel_point};
use tokio::{sync::Semaphore, task::yield_now, time::sleep};

const SEC: Duration = Duration::from_secs(1);

fn sweep<F: Future>(name: &'static str, mode: Mode, program: impl Fn() -> F) -> Violations {
    let sweep = Sweep::new(name).modes([mode]);
    match sweep.try_run(|| ((), program()), |()| Ok(())) {
        Ok(coverage) => panic!("nothing found: {coverage}"),
        Err(violations) => violations,
    }
}

#[test]
fn a_program_that_is_another_in_each_run_is_reported() {
    let run = AtomicUsize::new(0);
    let violations = sweep("moody", Mode::Drop, || {
        let number = run.fetch_add(1, SeqCst);
        async move {
            yield_now().await;
            match number {
                4 => sleep(SEC).await,
                _ => yield_now().await,
            }
            yield_now().await;
        }
    });
    // Those that stop before the first poll and at the first point are like the undisturbed one so far.
    let found = &violations.list[0];
    assert!(found.what.starts_with("nondeterministic"), "{violations}");
    assert!(found.what.contains("step 2"), "{violations}");
    assert_eq!(violations.list.len(), 1);
}

#[test]
fn a_program_that_ends_before_its_point_is_reported() {
    let run = AtomicUsize::new(0);
    let violations = sweep("shorter", Mode::Drop, || {
        // Counted twice: with ready awaits as points, and without.
        let points = 3 - run.fetch_add(1, SeqCst).saturating_sub(1).min(2);
        async move {
            for _ in 0..points {
                yield_now().await;
            }
        }
    });
    assert!(
        violations.list[0].what.contains("nondeterministic"),
        "{violations}"
    );
}

#[test]
fn a_program_that_never_suspends_is_not_taken_for_a_good_one() {
    let violations = sweep("busy", Mode::Drop, || async {});
    assert!(
        violations.list[0].what.starts_with("nothing to stop at"),
        "{violations}"
    );
    assert_eq!(violations.list[0].mode, None);
}

#[test]
fn a_program_that_does_not_end_by_itself_is_named_with_its_line() {
    let violations = sweep("waits", Mode::Drop, || async {
        Semaphore::new(0).acquire().await.map(drop)
    });
    let line = line_of(include_str!("kinds.rs"), "Semaphore::new(0)");
    let what = &violations.list[0].what;
    assert!(what.starts_with("stuck"), "{violations}");
    assert!(what.contains(&format!("kinds.rs:{line}:")), "{violations}");
}

#[test]
fn a_program_that_spins_is_ended() {
    let violations = sweep("spins", Mode::Drop, || async {
        loop {
            yield_now().await;
        }
    });
    assert!(
        violations.list[0].what.contains("does not end within"),
        "{violations}"
    );
}

#[test]
fn a_panic_that_only_a_stop_brings_is_reported() {
    struct Fragile(bool);
    impl Drop for Fragile {
        fn drop(&mut self) {
            assert!(self.0, "dropped half-way");
        }
    }
    for mode in [Mode::Drop, Mode::Cancel] {
        let violations = sweep("fragile", mode, || {
            scope("fragile", async |s: &Scope<String>| {
                let child = s.spawn("child", async {
                    let mut fragile = Fragile(false);
                    yield_now().await;
                    fragile.0 = true;
                    Ok(())
                });
                let _stopped = child.await.await;
                Ok(())
            })
        });
        let found = violations
            .list
            .iter()
            .find(|v| v.what.contains("dropped half-way"));
        assert!(
            found.is_some_and(|v| v.what.contains("kinds.rs:")),
            "{violations}"
        );
    }
}

#[test]
fn an_end_that_takes_too_long_is_reported_with_who_it_waits_for() {
    let sweep = Sweep::new("slow")
        .modes([Mode::Cancel])
        .grace(100 * SEC)
        .within(30 * SEC);
    let program = || {
        scope("slow", async |s: &Scope<String>| {
            let child = async {
                sleep(SEC).await;
                // Clean-up that would take its time.
                match tidegate::is_cancelled() {
                    true => sleep(50 * SEC).await,
                    false => yield_now().await,
                }
                Ok(())
            };
            let _stopped = s.spawn_with_grace("cleaner", 90 * SEC, child).await.await;
            Ok(())
        })
    };
    let violations = sweep.try_run(|| ((), program()), |()| Ok(())).unwrap_err();
    let what = &violations.list[0].what;
    assert!(what.starts_with("not ended 30s later"), "{violations}");
    assert!(what.contains("slow/slow/cleaner"), "{violations}");
}

#[test]
fn a_task_that_no_scope_has_spawned_is_left_over() {
    let violations = sweep("detached", Mode::Drop, || async {
        let forever = tokio::spawn(std::future::pending::<()>());
        yield_now().await;
        forever.abort();
    });
    let found = &violations.list[0];
    assert!(
        found.what.starts_with("a task was left running"),
        "{violations}"
    );
    assert_eq!((found.mode, found.point), (Some(Mode::Drop), 1));
}

#[test]
fn a_check_that_asserts_is_one_that_fails() {
    let sweep = Sweep::new("asserts").modes([Mode::Drop]);
    let done = || Arc::new(AtomicUsize::new(0));
    let violations = sweep
        .try_run(
            || {
                let done = done();
                let program = {
                    let done = done.clone();
                    async move {
                        yield_now().await;
                        done.store(1, SeqCst);
                    }
                };
                (done, program)
            },
            |done| {
                assert_eq!(done.load(SeqCst), 1, "not done");
                Ok(())
            },
        )
        .unwrap_err();
    // Before the first poll and at the only point.
    assert_eq!(violations.list.len(), 2, "{violations}");
    assert!(violations.list[0].what.contains("not done"), "{violations}");
}

#[test]
fn a_point_of_ones_own_suspends_in_a_sweep_only() {
    let program = || async {
        std::future::ready(()).await;
        cancel_point().await;
        std::future::ready(()).await;
        cancel_point().await;
    };
    let coverage = Sweep::new("own points").run(|| ((), program()), |()| Ok(()));
    assert_eq!(coverage.points, 2);
    // Else it is ready at the first poll.
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::pin::pin!(program()).poll(&mut cx).is_ready());
}

#[test]
fn of_many_points_as_many_as_wished_are_tried() {
    let program = || async {
        for _ in 0..100 {
            yield_now().await;
        }
    };
    let sweep = Sweep::new("long").modes([Mode::Drop]).at_most(10);
    let coverage = sweep.run(|| ((), program()), |()| Ok(()));
    assert_eq!((coverage.points, coverage.runs), (100, 11));
}

#[test]
fn a_stop_between_a_child_s_end_and_its_parent_is_a_point() {
    let sweep = Sweep::new("handover").modes([Mode::Drop]);
    let violations = sweep
        .try_run(
            || {
                // Raised by the child at its end, lowered by the program that has joined it.
                let raised = Arc::new(AtomicUsize::new(0));
                let mine = raised.clone();
                let program = scope("handover", async move |s: &Scope<String>| {
                    let theirs = mine.clone();
                    let child = async move {
                        theirs.store(1, SeqCst);
                        Ok(())
                    };
                    let _joined = s.spawn("child", child).await.await;
                    mine.store(0, SeqCst);
                    Ok(())
                });
                (raised, program)
            },
            |raised| match raised.load(SeqCst) {
                0 => Ok(()),
                _ => Err("still raised".into()),
            },
        )
        .unwrap_err();
    let found = &violations.list[0];
    assert!(found.has_ended && found.awaits.is_empty(), "{violations}");
    assert_eq!(found.task.map(|(name, _)| name), Some("child"));
    assert!(violations.to_string().contains("the end of task `child`"));
}

#[test]
fn what_shares_with_the_program_may_run_on_before_the_check() {
    let sweep = |rest| {
        Sweep::new("rest").modes([Mode::Drop]).rest(rest).try_run(
            || {
                let seen = Arc::new(AtomicUsize::new(0));
                let others = seen.clone();
                drop(tokio::spawn(async move {
                    sleep(SEC).await;
                    others.store(1, SeqCst);
                }));
                (seen, yield_now())
            },
            |seen| match seen.load(SeqCst) {
                1 => Ok(()),
                _ => Err("not yet".into()),
            },
        )
    };
    assert!(sweep(Duration::ZERO).is_err());
    assert!(sweep(2 * SEC).is_ok());
}
