//! The thread that starts a process and reaps it.
//!
//! Invariants
//! 1. Between its start and its reaping the process, running or a zombie, keeps its number, which is its group's; `Group`
//!    signals only then. So a signal never reaches a stranger that was given a number again.
//! 2. The process is reaped only after its [`Process`] was dropped, which has killed what is left of the group.

use crate::ProcessError;
use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid},
};
use std::{
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{SyncSender, sync_channel},
    },
};
use tidegate::bridge::{self, Promise, Resolver};

/// A process that was started. Dropping it kills the group and lets the thread reap.
pub(crate) struct Process {
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stdout: Option<ChildStdout>,
    pub(crate) stderr: Option<ChildStderr>,
    /// Resolved when it has exited, and is still a zombie.
    pub(crate) exited: Promise<()>,
    group: Arc<Group>,
    _keeps_unreaped: SyncSender<()>,
}

impl Process {
    /// Asks all of the group to end.
    pub(crate) fn terminate(&self) {
        self.group.signal(Signal::TERM);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.group.signal(Signal::KILL);
    }
}

struct Group(Mutex<Option<Pid>>);

impl Group {
    fn lock(&self) -> MutexGuard<'_, Option<Pid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signal(&self, signal: Signal) {
        if let Some(leader) = *self.lock() {
            // Of what can go wrong nothing can be helped: they have all gone, or are another user's by now.
            kill_process_group(leader, signal).ok();
        }
    }

    fn close(&self) {
        *self.lock() = None;
    }
}

/// Starts the process, hands it over, and reaps it when the other side is done with it. `None`: it was not started, and
/// the other side has been told, or is not there any more.
pub(crate) fn lead(
    mut command: Command,
    hand_over: Resolver<Result<Process, ProcessError>>,
) -> Result<Option<ExitStatus>, ProcessError> {
    if !hand_over.is_wanted() {
        return Ok(None);
    }
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(source) => {
            let program = command.get_program().to_owned();
            // Nobody waits: then nobody wanted it to run.
            drop(hand_over.resolve(Err(ProcessError::Start { program, source })));
            return Ok(None);
        }
    };
    let leader = Pid::from_child(&child);
    let group = Arc::new(Group(Mutex::new(Some(leader))));
    let (exit, exited) = bridge::oneshot();
    let (keeps_unreaped, done) = sync_channel(0);
    let process = Process {
        stdin: child.stdin.take(),
        stdout: child.stdout.take(),
        stderr: child.stderr.take(),
        exited,
        group: group.clone(),
        _keeps_unreaped: keeps_unreaped,
    };
    // Given back, it is dropped here, and dead.
    drop(hand_over.resolve(Ok(process)));
    wait_unreaped(leader);
    exit.resolve(()).ok();
    // Nothing is ever sent: it ends when the process is dropped.
    done.recv().ok();
    group.close();
    reap(&mut child).map(Some)
}

/// Waits for the exit and leaves the zombie. An error shows again, and is told of, when it is reaped.
fn wait_unreaped(leader: Pid) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while let Err(Errno::INTR) = waitid(WaitId::Pid(leader), options) {}
}

fn reap(child: &mut Child) -> Result<ExitStatus, ProcessError> {
    child.wait().map_err(ProcessError::Wait)
}
