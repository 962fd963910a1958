//! Running again: limits, fresh starts, changed flows, and outputs that are not what they were.

use crate::support::{Case, json_lines, numbered, wait_until};
use std::time::Duration;
use tidegate_test::Api;

const FLOW: &str = "
source: { jsonl: in.jsonl, key: id }
services: { api: { base: $API, in_flight: 8 } }
steps: { user: { api: 'GET /users/{{ id }}' } }
sink: { jsonl: out.jsonl, row: { id: id } }
dead_letter: { jsonl: dead.jsonl }
";

const TABLE: &str = "
source: { jsonl: in.jsonl, key: id }
services: { api: { base: $API } }
steps: { user: { api: 'GET /users/{{ id }}' } }
sink: { sqlite: out.db, upsert: users(id), row: { id: id } }
";

fn api() -> Api {
    Api::builder().spawn_thread().expect("a local API")
}

fn written(case: &Case) -> Vec<u64> {
    numbered(&json_lines(&case.bytes("out.jsonl")))
}

fn up_to(last: u64) -> Vec<u64> {
    (1..=last).collect()
}

#[test]
fn a_limit_counts_the_records_worked_on_in_this_run() {
    let api = api();
    let case = Case::new(&api.base_url(), FLOW).rows(100);
    for skipped in [0, 30, 60] {
        let end = case.run(&["--limit", "30"]).exits(0);
        assert_eq!(end.report("outcome"), "limited");
        assert_eq!(end.counts(), [30, 0, skipped, 0]);
    }
    let last = case.run(&["--limit", "30"]).exits(0);
    assert_eq!(last.report("outcome"), "done");
    assert_eq!(last.counts(), [10, 0, 90, 0]);
    assert_eq!(api.stats().requests, 100);
    assert_eq!(written(&case), up_to(100));
}

#[test]
fn a_fresh_start_does_all_again_and_keeps_the_old_outputs() {
    let api = Api::builder()
        .gone(0.1)
        .spawn_thread()
        .expect("a local API");
    let case = Case::new(&api.base_url(), FLOW).rows(100);
    let first = case.run(&[]).exits(3).counts();
    let (rows, dead) = (written(&case), case.text("dead.jsonl"));
    assert!(!dead.is_empty());
    let again = case.run(&["--fresh"]).exits(3).says("out.jsonl.1");
    assert_eq!(again.counts(), first);
    assert_eq!(api.stats().requests, 200);
    assert_eq!(written(&case), rows);
    assert_eq!(numbered(&json_lines(&case.bytes("out.jsonl.1"))), rows);
    assert_eq!(case.text("dead.jsonl.1"), dead);
    case.run(&["--fresh"]).exits(3);
    assert!(
        case.path("out.jsonl.2").exists(),
        "an older one is kept too"
    );
}

#[test]
fn a_fresh_start_deletes_nothing_from_a_table() {
    let api = api();
    let case = Case::new(&api.base_url(), TABLE).rows(10);
    case.run(&[]).exits(0);
    case.records(5..=12);
    assert_eq!(case.run(&["--fresh"]).exits(0).counts(), [8, 0, 0, 0]);
    let ids = crate::support::table(&case.path("out.db"), "SELECT id FROM users ORDER BY id");
    assert_eq!(ids.len(), 12);
}

#[test]
fn a_flow_that_means_something_else_is_refused_until_that_is_accepted() {
    let api = api();
    let case = Case::new(&api.base_url(), FLOW).rows(20);
    case.run(&["--limit", "10"]).exits(0);
    for (old, new) in [
        ("row: { id: id }", "row: { id: id, more: 1 }"),
        ("GET /users/", "GET /orders/"),
        ("key: id", "key: id | string"),
    ] {
        let changed = FLOW.replace(old, new);
        assert_ne!(changed, FLOW);
        case.flow(&changed);
        case.tidegate(&["run", "flow.yaml"])
            .exits(2)
            .says("--accept-flow-change");
    }
    assert_eq!(api.stats().requests, 10);
    case.flow(&FLOW.replace("GET /users/", "GET /orders/"));
    assert_eq!(
        case.run(&["--accept-flow-change"]).exits(0).counts(),
        [10, 0, 10, 0]
    );
    assert_eq!(written(&case), up_to(20));
}

#[test]
fn limits_comments_and_the_dead_letter_file_may_change_at_any_time() {
    let api = api();
    let case = Case::new(&api.base_url(), FLOW).rows(20);
    case.run(&["--limit", "10"]).exits(0);
    let changed = FLOW
        .replace(
            "in_flight: 8",
            "in_flight: 3, rate: 500/s, timeout: 3s, retry: 1, patience: 3m",
        )
        .replace("source:", "# a comment\nrecords: { in_flight: 4 }\nsource:")
        .replace("dead.jsonl", "letters.jsonl");
    case.flow(&changed);
    assert_eq!(case.run(&[]).exits(0).counts(), [10, 0, 10, 0]);
}

