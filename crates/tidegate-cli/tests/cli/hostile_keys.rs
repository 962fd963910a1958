//! A key that tries to be something else stays one value wherever it stands.

use crate::support::{Case, csv_rows, json_lines, table};
use rusqlite::types::Value::Text;
use serde_json::json;
use tidegate_test::Api;

const KEY: &str = "a/../b?c=d#e é\r\nX: y";
/// As one segment of a path.
const SEGMENT: &str = "a%2F..%2Fb%3Fc%3Dd%23e%20%C3%A9%0D%0AX%3A%20y";

const FLOW: &str = "
source: { jsonl: in.jsonl, key: id }
services: { api: { base: $API } }
steps:
  user: { api: 'GET /users/{{ id }}' }
sink:
  $SINK
  row: { id: id, said: user.id, text: \"id ~ '!'\" }
";

fn written(sink: &str) -> Case {
    let api = Api::builder()
        .remember(true)
        .spawn_thread()
        .expect("a local API");
    let case = Case::new(&api.base_url(), &FLOW.replace("$SINK", sink));
    case.write("in.jsonl", format!("{}\n", json!({ "id": KEY })));
    case.run(&[]).exits(0);
    let paths: Vec<String> = api.paths().into_keys().collect();
    assert_eq!(paths.len(), 1);
    let segments: Vec<&str> = paths[0].split('/').collect();
    assert_eq!(segments.len(), 3, "one segment: {paths:?}");
    assert!(segments[2].eq_ignore_ascii_case(SEGMENT), "{paths:?}");
    case
}

#[test]
fn it_is_one_value_in_a_table() {
    let case = written("sqlite: out.db\n  upsert: users(id)");
    let rows = table(&case.path("out.db"), "SELECT id, said, text FROM users");
    let texts = [KEY.to_owned(), KEY.to_owned(), format!("{KEY}!")];
    assert_eq!(rows, [texts.map(Text).to_vec()]);
}

#[test]
fn it_is_one_cell_in_csv() {
    let case = written("csv: out.csv");
    let (_, rows) = csv_rows(&case.bytes("out.csv"));
    assert_eq!(rows, [[KEY.to_owned(), KEY.to_owned(), format!("{KEY}!")]]);
}

#[test]
fn it_is_one_text_in_json() {
    let case = written("jsonl: out.jsonl");
    let rows = json_lines(&case.bytes("out.jsonl"));
    assert_eq!(
        rows,
        [json!({ "id": KEY, "said": KEY, "text": format!("{KEY}!") })]
    );
}

#[test]
fn it_is_one_parameter_in_a_query_and_one_text_in_a_body() {
    let server = crate::support::Server::start(|_, _| (200, "{}".to_owned()));
    let flow = "
source: { jsonl: in.jsonl, key: id }
services: { api: { base: $API } }
steps:
  sent:
    api: POST /things?first={{ id }}
    query: { second: '{{ id }}' }
    body: { id: '{{ id }}', sentence: 'it is {{ id }}' }
";
    let case = Case::new(&server.base(), flow);
    case.write("in.jsonl", format!("{}\n", json!({ "id": KEY })));
    case.run(&[]).exits(0);
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    let (_, query) = seen[0].target.split_once('?').expect("a query");
    let names: Vec<&str> = query
        .split('&')
        .map(|pair| pair.split('=').next().expect("a name"))
        .collect();
    assert_eq!(names, ["first", "second"], "{query}");
    let body: serde_json::Value = serde_json::from_str(&seen[0].body).expect("JSON");
    assert_eq!(
        body,
        json!({ "id": KEY, "sentence": format!("it is {KEY}") })
    );
}

#[test]
fn a_line_end_never_gets_into_a_header() {
    let server = crate::support::Server::start(|_, _| (200, "{}".to_owned()));
    let flow = "
source: { jsonl: in.jsonl, key: id }
services: { api: { base: $API } }
steps:
  sent:
    api: GET /things
    headers: { X-Id: '{{ id }}' }
dead_letter: { jsonl: dead.jsonl }
";
    let case = Case::new(&server.base(), flow);
    case.write(
        "in.jsonl",
        format!("{}\n{}\n", json!({ "id": KEY }), json!({ "id": "plain" })),
    );
    assert_eq!(case.run(&[]).exits(3).counts(), [1, 1, 0, 0]);
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].headers["x-id"], "plain");
    assert_eq!(
        json_lines(&case.bytes("dead.jsonl"))[0]["record"]["id"],
        KEY
    );
}

#[test]
fn a_key_that_is_no_segment_kills_its_record_unsent() {
    let api = Api::builder()
        .remember(true)
        .spawn_thread()
        .expect("a local API");
    let case = Case::new(&api.base_url(), &FLOW.replace("$SINK", "jsonl: out.jsonl"));
    case.write(
        "in.jsonl",
        "{\"id\":\"\"}\n{\"id\":\"..\"}\n{\"id\":\".\"}\n{\"id\":\"a\"}\n",
    );
    assert_eq!(case.run(&[]).exits(3).counts(), [1, 3, 0, 0]);
    assert_eq!(api.paths().into_keys().collect::<Vec<_>>(), ["/users/a"]);
}

#[test]
fn credentials_go_to_the_origin_of_base_only() {
    let (own, other) = (
        crate::support::Server::start(|_, _| (200, "{}".to_owned())),
        crate::support::Server::start(|_, _| (200, "{}".to_owned())),
    );
    let flow = "
source: { jsonl: in.jsonl, key: id }
services:
  api: { base: $API, allow: [localhost], auth: { bearer: a-token-of-ours }, headers: { X-Own: 'yes' } }
steps:
  own: { api: 'GET /{{ id }}' }
  other: { api: 'GET {{ link | url }}' }
sink: { jsonl: out.jsonl }
";
    let case = crate::support::Case::new(&own.base(), flow);
    let link = other.base().replace("127.0.0.1", "localhost");
    case.write(
        "in.jsonl",
        format!("{{\"id\":1,\"link\":\"{link}/next\"}}\n"),
    );
    case.run(&[]).exits(0);
    assert_eq!(
        own.seen()[0].headers["authorization"],
        "Bearer a-token-of-ours"
    );
    let seen = other.seen();
    assert_eq!(seen[0].target, "/next");
    for name in ["authorization", "x-own"] {
        assert!(
            !seen[0].headers.contains_key(name),
            "{name} went to another host"
        );
    }
}
