//! Lines that are not what they should be.

use crate::support::{Case, json_lines, numbered};
use tidegate_test::Api;

const FLOW: &str = "
source: { jsonl: in.jsonl, key: id$MORE }
services: { api: { base: $API } }
steps: { user: { api: 'GET /users/{{ id }}' } }
sink: { jsonl: out.jsonl, row: { id: id } }
dead_letter: { jsonl: dead.jsonl }
";

fn with(more: &str, input: impl AsRef<[u8]>) -> (Api, Case) {
    let api = Api::builder().spawn_thread().expect("a local API");
    let case = Case::new(&api.base_url(), &FLOW.replace("$MORE", more));
    case.write("in.jsonl", input);
    (api, case)
}

fn dead(case: &Case) -> Vec<serde_json::Value> {
    json_lines(&case.bytes("dead.jsonl"))
}

#[test]
fn a_line_that_is_no_json_and_a_record_without_its_key_die_with_their_line() {
    let (_api, case) = with(
        "",
        "{\"id\":1}\nnonsense\n{\"name\":\"x\"}\n{\"id\":2}\n[3]\n{\"id\":null}\n{\"id\":1.5}\n",
    );
    assert_eq!(case.run(&[]).exits(3).counts(), [2, 5, 0, 0]);
    let dead = dead(&case);
    let mut lines: Vec<u64> = dead
        .iter()
        .map(|letter| letter["line"].as_u64().expect("a line"))
        .collect();
    lines.sort_unstable();
    assert_eq!(lines, [2, 3, 5, 6, 7]);
    let nonsense = dead
        .iter()
        .find(|letter| letter["line"] == 2)
        .expect("it is there");
    assert_eq!(nonsense["record"], "nonsense");
    assert_eq!(nonsense["attempts"], 0);
    assert_eq!(numbered(&json_lines(&case.bytes("out.jsonl"))), [1, 2]);
}

#[test]
fn blank_lines_a_byte_order_mark_and_both_line_ends_are_no_records() {
    let (_api, case) = with(
        "",
        "\u{feff}{\"id\":1}\r\n\r\n\n   \n{\"id\":2}\r\n{\"id\":3}\n\n",
    );
    assert_eq!(case.run(&[]).exits(0).counts(), [3, 0, 0, 0]);
}

#[test]
fn a_row_of_200_kb_is_an_ordinary_row() {
    let big = "x".repeat(200_000);
    let (_api, case) = with(
        "",
        format!("{{\"id\":1,\"text\":\"{big}\"}}\n{{\"id\":2}}\n"),
    );
    case.flow(&FLOW.replace("$MORE", "").replace(
        "row: { id: id }",
        "row: { id: id, text: record.text | default('') }",
    ));
    assert_eq!(case.run(&[]).exits(0).counts(), [2, 0, 0, 0]);
    let rows = json_lines(&case.bytes("out.jsonl"));
    assert!(rows.iter().any(|row| row["text"] == big.as_str()));
}

#[test]
fn a_record_longer_than_its_bound_dies_alone() {
    let (_api, case) = with(
        ", max_record: 10kB",
        format!(
            "{{\"id\":1}}\n{{\"id\":2,\"text\":\"{}\"}}\n{{\"id\":3}}\n",
            "x".repeat(20_000)
        ),
    );
    assert_eq!(case.run(&[]).exits(3).counts(), [2, 1, 0, 0]);
    let dead = dead(&case);
    assert_eq!(dead[0]["line"], 2);
    assert!(
        dead[0]["cause"]
            .as_str()
            .expect("a text")
            .contains("max_record"),
        "{}",
        dead[0]
    );
}

#[test]
fn a_last_line_without_its_end_is_an_ordinary_record_if_it_is_whole() {
    let (_api, case) = with("", "{\"id\":1}\n{\"id\":2}");
    assert_eq!(case.run(&[]).exits(0).counts(), [2, 0, 0, 0]);
    assert_eq!(case.run(&[]).exits(0).counts(), [0, 0, 2, 0]);
}

#[test]
fn a_torn_last_line_is_dead_until_its_writer_completes_it() {
    let (api, case) = with("", "{\"id\":1}\n{\"id\":");
    assert_eq!(case.run(&[]).exits(3).counts(), [1, 1, 0, 0]);
    assert_eq!(dead(&case).len(), 1);
    assert_eq!(case.run(&[]).exits(3).counts(), [0, 1, 1, 0], "still torn");
    case.append("in.jsonl", "2}\n{\"id\":3}\n");
    assert_eq!(case.run(&[]).exits(0).counts(), [2, 0, 1, 0]);
    assert_eq!(dead(&case).len(), 0);
    assert_eq!(numbered(&json_lines(&case.bytes("out.jsonl"))), [1, 2, 3]);
    assert_eq!(api.stats().requests, 3);
}

#[test]
fn big_numbers_keep_their_digits() {
    let (api, case) = with(
        "",
        "{\"id\":9007199254740993}\n{\"id\":18446744073709551615}\n",
    );
    case.run(&[]).exits(0);
    assert_eq!(
        numbered(&json_lines(&case.bytes("out.jsonl"))),
        [9_007_199_254_740_993, u64::MAX]
    );
    assert_eq!(api.stats().requests, 2);
}

#[test]
fn an_empty_input_is_done_at_once() {
    let (api, case) = with("", "");
    assert_eq!(case.run(&[]).exits(0).counts(), [0, 0, 0, 0]);
    assert_eq!(api.stats().requests, 0);
}

#[test]
fn an_input_that_is_not_there_ends_with_2() {
    let (_api, case) = with("", "");
    std::fs::remove_file(case.path("in.jsonl")).expect("it was written");
    case.tidegate(&["run", "flow.yaml"])
        .exits(2)
        .says("in.jsonl");
}
