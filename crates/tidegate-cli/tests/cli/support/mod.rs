//! A folder with a flow file, the program run in it, and what it leaves behind.

mod case;
mod child;
mod rows;
mod server;

pub(crate) use case::{Case, Ended};
pub(crate) use child::Running;
pub(crate) use rows::{csv_rows, gunzip, gzip, json_lines, numbered, table};
pub(crate) use server::{Reply, Seen, Server};

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long any one thing may take. Far more than is needed: tests share the machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Returns as soon as `holds`, and fails with `what` if that takes too long.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "waited too long until {what}");
        // Between two looks at another process: there is nothing to be notified by.
        thread::sleep(Duration::from_millis(1));
    }
}
