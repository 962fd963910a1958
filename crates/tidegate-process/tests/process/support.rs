//! What the tests share: scripts for a shell, and a look at whether a process lives.

use std::{path::Path, time::Duration};
use tidegate::{Scope, ScopeError};
use tidegate_process::{Command, ProcessError};

pub(crate) type Work = Scope<ProcessError>;

/// Longer than any test is given: what ends earlier was ended.
pub(crate) const LONG: Duration = Duration::from_secs(1000);

/// A script, run by a shell because the test wants one.
pub(crate) fn sh(script: &str) -> Command {
    Command::new("sh").arg("-c").arg(script)
}

/// Waits until the script has written a whole line there, and gives it as a number.
pub(crate) async fn pid_in(file: &Path) -> u32 {
    let line = || {
        std::fs::read_to_string(file)
            .ok()
            .filter(|text| text.ends_with('\n'))
    };
    until(|| line().is_some()).await;
    line().unwrap().trim().parse().unwrap()
}

/// Whether nothing runs under this number. Of a zombie, which its adopter may be slow to reap, nothing runs.
pub(crate) fn is_dead(pid: u32) -> bool {
    let Ok(state) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return true;
    };
    let (_, after_name) = state.rsplit_once(") ").unwrap();
    after_name.starts_with(['Z', 'X'])
}

/// Whether there is no such process, not even a zombie.
pub(crate) fn is_reaped(pid: u32) -> bool {
    !Path::new(&format!("/proc/{pid}")).exists()
}

/// A signal to a process that is not our child takes effect a little later.
pub(crate) async fn dies(pid: u32) {
    until(|| is_dead(pid)).await;
}

/// Looks again and again, for at most 20 s: what is waited for is another process's, which wakes nobody here.
pub(crate) async fn until(mut is_so: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("it has not come about in 20 s");
}

pub(crate) fn reason(error: &ScopeError<ProcessError>) -> tidegate::Reason {
    error.reason().unwrap()
}
