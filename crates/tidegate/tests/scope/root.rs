//! The root: shutdown by signal, and the report of what is left.

use crate::support::*;
use std::{
    process::Command,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    time::{Duration, Instant},
};
use tidegate::{
    Reason, Scope, ScopeError, Signal, cancelled,
    root::{self, Root, Shutdown, State},
    scope, shield,
};

/// A signal reaches every listener of the process, so tests that send some take turns.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn send(signal: &str) {
    let pid = std::process::id().to_string();
    assert!(
        Command::new("kill")
            .args(["-s", signal, &pid])
            .status()
            .unwrap()
            .success()
    );
}

fn quiet() -> Shutdown {
    Shutdown::new().signals(false)
}

#[test]
fn run_returns_what_main_returns() {
    let ended = root::run(quiet(), "main", async |s: &Scope<Fail>| {
        Ok(s.try_spawn("child", async { Ok(7) })?.await?)
    });
    assert_eq!((ended.result.unwrap(), ended.signal), (7, None));
    assert!(ended.unclaimed.is_empty() && ended.survivors.is_empty());

    let ended = root::run(quiet(), "main", async |_: &Scope<Fail>| fail::<()>("x"));
    assert_eq!(failures(ended.result.unwrap_err()), ["main: x"]);
}

#[test]
fn the_first_signal_asks_the_whole_tree() {
    let _turn = turn();
    let log = Log::default();
    let child = log.clone();
    let ended = root::run(Shutdown::new(), "main", async |s: &Scope<Fail>| {
        drop(s.try_spawn_with_grace("child", SEC, async move {
            child.note(format!("{:?}", cancelled().await));
            Ok(())
        })?);
        send("TERM");
        Ok(cancelled().await)
    });
    let reason = Reason::Shutdown(Signal::Term);
    assert_eq!(
        (ended.result.unwrap(), ended.signal),
        (reason, Some(Signal::Term))
    );
    assert_eq!(log.take(), [format!("{reason:?}")]);
    assert!(ended.survivors.is_empty());
}

#[test]
fn a_signal_is_heard_while_the_body_is_busy() {
    let _turn = turn();
    let ended = root::run(Shutdown::new(), "main", async |s: &Scope<Fail>| {
        send("INT");
        // Never gives the thread back.
        while !s.is_cancelled() {
            std::thread::yield_now();
        }
        Ok(())
    });
    assert_eq!(
        (ended.result.unwrap(), ended.signal),
        ((), Some(Signal::Int))
    );
}

#[test]
fn the_second_signal_forces() {
    let _turn = turn();
    let (sender, forced) = mpsc::sync_channel(1);
    let on = Shutdown::new().on_force(move |signal| sender.send(signal).unwrap());
    let ended = root::run(on, "main", async |_: &Scope<Fail>| {
        send("INT");
        cancelled().await;
        send("TERM");
        // On the runtime's only thread: the hook is called elsewhere.
        Ok(forced.recv_timeout(Duration::from_secs(10))?)
    });
    assert_eq!(ended.result.unwrap(), Signal::Term);
    assert_eq!(ended.signal, Some(Signal::Int));
}

#[test]
fn what_does_not_end_is_listed_shortly_after_the_grace() {
    let (release, held) = mpsc::sync_channel::<()>(1);
    let mut line = 0;
    let start = Instant::now();
    let ended = root::run(quiet().grace(50 * MS), "main", async |s: &Scope<Fail>| {
        line = here().1 + 1;
        drop(s.spawn_thread("stuck", move |_| Ok(held.recv()?))?);
        s.cancel(Reason::User("stop"), 60 * SEC);
        forever::<()>().await
    });
    let took = start.elapsed();
    assert!(took >= 150 * MS && took < 5 * SEC, "{took:?}");
    assert!(matches!(
        ended.result,
        Err(ScopeError::Cancelled(Reason::User("stop")))
    ));
    let [stuck] = &ended.survivors[..] else {
        panic!("{:?}", ended.survivors)
    };
    assert_eq!(
        (&stuck.path[..], stuck.at.line(), stuck.state),
        ("main/stuck", line, State::Thread)
    );
    assert_eq!(stuck.reason, Some(Reason::User("stop")));
    assert!(stuck.age >= 150 * MS);
    drop(release);
}

