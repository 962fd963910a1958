//! `order: input`.

use crate::support::{Case, json_lines};
use std::time::Duration;
use tidegate_test::Api;

const ROWS: u64 = 1_000;

const FLOW: &str = "
source: { jsonl: in.jsonl, key: id }
records: { order: input, in_flight: 32$MORE }
services: { api: { base: $API, in_flight: 32 } }
steps: { user: { api: 'GET /users/{{ id }}' } }
sink: { jsonl: out.jsonl, row: { id: id } }
dead_letter: { jsonl: dead.jsonl }
";

fn api() -> Api {
    Api::builder()
        .seed(3)
        .latency(Duration::from_millis(1), Duration::from_millis(20))
        .unavailable(0.1)
        .gone(0.05)
        .spawn_thread()
        .expect("a local API")
}

#[track_caller]
fn in_order(case: &Case, dead: u64) {
    let id = |row: serde_json::Value| row["id"].as_u64().expect("an id");
    let rows: Vec<u64> = json_lines(&case.bytes("out.jsonl"))
        .into_iter()
        .map(id)
        .collect();
    assert!(rows.is_sorted_by(|left, right| left < right), "{rows:?}");
    assert_eq!(rows.len() as u64, ROWS - dead);
}

#[test]
fn rows_come_in_the_order_of_the_input_with_gaps_where_records_died() {
    let api = api();
    let case = Case::new(&api.base_url(), &FLOW.replace("$MORE", "")).rows(ROWS);
    let end = case.run(&[]).exits(3);
    let [done, dead, ..] = end.counts();
    assert!((10..200).contains(&dead), "{dead} dead");
    assert_eq!(done + dead, ROWS);
    in_order(&case, dead);
}

#[test]
fn a_small_window_keeps_the_order_too() {
    let api = api();
    let case = Case::new(&api.base_url(), &FLOW.replace("$MORE", ", window: 5")).rows(ROWS);
    let dead = case.run(&[]).exits(3).count("dead");
    in_order(&case, dead);
}

#[test]
fn the_order_outlives_a_kill() {
    let api = api();
    let case = Case::new(&api.base_url(), &FLOW.replace("$MORE", "")).rows(ROWS);
    for _ in 0..3 {
        let run = case.start_run(&[]);
        let before = api.stats().requests;
        crate::support::wait_until("a part is done", || api.stats().requests > before + 200);
        run.kill();
    }
    let end = case.run(&[]).exits(3);
    in_order(&case, end.count("dead_outstanding"));
}
