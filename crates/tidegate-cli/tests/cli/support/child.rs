//! A running program that never outlives its test.

use super::{Ended, wait_until};
use std::{path::PathBuf, process::Child};

/// The program while it runs; killed when dropped.
pub(crate) struct Running {
    child: Child,
    folder: PathBuf,
}

impl Running {
    pub(super) fn new(child: Child, folder: PathBuf) -> Running {
        Running { child, folder }
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn ends(mut self) -> Ended {
        wait_until("the program ends", || self.has_ended());
        let status = self.child.wait().expect("it has ended");
        Ended::read(&self.folder, status.code())
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_some()
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it is our child");
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.child.id()).expect("a process number");
        let process = rustix::process::Pid::from_raw(id).expect("a process number");
        rustix::process::kill_process(process, signal)
            .expect("it is our child and not waited for yet");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it has ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