#[test]
fn who_holds_a_stuck_runtime_is_named_while_it_is_stuck() {
    let _turn = turn();
    let (sender, told) = mpsc::sync_channel::<Vec<(String, u32, State)>>(1);
    let on = Shutdown::new().grace(20 * MS).on_waiting(move |left| {
        let seen = left
            .iter()
            .map(|one| (one.path.clone(), one.at.line(), one.state));
        sender.send(seen.collect()).unwrap();
    });
    let (mut line, seen) = (0, Arc::new(Mutex::new(Vec::new())));
    let list = seen.clone();
    let ended = root::run(on, "main", async |s: &Scope<Fail>| {
        drop(s.try_spawn("waits", forever::<()>())?);
        drop(s.try_spawn_with_grace("asked", SEC, forever::<()>())?);
        tokio::task::yield_now().await;
        line = here().1 + 1;
        let blocks = s.try_spawn_with_grace("blocks", SEC, async move {
            send("TERM");
            *list.lock().unwrap() = told.recv_timeout(10 * SEC)?;
            Ok(())
        });
        Ok(blocks?.await?)
    });
    // The grace was over before the thread was free again.
    assert_eq!(ended.exit_code(), 143);
    let mut seen = seen.lock().unwrap().clone();
    seen.sort_by(|a, b| a.0.cmp(&b.0));
    let [blocks, asked, waits] = &seen[..] else {
        panic!("{seen:?}")
    };
    // It has never waited, so its name is nowhere to be read.
    assert_eq!((&blocks.0[..], blocks.1), ("main", line));
    assert!(matches!(blocks.2, State::InPoll { at_least } if at_least >= 20 * MS));
    assert_eq!((&asked.0[..], asked.2), ("main/asked", State::Starved));
    assert_eq!((&waits.0[..], waits.2), ("main/waits", State::Starved));
}