#[test]
fn a_second_runner_of_the_same_journal_is_refused() {
    for flow in [FLOW, TABLE] {
        let latency = Duration::from_millis(20);
        let api = Api::builder()
            .latency(latency, latency)
            .spawn_thread()
            .expect("a local API");
        let case = Case::new(&api.base_url(), flow).rows(1_000);
        let first = case.start_run(&[]);
        wait_until("the first works", || api.stats().requests > 20);
        let other = std::process::Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(["run".as_ref(), case.path("flow.yaml").as_os_str()])
            .output()
            .expect("the program can be started");
        assert_eq!(
            other.status.code(),
            Some(2),
            "{}",
            String::from_utf8_lossy(&other.stderr)
        );
        assert!(String::from_utf8_lossy(&other.stderr).contains("another run"));
        first.kill();
    }
}

#[test]
fn rerun_all_starts_over_when_finished_and_goes_on_when_not() {
    let api = api();
    let case = Case::new(&api.base_url(), &format!("rerun: all\n{FLOW}")).rows(40);
    assert_eq!(
        case.run(&["--limit", "25"]).exits(0).counts(),
        [25, 0, 0, 0]
    );
    assert_eq!(case.run(&[]).exits(0).counts(), [15, 0, 25, 0]);
    assert_eq!(api.stats().requests, 40);
    assert_eq!(case.run(&[]).exits(0).counts(), [40, 0, 0, 0]);
    assert_eq!(api.stats().requests, 80);
    assert_eq!(written(&case), up_to(40));
    assert_eq!(numbered(&json_lines(&case.bytes("out.jsonl.1"))), up_to(40));
}

#[test]
fn an_output_that_somebody_has_changed_between_two_runs_is_refused() {
    let api = api();
    let case = Case::new(&api.base_url(), FLOW).rows(20);
    case.run(&["--limit", "10"]).exits(0);
    let good = case.bytes("out.jsonl");
    let mut edited = good.clone();
    edited[good.len() - 3] ^= 1;
    let mut longer = good.clone();
    longer.extend_from_slice(b"{\"id\":99}\n");
    for bytes in [&good[..good.len() - 10], &edited, &longer] {
        case.write("out.jsonl", bytes);
        case.tidegate(&["run", "flow.yaml"])
            .exits(2)
            .says("out.jsonl");
        assert_eq!(case.bytes("out.jsonl"), bytes, "it is left as it is");
    }
    std::fs::remove_file(case.path("out.jsonl")).expect("it is there");
    case.tidegate(&["run", "flow.yaml"])
        .exits(2)
        .says("out.jsonl");
    assert_eq!(api.stats().requests, 10);
    case.write("out.jsonl", good);
    case.run(&[]).exits(0);
    assert_eq!(written(&case), up_to(20));
}

#[test]
fn a_first_run_on_a_file_that_is_not_empty_is_refused_unless_it_may_append() {
    let api = api();
    let case = Case::new(&api.base_url(), FLOW).rows(5);
    case.write("out.jsonl", "{\"id\":100}\n");
    case.tidegate(&["run", "flow.yaml"])
        .exits(2)
        .says("append: true");
    assert_eq!(api.stats().requests, 0);
    assert_eq!(case.text("out.jsonl"), "{\"id\":100}\n");
    case.flow(&FLOW.replace("out.jsonl,", "out.jsonl, append: true,"));
    case.run(&[]).exits(0);
    assert_eq!(written(&case), [1, 2, 3, 4, 5, 100]);
}

#[test]
fn a_dead_letter_file_of_somebody_else_is_refused() {
    let api = api();
    let case = Case::new(&api.base_url(), FLOW).rows(5);
    case.write("dead.jsonl", "mine\n");
    case.tidegate(&["run", "flow.yaml"])
        .exits(2)
        .says("dead.jsonl");
    assert_eq!(case.text("dead.jsonl"), "mine\n");
    assert_eq!(api.stats().requests, 0);
}

#[test]
fn a_table_that_is_missing_from_a_database_that_exists_is_not_made_by_mistake() {
    let api = api();
    let case = Case::new(&api.base_url(), TABLE).rows(5);
    rusqlite::Connection::open(case.path("out.db"))
        .and_then(|database| database.execute_batch("CREATE TABLE user (id INTEGER PRIMARY KEY)"))
        .expect("a database");
    case.tidegate(&["run", "flow.yaml"])
        .exits(2)
        .says("CREATE TABLE");
    assert_eq!(api.stats().requests, 0);
}

#[test]
fn the_journal_is_kept_where_state_says() {
    let api = api();
    let case = Case::new(&api.base_url(), FLOW).rows(5);
    case.run(&["--state", "elsewhere"]).exits(0);
    assert!(!case.path(".tidegate").exists());
    assert!(case.path("elsewhere").is_dir());
    assert_eq!(
        case.run(&["--state", "elsewhere"]).exits(0).counts(),
        [0, 0, 5, 0]
    );
}

#[test]
fn two_flows_share_one_database() {
    let api = api();
    let case = Case::new(&api.base_url(), &format!("name: first\n{TABLE}")).rows(5);
    case.run(&[]).exits(0);
    let second = format!(
        "name: second\n{}",
        TABLE.replace("users(id)", "others(id), create: true")
    );
    case.flow(&second);
    assert_eq!(case.run(&[]).exits(0).counts(), [5, 0, 0, 0]);
    assert_eq!(case.run(&[]).exits(0).counts(), [0, 0, 5, 0]);
}
