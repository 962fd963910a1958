//! How a process ended, and what it said.

use std::{os::unix::process::ExitStatusExt, process::ExitStatus};

/// How a process ended, and what it said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: Captured,
    /// Its standard error.
    pub stderr: Captured,
}

impl Output {
    /// Whether it exited with 0.
    pub fn success(&self) -> bool {
        self.status.success()
    }

    /// The code with which it exited. `None`: a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that ended it. `None`: it exited.
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }
}

/// What came through one pipe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Captured {
    /// The first bytes, at most [`output_limit`](crate::Command::output_limit).
    pub bytes: Vec<u8>,
    /// More came than was kept, or the pipe was still held open by somebody when the wait for it was over.
    pub truncated: bool,
}

impl Captured {
    /// The bytes as text, with `U+FFFD` for what is no UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}
