//! The root of the task tree: signals, the grace of a shutdown, and the report of what was left.

mod attach;
mod listener;
mod process;
mod report;
mod run;
mod shutdown;

pub use attach::Root;
pub use process::{running, unclaimed};
pub use report::{Ended, Report, State, Survivor};
pub use run::run;
pub use shutdown::Shutdown;

pub(crate) use process::process_node;
