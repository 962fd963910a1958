//! What is to be run, and running it.

use crate::{
    Output, ProcessError,
    leader::lead,
    tend::{Plan, tend},
};
use std::{
    ffi::OsStr,
    fmt,
    future::Future,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command as Std, Stdio},
    time::Duration,
};
use tidegate::{Opts, RefusedBecause, Scope, ScopeError, Stopped, What, bridge, scope};

/// Enough for what a program says, far from what would hurt when a hundred run.
const DEFAULT_OUTPUT_LIMIT: usize = 1 << 20;

/// Half of the shortest time that service managers usually leave to a whole program.
const DEFAULT_KILL_AFTER: Duration = Duration::from_secs(5);

/// What the end of a process may take when `SIGKILL` was the last word: reaping it, and reading what is in the pipes.
const LAST: Duration = Duration::from_secs(2);

/// A program and how it is to be run, once.
///
/// It inherits the environment and the working directory. Its standard input is empty unless [`stdin`](Command::stdin)
/// says otherwise; its outputs are captured.
#[must_use = "nothing runs before `run` is awaited"]
pub struct Command {
    name: &'static str,
    std: Std,
    plan: Plan,
}

impl Command {
    /// Will run `program`: a path, or a name that is looked for in `PATH`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let mut std = Std::new(program);
        std.process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Command {
            name: "process",
            std,
            plan: Plan {
                stdin: None,
                output_limit: DEFAULT_OUTPUT_LIMIT,
                kill_after: DEFAULT_KILL_AFTER,
            },
        }
    }

    /// What reports call it. Default: `process`.
    pub fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Adds an argument, passed on as it is.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.std.arg(arg);
        self
    }

    /// Adds arguments, passed on as they are.
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.std.args(args);
        self
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.std.env(key, value);
        self
    }

    /// Leaves out everything of the environment that was not set after this call.
    pub fn env_clear(mut self) -> Self {
        self.std.env_clear();
        self
    }

    /// Where it runs. Default: where this process does.
    pub fn current_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.std.current_dir(dir);
        self
    }

    /// What it reads from its standard input, which is closed after that. A process that ends without reading all of it
    /// has not failed. Default: nothing.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.plan.stdin = Some(bytes.into());
        self.std.stdin(Stdio::piped());
        self
    }

    /// How many bytes of each output are kept. What comes beyond is read and dropped, so that the process is not held up,
    /// and [`truncated`](crate::Captured::truncated) is set. Default: 1 MiB.
    pub fn output_limit(mut self, bytes: usize) -> Self {
        self.plan.output_limit = bytes;
        self
    }

    /// How long after `SIGTERM` what is left of the group gets `SIGKILL`; earlier when the scope has less. Zero means at
    /// once. Default: 5 s.
    pub fn kill_after(mut self, grace: Duration) -> Self {
        self.plan.kill_after = grace;
        self
    }

    /// Runs it and waits for its end: a scope of its own below the surrounding one.
    ///
    /// The process is started and reaped on a thread of its own, one for each process that runs. Any exit status is an
    /// [`Output`]. When the process exits, the rest of its group is killed at once; whoever has left the group and holds
    /// the pipes open is waited for no longer than 1 s.
    ///
    /// When the surrounding scope is told to stop, all of the group gets `SIGTERM`. The process, and those of its group
    /// that hold its outputs open, have [`kill_after`](Command::kill_after); then all get `SIGKILL`. A caller with a
    /// grace gets [`ProcessError::Stopped`] with what was said until then; any other is dropped at this await, and its
    /// scope waits.
    ///
    /// # Cancel safety
    ///
    /// Dropping it before the first poll runs nothing. Dropping it later is as if its scope were told to stop: `SIGTERM`,
    /// time, `SIGKILL`; the surrounding scope waits until the process has been reaped, and the output is lost. A runtime
    /// that is shut down meanwhile kills the group at once.
    ///
    /// # Errors
    ///
    /// The program cannot be started, it was stopped, the system gives no thread, or a pipe fails.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time enabled.
    #[track_caller]
    pub fn run(self) -> impl Future<Output = Result<Output, ProcessError>> + Send {
        let Command { name, std, plan } = self;
        let grace = plan.kill_after.saturating_add(LAST);
        let body = async move |s: &Scope<ProcessError>| {
            let (hand_over, started) = bridge::oneshot();
            let leader = s
                .spawn_thread("leader", move |_| lead(std, hand_over))
                .map_err(|refused| not_started(refused.because))?;
            // A child with a grace and not the body: whoever drops this future drops the body with it.
            let tended = s
                .try_spawn_with_grace("tend", grace, tend(started, leader, plan))
                .map_err(|refused| not_started(refused.because))?;
            tended.await.map_err(ProcessError::NotStarted)
        };
        let opened = scope(Opts::named(name).grace(grace), body);
        async move { opened.await.map_err(error) }
    }
}

fn not_started(because: RefusedBecause) -> ProcessError {
    match because {
        RefusedBecause::Cancelling(reason) => ProcessError::Stopped {
            reason,
            output: None,
        },
        because => ProcessError::NotStarted(Stopped::NotStarted(because)),
    }
}

fn error(error: ScopeError<ProcessError>) -> ProcessError {
    match error.or_resume_panic() {
        ScopeError::Cancelled(reason) => ProcessError::Stopped {
            reason,
            output: None,
        },
        ScopeError::Failed(failures) => match failures.first.what {
            What::Error(error) => error,
            // There is no other kind of child in there.
            _ => ProcessError::NotStarted(Stopped::Panicked),
        },
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither arguments nor environment: they are where secrets stand.
        f.debug_struct("Command")
            .field("name", &self.name)
            .field("program", &self.std.get_program())
            .finish_non_exhaustive()
    }
}
