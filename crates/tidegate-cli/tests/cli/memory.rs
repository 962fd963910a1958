//! The bound on bytes.

use crate::support::{Case, Server, json_lines, numbered};
use std::fmt::Write as _;

const ROWS: u64 = 60;
const BYTES: usize = 50_000;

fn case(server: &Server, memory: &str) -> Case {
    let flow = "
source: { jsonl: in.jsonl, key: id }
records: { memory: $MEMORY }
services: { api: { base: $API } }
steps: { user: { api: 'GET /users/{{ id }}' } }
sink: { jsonl: out.jsonl }
";
    let case = Case::new(&server.base(), &flow.replace("$MEMORY", memory));
    let filling = "x".repeat(BYTES);
    let mut rows = String::new();
    for id in 1..=ROWS {
        writeln!(rows, "{{\"id\":{id},\"text\":\"{filling}\"}}").expect("a text takes every line");
    }
    case.write("in.jsonl", rows);
    case
}

#[test]
fn rows_larger_than_the_bound_are_worked_on_one_by_one() {
    let server = Server::start(|_, _| (200, "{}".to_owned()));
    let case = case(&server, "10KiB");
    assert_eq!(case.run(&[]).exits(0).counts(), [ROWS, 0, 0, 0]);
    assert_eq!(
        numbered(&json_lines(&case.bytes("out.jsonl"))),
        (1..=ROWS).collect::<Vec<_>>()
    );
}

#[test]
fn answers_larger_than_the_bound_do_not_stop_the_run() {
    let server = Server::start(|_, _| (200, format!("{{\"text\":\"{}\"}}", "y".repeat(200_000))));
    let case = case(&server, "64KiB");
    assert_eq!(case.run(&[]).exits(0).counts(), [ROWS, 0, 0, 0]);
    assert_eq!(json_lines(&case.bytes("out.jsonl")).len() as u64, ROWS);
}

#[test]
fn large_rows_in_the_order_of_the_input_do_not_block_each_other() {
    let server = Server::start(|_, _| (200, "{}".to_owned()));
    let case = case(&server, "120kB");
    let flow = case
        .text("flow.yaml")
        .replace("memory:", "order: input, memory:");
    case.flow(&flow);
    case.run(&[]).exits(0);
    let id = |row: &serde_json::Value| row["id"].as_u64().expect("an id");
    let ids: Vec<u64> = json_lines(&case.bytes("out.jsonl"))
        .iter()
        .map(id)
        .collect();
    assert_eq!(ids, (1..=ROWS).collect::<Vec<_>>());
}
