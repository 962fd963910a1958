//! A full disk, a locked database, a reader that goes away, folders that are not there.

use crate::support::{Case, json_lines, numbered, table, wait_until};
use std::time::Duration;
use tidegate_test::Api;

const FLOW: &str = "
source: { jsonl: in.jsonl, key: id }
records: { in_flight: 16 }
services: { api: { base: $API } }
steps: { user: { api: 'GET /users/{{ id }}' } }
sink: { $SINK, row: { id: id } }
dead_letter: { jsonl: dead.jsonl }
";

fn api() -> Api {
    let latency = (Duration::from_millis(1), Duration::from_millis(3));
    Api::builder()
        .latency(latency.0, latency.1)
        .spawn_thread()
        .expect("a local API")
}

fn case(api: &Api, sink: &str, rows: u64) -> Case {
    Case::new(&api.base_url(), &FLOW.replace("$SINK", sink)).rows(rows)
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_with_5_and_kills_no_record() {
    let api = api();
    let case = case(&api, "jsonl: /dev/full", 500);
    let end = case.run(&[]).exits(5).says("No space left");
    let [done, dead, skipped, pending] = end.counts();
    assert_eq!((done, dead, skipped), (0, 0, 0));
    assert!(pending <= 500);
    assert_eq!(case.text("dead.jsonl"), "");
}

#[test]
fn a_database_that_somebody_has_locked_ends_with_5_and_the_next_run_goes_on() {
    let api = api();
    let case = case(&api, "sqlite: out.db, upsert: users(id)", 3_000);
    let run = case.start_run(&[]);
    wait_until("rows are written", || {
        case.path("out.db").exists() && api.stats().requests > 600
    });
    let other = rusqlite::Connection::open(case.path("out.db")).expect("a database");
    other
        .busy_timeout(Duration::from_secs(20))
        .expect("a setting");
    other
        .execute_batch("BEGIN IMMEDIATE")
        .expect("the lock comes after some commit");
    let end = run.ends().exits(5).says("locked");
    assert_eq!(end.count("dead"), 0);
    drop(other);
    let done = end.count("done");
    let next = case.run(&[]).exits(0);
    assert_eq!(next.count("done") + next.count("skipped"), 3_000);
    assert!(next.count("skipped") >= done);
    assert_eq!(
        table(&case.path("out.db"), "SELECT DISTINCT id FROM users").len(),
        3_000
    );
}

#[test]
fn a_folder_that_is_not_there_ends_with_2_before_the_first_request() {
    let api = api();
    for sink in ["jsonl: no/such/out.jsonl", "csv: no/such/out.csv"] {
        case(&api, sink, 3)
            .tidegate(&["run", "flow.yaml"])
            .exits(2)
            .says("no/such/out");
    }
    assert_eq!(api.stats().requests, 0);
}

#[test]
fn a_report_that_cannot_be_written_is_told_and_costs_no_row() {
    let api = api();
    let case = case(&api, "jsonl: out.jsonl", 20);
    case.tidegate(&["run", "flow.yaml", "--report", "no/such/report.json"])
        .exits(1)
        .says("no/such/report.json");
    assert_eq!(
        numbered(&json_lines(&case.bytes("out.jsonl"))),
        (1..=20).collect::<Vec<_>>()
    );
}

#[cfg(unix)]
#[test]
fn a_reader_of_the_rows_that_goes_away_ends_the_run_and_kills_no_record() {
    use std::{io::BufRead as _, process::Stdio};
    let api = api();
    let case = case(&api, "jsonl: '-'", 5_000);
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(["run", "flow.yaml"])
        .current_dir(case.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    let mut reader = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    reader.read_line(&mut line).expect("a row");
    drop(reader);
    let end = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&end.stderr);
    assert!(
        !said.contains("panicked") && !said.contains("bug"),
        "{said}"
    );
    assert_eq!(end.status.code(), Some(5), "{said}");
    assert!(api.stats().requests < 5_000, "it stops early");
    assert_eq!(case.text("dead.jsonl"), "");
}
