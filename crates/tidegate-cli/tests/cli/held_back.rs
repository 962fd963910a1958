//! Deaths that are held back, as they may be everybody's, must not hold up the run.

use crate::support::{Case, Server, json_lines};
use std::fmt::Write as _;

const ROWS: u64 = 150;

fn flow(records: &str) -> String {
    format!(
        "
source: {{ jsonl: in.jsonl, key: id }}
records: {{ {records} }}
services: {{ api: {{ base: $API }} }}
steps: {{ user: {{ api: 'GET /users/{{{{ id }}}}' }} }}
sink: {{ jsonl: out.jsonl, row: {{ id: id }} }}
dead_letter: {{ jsonl: dead.jsonl }}
"
    )
}

/// The first `bad` records are refused with this status.
fn refusing_first(bad: u64, status: u16) -> Server {
    Server::start(move |request, _| {
        let id: u64 = request
            .target
            .rsplit('/')
            .next()
            .expect("a segment")
            .parse()
            .expect("an id");
        (if id <= bad { status } else { 200 }, "{}".to_owned())
    })
}

#[test]
fn a_window_smaller_than_the_streak_does_not_block() {
    let server = refusing_first(50, 404);
    let case = Case::new(
        &server.base(),
        &flow("in_flight: 4, order: input, window: 5"),
    )
    .rows(ROWS);
    assert_eq!(case.run(&[]).exits(3).counts(), [100, 50, 0, 0]);
    let id = |row: &serde_json::Value| row["id"].as_u64().expect("an id");
    let ids: Vec<u64> = json_lines(&case.bytes("out.jsonl"))
        .iter()
        .map(id)
        .collect();
    assert_eq!(ids, (51..=ROWS).collect::<Vec<_>>());
}

#[test]
fn a_window_smaller_than_the_streak_still_stops_at_a_wrong_path() {
    let server = refusing_first(ROWS, 404);
    let case = Case::new(
        &server.base(),
        &flow("in_flight: 4, order: input, window: 5"),
    )
    .rows(ROWS);
    assert_eq!(case.run(&[]).exits(5).count("dead"), 0);
}

#[test]
fn memory_smaller_than_the_streak_does_not_block() {
    let server = refusing_first(50, 404);
    let case = Case::new(&server.base(), &flow("memory: 64KiB"));
    let filling = "x".repeat(10_000);
    let mut rows = String::new();
    for id in 1..=ROWS {
        writeln!(rows, "{{\"id\":{id},\"text\":\"{filling}\"}}").expect("a text takes every line");
    }
    case.write("in.jsonl", rows);
    assert_eq!(case.run(&[]).exits(3).counts(), [100, 50, 0, 0]);
}

#[test]
fn a_few_refusals_at_the_end_of_the_input_are_deaths() {
    let server = refusing_first(10, 401);
    let case = Case::new(&server.base(), &flow("in_flight: 4")).rows(10);
    assert_eq!(case.run(&[]).exits(3).counts(), [0, 10, 0, 0]);
    assert_eq!(json_lines(&case.bytes("dead.jsonl")).len(), 10);
}

#[test]
fn a_limit_reached_while_deaths_are_held_back_decides_them() {
    let server = refusing_first(10, 401);
    let case = Case::new(&server.base(), &flow("in_flight: 4")).rows(ROWS);
    assert_eq!(
        case.run(&["--limit", "10"]).exits(3).counts(),
        [0, 10, 0, 0]
    );
    assert_eq!(case.run(&[]).exits(3).counts(), [ROWS - 10, 0, 10, 0]);
}
