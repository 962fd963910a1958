//! The process boundary of Tidegate: a child process whose whole group dies with its scope.
//!
//! ```
//! use tidegate_process::Command;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tidegate_process::ProcessError> {
//! let sorted = Command::new("sort").arg("-n").stdin("19\n3\n").run().await?;
//! assert!(sorted.success());
//! assert_eq!(sorted.stdout.bytes, b"3\n19\n");
//! # Ok(())
//! # }
//! ```
//!
//! [`Command::run`] starts the process in a group of its own. When the scope around it is told to stop, for whatever
//! reason, all of the group gets `SIGTERM`, and `SIGKILL` after a time; the scope ends only after the process has been
//! reaped. So it does when nothing went wrong: what the process leaves behind in its group is killed when it exits.
//!
//! There is no shell in between, and no argument is ever parsed.
//!
//! # Not here
//!
//! * A process that leaves its group (`setsid`, a daemon) is not followed.
//! * Nothing is done when *this* process is killed with `SIGKILL`: the group then lives on.
//! * Streaming, terminals, pipelines: `tokio::process` has the parts.
//! * Paused clocks: a process lives in real time, and tokio's paused clock jumps ahead while everybody waits for it.
//! * Other systems than Unix: the crate is empty there.

#![forbid(unsafe_code)]
#![cfg(unix)]

mod command;
mod error;
mod leader;
mod output;
mod tend;

pub use command::Command;
pub use error::ProcessError;
pub use output::{Captured, Output};
