//! Ends that are not the process's own.

use crate::support::*;
use std::{future::pending, path::Path, time::Duration};
use tidegate::{Opts, Reason, ScopeError, cancel::cancelled, scope};
use tidegate_process::{Command, ProcessError};

const ENOUGH: Reason = Reason::User("enough");

/// Writes the number of a grandchild that would run for long, and its own behind it.
fn with_grandchild(dir: &Path, before: &str) -> Command {
    sh(&format!(
        "{before} sleep 1000 & echo $! > grandchild; echo $$ > child; wait"
    ))
    .current_dir(dir)
}

struct Pids {
    dir: tempfile::TempDir,
}

impl Pids {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Pids { dir }
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }

    async fn both(&self) -> (u32, u32) {
        let child = pid_in(&self.dir().join("child")).await;
        (child, pid_in(&self.dir().join("grandchild")).await)
    }
}

#[tokio::test]
async fn a_scope_that_is_told_ends_the_whole_group_and_reaps() {
    let pids = Pids::new();
    let (mut child, mut grandchild) = (0, 0);
    let error = scope("told", async |s: &Work| {
        let run = with_grandchild(pids.dir(), "").kill_after(LONG).run();
        drop(s.try_spawn("runs", run));
        (child, grandchild) = pids.both().await;
        assert!(!is_dead(child) && !is_dead(grandchild));
        s.cancel(ENOUGH, LONG);
        pending::<Result<(), _>>().await
    });
    assert_eq!(reason(&error.await.unwrap_err()), ENOUGH);
    assert!(is_reaped(child));
    dies(grandchild).await;
}

#[tokio::test]
async fn who_ignores_the_request_is_killed_after_the_grace() {
    let pids = Pids::new();
    let (mut child, mut grandchild) = (0, 0);
    let error = scope("told", async |s: &Work| {
        let stubborn = with_grandchild(pids.dir(), "trap '' TERM;");
        let run = stubborn.kill_after(Duration::from_millis(50)).run();
        drop(s.try_spawn("runs", run));
        (child, grandchild) = pids.both().await;
        s.cancel(ENOUGH, LONG);
        pending::<Result<(), _>>().await
    });
    assert_eq!(reason(&error.await.unwrap_err()), ENOUGH);
    assert!(is_reaped(child));
    dies(grandchild).await;
}

#[tokio::test]
async fn a_scope_without_a_grace_kills_at_once() {
    let pids = Pids::new();
    let (mut child, mut grandchild) = (0, 0);
    let error = scope("told", async |s: &Work| {
        let stubborn = with_grandchild(pids.dir(), "trap '' TERM;");
        drop(s.try_spawn("runs", stubborn.kill_after(LONG).run()));
        (child, grandchild) = pids.both().await;
        s.cancel(ENOUGH, Duration::ZERO);
        pending::<Result<(), _>>().await
    });
    assert_eq!(reason(&error.await.unwrap_err()), ENOUGH);
    assert!(is_reaped(child));
    dies(grandchild).await;
}

#[tokio::test]
async fn a_member_of_the_group_has_its_grace_when_the_leader_goes_first() {
    let pids = Pids::new();
    // The grandchild says something at the end, long after the shell that started it has gone.
    let script = "(trap 'sleep 0.1; echo last > last; exit' TERM; echo up > up; \
                  while :; do sleep 0.01; done) & echo $$ > child; wait";
    let error = scope("told", async |s: &Work| {
        let run = sh(script).current_dir(pids.dir()).kill_after(LONG).run();
        drop(s.try_spawn("runs", run));
        pid_in(&pids.dir().join("child")).await;
        until(|| pids.dir().join("up").exists()).await;
        s.cancel(ENOUGH, LONG);
        pending::<Result<(), _>>().await
    });
    assert_eq!(reason(&error.await.unwrap_err()), ENOUGH);
    let last = std::fs::read_to_string(pids.dir().join("last"));
    assert_eq!(last.unwrap(), "last\n");
}

#[tokio::test]
async fn a_deadline_ends_it() {
    let late = Opts::named("late").timeout(Duration::from_millis(100));
    let error = scope(late, async |_: &Work| {
        Command::new("sleep").arg("1000").run().await
    });
    let reason = reason(&error.await.unwrap_err());
    assert!(matches!(reason, Reason::Deadline { declared_by } if declared_by.name() == "late"));
}

