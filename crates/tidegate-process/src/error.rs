//! Why there is no output.

use crate::Output;
use std::{ffi::OsString, io};
use tidegate::{Reason, Stopped};

/// Why a process has not run to its own end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// The system does not start the program.
    #[error("cannot start {program:?}")]
    Start {
        /// The program.
        program: OsString,
        /// Why not. [`NotFound`](io::ErrorKind::NotFound) is also what a missing working directory gives.
        source: io::Error,
    },
    /// It was told to stop.
    #[error("stopped: {reason}")]
    Stopped {
        /// Why.
        reason: Reason,
        /// How it ended, and what it had said. `None`: it was not started any more, or its end was not waited for.
        output: Option<Box<Output>>,
    },
    /// There was no thread to run it on.
    #[error("not run")]
    NotStarted(#[source] Stopped),
    /// A pipe could not be read or written.
    #[error("a pipe to the process failed")]
    Pipe(#[source] io::Error),
    /// Its exit status could not be had: something else in this program reaps children.
    #[error("the exit status is lost")]
    Wait(#[source] io::Error),
}
