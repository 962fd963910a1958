//! The root: shutdown by signal, and the report of what is left.

use crate::support::*;
use std::{
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError, mpsc},
    time::{Duration, Instant},
};
use tidegate::{
    Reason, Scope, ScopeError, Signal, cancelled,
    root::{self, Root, Shutdown, State},
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
