//! A service that is down, or that refuses everything, costs time and no record.

use crate::support::{Case, Reply, Server, json_lines, numbered, wait_until};
use std::time::Duration;
use tidegate_test::{Api, Down};

const ROWS: u64 = 1_000;

const FLOW: &str = "
source: { jsonl: in.jsonl, key: id }
records: { in_flight: 16 }
services:
  api:
    base: $API
    patience: $PATIENCE
    headers: { X-Token: '{{ env.TOKEN }}' }
steps: { user: { api: 'GET /users/{{ id }}' } }
sink: { jsonl: out.jsonl, row: { id: id } }
dead_letter: { jsonl: dead.jsonl }
";

fn api() -> Api {
    let latency = (Duration::from_millis(1), Duration::from_millis(3));
    Api::builder()
        .latency(latency.0, latency.1)
        .spawn_thread()
        .expect("a local API")
}

fn case(base: &str, patience: &str) -> Case {
    Case::new(base, &FLOW.replace("$PATIENCE", patience))
        .env("TOKEN", "token-of-the-test")
        .rows(ROWS)
}

#[track_caller]
fn all_rows_are_there(case: &Case) {
    assert_eq!(
        numbered(&json_lines(&case.bytes("out.jsonl"))),
        (1..=ROWS).collect::<Vec<_>>()
    );
    assert_eq!(case.text("dead.jsonl"), "");
}

#[track_caller]
fn an_outage_passes(how: Down) {
    let api = api();
    let case = case(&api.base_url(), "5m");
    let run = case.start_run(&[]);
    wait_until("work is under way", || api.stats().requests > 100);
    api.go_down(how);
    wait_until("the outage is noticed", || {
        // Down: a probe now and then, no more.
        let before = api.stats();
        std::thread::sleep(Duration::from_millis(200));
        let now = api.stats();
        now.open == 0 && now.requests + now.connections <= before.requests + before.connections + 2
    });
    api.come_up();
    let end = run.ends().exits(0);
    assert_eq!(end.counts(), [ROWS, 0, 0, 0]);
    all_rows_are_there(&case);
}

#[test]
fn connections_that_are_closed_for_a_while_cost_no_record() {
    an_outage_passes(Down::Close);
}

#[test]
fn a_service_unavailable_for_a_while_costs_no_record() {
    an_outage_passes(Down::Unavailable);
}

#[test]
fn an_outage_longer_than_the_patience_ends_with_5_and_the_next_run_goes_on() {
    let api = api();
    let case = case(&api.base_url(), "1s");
    let run = case.start_run(&[]);
    wait_until("work is under way", || api.stats().requests > 100);
    api.go_down(Down::Close);
    let ended = run.ends().exits(5).says("patience").says("nothing is lost");
    assert_eq!(ended.report("outcome"), "gave_up");
    let [done, dead, _, pending] = ended.counts();
    assert!(done > 0 && pending > 0, "{done} done, {pending} pending");
    assert_eq!(dead, 0);
    api.come_up();
    assert_eq!(case.run(&[]).exits(0).counts(), [ROWS - done, 0, done, 0]);
    all_rows_are_there(&case);
}

#[test]
fn a_service_that_nobody_answers_for_ends_with_5_and_kills_no_record() {
    let case = case("http://127.0.0.1:9", "1s");
    let ended = case.run(&[]).exits(5);
    let [done, dead, skipped, _] = ended.counts();
    assert_eq!((done, dead, skipped), (0, 0, 0));
}

#[test]
fn one_record_alone_is_not_killed_by_a_service_that_nobody_answers_for() {
    let case = case("http://127.0.0.1:9", "1s");
    case.records([1]);
    let ended = case.run(&[]).exits(5);
    assert_eq!(ended.counts(), [0, 0, 0, 1]);
}

/// Once `good` requests are answered, every further one gets this status.
fn refusing_after(good: usize, status: u16) -> Server {
    Server::start(move |request, before| -> Reply {
        let mended = request.headers["x-token"] == "mended";
        if mended || before.len() < good {
            (200, "{}".to_owned())
        } else {
            (status, r#"{"error":"token expired"}"#.to_owned())
        }
    })
}

#[track_caller]
fn refused_by_all(good: usize, status: u16) {
    let server = refusing_after(good, status);
    let case = case(&server.base(), "5m");
    let ended = case.run(&[]).exits(5).says("token expired");
    assert_eq!(ended.report("outcome"), "gave_up");
    let told = ended.stderr.matches("token expired").count();
    assert_eq!(told, 1, "one message:\n{}", ended.stderr);
    let [done, dead, skipped, pending] = ended.counts();
    assert_eq!((done, dead, skipped), (good as u64, 0, 0));
    assert!(
        pending >= 20,
        "those who were refused are pending, not {pending}"
    );
    let asked = server.seen().len();
    assert!(asked <= good + 20 + 16, "it stops early: {asked} requests");
    assert_eq!(case.text("dead.jsonl"), "");

    let case = case.env("TOKEN", "mended");
    assert_eq!(case.run(&[]).exits(0).counts(), [ROWS - done, 0, done, 0]);
    all_rows_are_there(&case);
}

#[test]
fn a_bad_token_stops_the_run_and_kills_no_record() {
    refused_by_all(0, 401);
}

#[test]
fn a_token_that_expires_midway_stops_the_run_and_kills_no_record() {
    refused_by_all(300, 401);
}

#[test]
fn an_unpaid_account_stops_the_run_and_kills_no_record() {
    refused_by_all(50, 402);
}

#[test]
fn a_wrong_path_stops_the_run_after_a_hundred_records() {
    let api = api();
    let flow = FLOW
        .replace("$PATIENCE", "5m")
        .replace("/users/", "/usres/");
    let case = Case::new(&api.base_url(), &flow)
        .env("TOKEN", "x")
        .rows(ROWS);
    let ended = case.run(&[]).exits(5).says("path");
    assert_eq!(ended.count("dead"), 0);
    assert!(api.stats().requests <= 100 + 16);
}

#[test]
fn a_stop_of_classify_ends_with_5_and_leaves_its_records_pending() {
    let server = Server::start(|_, before| {
        let spent = before.len() >= 30;
        let body = if spent {
            r#"{"error":{"type":"insufficient_quota"}}"#
        } else {
            "{}"
        };
        (if spent { 429 } else { 200 }, body.to_owned())
    });
    let flow = FLOW.replace(
        "GET /users/{{ id }}'",
        "GET /users/{{ id }}', classify: { stop: \"body.error.type == 'insufficient_quota'\" }",
    );
    let case = Case::new(&server.base(), &flow.replace("$PATIENCE", "5m"))
        .env("TOKEN", "x")
        .rows(ROWS);
    let ended = case.run(&[]).exits(5).says("insufficient_quota");
    let [done, dead, skipped, pending] = ended.counts();
    assert_eq!((done, dead, skipped), (30, 0, 0));
    assert!((1..=16).contains(&pending), "{pending} pending");
}