#[tokio::test]
async fn a_caller_with_a_grace_has_what_was_said() {
    let graceful = Opts::named("told").grace(LONG);
    let error = scope(graceful, async |s: &Work| {
        let teller = s.clone();
        let dir = tempfile::tempdir().unwrap();
        let script = "trap 'echo bye; exit 7' TERM; echo hello; echo $$ > child; \
                      while :; do sleep 0.01; done";
        let run = sh(script).current_dir(dir.path()).kill_after(LONG).run();
        let tell = async {
            pid_in(&dir.path().join("child")).await;
            teller.cancel(ENOUGH, LONG);
        };
        let (result, ()) = tokio::join!(run, tell);
        Ok(result.unwrap_err())
    });
    let ProcessError::Stopped { reason, output } = error.await.unwrap() else {
        panic!("it was stopped")
    };
    let output = output.unwrap();
    assert_eq!(reason, ENOUGH);
    assert_eq!(output.stdout.text(), "hello\nbye\n");
    assert_eq!(output.code(), Some(7));
}

#[tokio::test]
async fn dropping_the_future_ends_it_and_the_parent_waits() {
    let pids = Pids::new();
    let (mut child, mut grandchild) = (0, 0);
    scope("parent", async |s: &Work| {
        let run = with_grandchild(pids.dir(), "").kill_after(LONG).run();
        tokio::select! {
            _ = run => unreachable!("it runs for long"),
            both = pids.both() => (child, grandchild) = both,
        }
        assert!(!s.is_cancelled());
        Ok(())
    })
    .await
    .unwrap();
    assert!(is_reaped(child));
    dies(grandchild).await;
}

#[test]
fn a_runtime_that_goes_away_kills_the_group() {
    let pids = Pids::new();
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    };
    let first = runtime();
    let (child, grandchild) = first.block_on(async {
        let stubborn = with_grandchild(pids.dir(), "trap '' TERM;");
        let run = stubborn.kill_after(LONG).run();
        tokio::select! {
            _ = run => unreachable!("it runs for long"),
            both = pids.both() => both,
        }
    });
    drop(first);
    runtime().block_on(async {
        dies(child).await;
        dies(grandchild).await;
    });
}

#[tokio::test]
async fn a_panic_beside_it_ends_it() {
    let pids = Pids::new();
    let (mut child, mut grandchild) = (0, 0);
    let error = scope("beside", async |s: &Work| {
        drop(s.try_spawn("runs", with_grandchild(pids.dir(), "").run()));
        (child, grandchild) = pids.both().await;
        let panics = async { panic!("on purpose") };
        drop(s.spawn::<_, ()>("panics", panics).await);
        pending::<Result<(), _>>().await
    });
    assert!(matches!(error.await, Err(ScopeError::Failed(f)) if f.first.task == "panics"));
    assert!(is_reaped(child));
    dies(grandchild).await;
}

#[tokio::test]
async fn what_it_leaves_behind_dies_when_it_exits() {
    let pids = Pids::new();
    let script = "sleep 1000 & echo $! > grandchild";
    // The grandchild holds the pipes open, and nobody waits for that.
    let run = sh(script).current_dir(pids.dir()).run();
    let output = run.await.unwrap();
    assert!(output.success());
    assert!(!output.stdout.truncated);
    dies(pid_in(&pids.dir().join("grandchild")).await).await;
}

#[tokio::test]
async fn a_process_that_has_left_the_group_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    // It goes by itself, long after the time that its open pipes are waited for.
    let script = "setsid sh -c 'echo $$ > left; exec sleep 20' & \
                  until [ -s left ]; do sleep 0.01; done; echo done";
    let run = sh(script).current_dir(dir.path()).run();
    let output = run.await.unwrap();
    assert_eq!(output.stdout.text(), "done\n");
    assert!(output.stdout.truncated);
    assert!(!is_dead(pid_in(&dir.path().join("left")).await));
}

#[tokio::test]
async fn a_future_that_is_never_polled_runs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    drop(sh("echo 1 > ran").current_dir(dir.path()).run());
    sh("true").run().await.unwrap();
    assert!(!dir.path().join("ran").exists());
}

#[tokio::test]
async fn a_scope_that_is_told_already_runs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let graceful = Opts::named("told").grace(LONG);
    let error = scope(graceful, async |s: &Work| {
        s.cancel(ENOUGH, LONG);
        cancelled().await;
        let run = sh("echo 1 > ran").current_dir(dir.path()).run();
        Ok(run.await.unwrap_err())
    });
    let error = error.await.unwrap();
    let ProcessError::Stopped { reason, output } = error else {
        panic!("{error}")
    };
    assert_eq!((reason, output), (ENOUGH, None));
    assert!(!dir.path().join("ran").exists());
}

#[tokio::test]
async fn many_run_side_by_side_and_none_is_left() {
    scope("many", async |s: &Work| {
        let mut runs = s.gather();
        for _ in 0..20 {
            runs.spawn("run", sh("echo $$").run()).await;
        }
        while let Some(run) = runs.next().await {
            let pid = run.unwrap().stdout.text().trim().parse().unwrap();
            assert!(is_reaped(pid));
        }
        Ok(())
    })
    .await
    .unwrap();
}