#[test]
fn the_exit_code_says_how_main_has_ended() {
    let code = |main: fn() -> Result<(), Fail>| {
        root::run(quiet(), "main", async |_: &Scope<Fail>| main()).exit_code()
    };
    assert_eq!(code(|| Ok(())), 0);
    assert_eq!(code(|| fail("x")), 1);
    assert_eq!(code(|| panic!("on purpose")), 101);
    let _turn = turn();
    let cut = root::run(
        Shutdown::new().grace(MS),
        "main",
        async |_: &Scope<Fail>| {
            send("TERM");
            forever::<()>().await
        },
    );
    assert_eq!(cut.exit_code(), 143);
    let unclaimed = root::run(quiet(), "main", async |_: &Scope<Fail>| {
        let inner = scope("inner", async |s: &Scope<Fail>| {
            drop(s.try_spawn_with_grace("child", SEC, async {
                cancelled().await;
                fail::<()>("x")
            })?);
            forever::<()>().await
        });
        assert!(tokio::time::timeout(MS, inner).await.is_err());
        Ok(())
    });
    assert_eq!((unclaimed.unclaimed.len(), unclaimed.exit_code()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_runs_can_be_listed_with_its_state() {
    let state = |path: &str| {
        let running = root::running();
        let of = running.iter().find(|one| one.path == path);
        of.map(|one| one.state)
    };
    let listed = scope("listed", async |s: &Scope<Fail>| {
        drop(s.try_spawn("waits", forever::<()>())?);
        drop(s.try_spawn("shielded", async {
            drop(shield(2 * SEC, forever::<()>()).await);
            Ok(())
        })?);
        tokio::time::sleep(MS).await;
        assert_eq!(state("listed/waits"), Some(State::Waiting));
        assert_eq!(state("listed/shielded"), Some(State::Waiting));
        drop(s.critical("looks", SEC, async move {
            // Long enough, by the paused clock, for everybody to have been polled.
            tokio::time::sleep(SEC / 2).await;
            assert_eq!(state("listed/waits"), None);
            assert_eq!(state("listed/shielded"), Some(State::Shielded));
            Ok(())
        })?);
        s.cancel(Reason::User("stop"), 60 * SEC);
        Ok(())
    });
    listed.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_scope_strands_nobody_past_the_shutdown() {
    let root = Root::attach(quiet()).unwrap();
    let drops = Drops::default();
    let guards = [drops.guard(), drops.guard()];
    let mut forgotten = Box::pin(root.scope("forgotten", async |s: &Scope<Fail>| {
        let [child, grandchild] = guards;
        drop(s.try_spawn("child", async move {
            let _guard = child;
            let inner = scope("inner", async |s: &Scope<Fail>| {
                drop(s.try_spawn_with_grace("grandchild", SEC, async move {
                    let _guard = grandchild;
                    cancelled().await;
                    Ok(())
                })?);
                forever::<()>().await
            });
            Ok(inner.await?)
        })?);
        forever::<()>().await
    }));
    assert!(tokio::time::timeout(MS, &mut forgotten).await.is_err());
    std::mem::forget(forgotten);
    let report = root.shutdown(Reason::User("over")).await;
    assert!(report.survivors.is_empty(), "{:?}", report.survivors);
    assert_eq!(drops.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_nursery_takes_children_until_its_root_is_shut_down() {
    let root = Root::attach(quiet().grace(10 * SEC)).unwrap();
    let (log, jobs) = (Log::default(), root.nursery::<Fail>("jobs"));
    let held = jobs.spawn("ok", async { Ok(1) }).await;
    assert_eq!(held.await.unwrap(), 1);
    // It was idle; a failure that nobody takes is the root's at once and stops nobody.
    drop(jobs.spawn("bad", async { fail::<()>("x") }).await);
    let seen = log.clone();
    let slow = jobs.spawn_with_grace("slow", 5 * SEC, async move {
        seen.note(cancelled().await.to_string());
        tokio::time::sleep(SEC).await;
        seen.note("done");
        Ok(())
    });
    drop(slow.await);
    tokio::time::sleep(SEC).await;
    let unclaimed = root.unclaimed();
    assert_eq!(unclaimed.len(), 1);
    assert!(unclaimed[0].to_string().starts_with("jobs: task `bad`"));
    let report = root.shutdown(Reason::User("over")).await;
    assert_eq!(log.take(), ["over", "done"]);
    assert!(report.survivors.is_empty() && report.unclaimed.is_empty());
    let late = jobs.try_spawn("late", async { Ok(2) });
    assert!(late.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_nurserys_children_outlive_its_last_handle_and_not_its_root() {
    let root = Root::attach(quiet().grace(10 * SEC)).unwrap();
    let (drops, jobs) = (Drops::default(), root.nursery::<Fail>("jobs"));
    let guard = drops.guard();
    drop(
        jobs.clone()
            .spawn("slow", async move {
                let _guard = guard;
                forever::<()>().await
            })
            .await,
    );
    drop(jobs);
    tokio::time::sleep(SEC).await;
    assert_eq!(drops.count(), 0);
    assert!(
        root.shutdown(Reason::User("over"))
            .await
            .survivors
            .is_empty()
    );
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_body_that_ignores_its_grace_is_dropped_when_it_is_over() {
    let drops = Drops::default();
    let guard = drops.guard();
    let ended = root::run(quiet().grace(20 * MS), "main", async |s: &Scope<Fail>| {
        let _guard = guard;
        s.cancel(Reason::User("stop"), SEC);
        forever::<()>().await
    });
    assert!(matches!(
        ended.result,
        Err(ScopeError::Cancelled(Reason::User("stop")))
    ));
    assert_eq!((drops.count(), ended.survivors.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_attached_root_holds_scopes_and_is_shut_down_by_hand() {
    let root = Root::attach(quiet()).unwrap();
    let inner = root.scope("inner", async |s: &Scope<Fail>| {
        drop(s.try_spawn_with_grace("child", SEC, async {
            cancelled().await;
            fail::<()>("x")
        })?);
        forever::<()>().await
    });
    assert!(tokio::time::timeout(MS, inner).await.is_err());
    let report = root.shutdown(Reason::User("over")).await;
    assert_eq!(report.unclaimed.len(), 1);
    assert!(report.survivors.is_empty() && report.signal.is_none());
}
