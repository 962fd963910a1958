//! A run is stopped at each of its polls, in three ways, and run again: nothing is lost, nothing comes twice.
//!
//! The engine has threads, SQLite and sockets, for which paused time does not wait, so these runs are in real time. They
//! are swept by count, not by time: the k-th poll of a run and of its children, whichever that is this time, is where the
//! k-th run is stopped. So the points of two runs need not be the same, and a failure that `TIDEGATE_TEST_STOP` repeats
//! may need some tries. Awaits that are ready are split, so that a run can be stopped there too.

mod case;
mod checks;
mod sweep;
mod watch;

use case::Flow;
use sweep::sweep;

const TABLE: &str = "sqlite: out.db\n  insert: users";
const FILE: &str = "jsonl: out.jsonl";

#[test]
fn a_run_into_a_table_can_be_stopped_anywhere() {
    sweep(&Flow {
        name: "table",
        sink: TABLE,
        misbehaves: false,
        limits: "",
    });
}

#[test]
fn a_run_into_a_file_can_be_stopped_anywhere() {
    sweep(&Flow {
        name: "file",
        sink: FILE,
        misbehaves: false,
        limits: "",
    });
}

#[test]
fn a_run_into_a_table_with_retries_and_dead_letters_can_be_stopped_anywhere() {
    sweep(&Flow {
        name: "faulty table",
        sink: TABLE,
        misbehaves: true,
        limits: "",
    });
}

#[test]
fn a_run_into_a_file_with_retries_and_dead_letters_can_be_stopped_anywhere() {
    sweep(&Flow {
        name: "faulty file",
        sink: FILE,
        misbehaves: true,
        limits: "",
    });
}

#[test]
fn a_run_whose_calls_wait_in_front_of_the_gate_can_be_stopped_anywhere() {
    sweep(&Flow {
        name: "short queue",
        sink: TABLE,
        misbehaves: true,
        limits: ", queue: { limit: 1 }, rate: 1000/s",
    });
}
