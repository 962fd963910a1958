//! `map`, `eval`, `check --sample`, `schema`, `status` and `demo`.

use crate::support::{Case, Server, json_lines, numbered};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tidegate_test::Api;

fn api() -> Api {
    Api::builder()
        .remember(true)
        .spawn_thread()
        .expect("a local API")
}

#[test]
fn map_makes_one_call_a_record_and_writes_the_records_with_their_answers() {
    let api = api();
    let case = Case::new("", "").rows(20);
    let call = format!("GET {}/users/{{{{ id }}}}", api.base_url());
    let end = case.tidegate(&[
        "map",
        "in.jsonl",
        &call,
        "-j",
        "4",
        "--rate",
        "500/s",
        "-o",
        "out.jsonl",
        "--report",
        "report.json",
    ]);
    let end = end.exits(0);
    assert_eq!(end.counts(), [20, 0, 0, 0]);
    assert_eq!(end.stdout, "");
    assert!(api.stats().open_max <= 4);
    let rows = json_lines(&case.bytes("out.jsonl"));
    assert_eq!(numbered(&rows), (1..=20).collect::<Vec<_>>());
    assert!(rows.iter().all(|row| row["answer"]["id"] == row["id"]));
}

#[test]
fn map_writes_to_standard_output_and_nothing_else_goes_there() {
    let api = api();
    let case = Case::new("", "").rows(20);
    let call = format!("GET {}/users/{{{{ id }}}}", api.base_url());
    let end = case.tidegate(&["map", "in.jsonl", &call]).exits(0);
    assert_eq!(numbered(&end.lines()), (1..=20).collect::<Vec<_>>());
}

#[test]
fn map_keeps_to_its_rate() {
    let api = api();
    let case = Case::new("", "").rows(60);
    let call = format!("GET {}/users/{{{{ id }}}}", api.base_url());
    let began = Instant::now();
    case.tidegate(&["map", "in.jsonl", &call, "--rate", "40/s"])
        .exits(0);
    assert!(
        began.elapsed() >= Duration::from_millis(1_400),
        "{:?}",
        began.elapsed()
    );
    assert!(
        api.stats().rate_max_1s <= 44,
        "{} in one second",
        api.stats().rate_max_1s
    );
}

#[test]
fn map_saves_the_flow_that_it_stands_for_and_that_flow_does_the_same() {
    let api = api();
    let case = Case::new("", "").rows(5);
    let call = format!("GET {}/users/{{{{ id }}}}", api.base_url());
    let map = [
        "map",
        "in.jsonl",
        call.as_str(),
        "--key",
        "id",
        "-j",
        "3",
        "-o",
        "out.jsonl",
        "--save",
        "saved.yaml",
    ];
    case.tidegate(&map).exits(0).says("saved.yaml");
    assert_eq!(api.stats().requests, 0, "saving sends nothing");
    case.tidegate(&map).exits(2);
    case.tidegate(&["check", "saved.yaml"])
        .exits(0)
        .says("no faults");
    case.tidegate(&["run", "saved.yaml"]).exits(0);
    assert_eq!(
        numbered(&json_lines(&case.bytes("out.jsonl"))),
        [1, 2, 3, 4, 5]
    );
    let text = case.text("saved.yaml");
    assert!(
        text.contains("in_flight: 3") && text.contains("key:"),
        "{text}"
    );
}

#[test]
fn map_does_not_let_data_choose_the_host() {
    let case = Case::new("", "").rows(1);
    case.tidegate(&["map", "in.jsonl", "GET http://{{ id }}/x"])
        .exits(2)
        .says("host");
    case.tidegate(&["map", "in.jsonl", "nonsense"])
        .exits(2)
        .says("METHOD URL");
}

#[test]
fn eval_gives_the_value_of_an_expression_as_json() {
    let case = Case::new("", "");
    let eval = |expression: &str, record: &str| case.fed(&["eval", expression], record.as_bytes());
    let good = [
        ("a + 1", r#"{"a":1}"#, json!(2)),
        ("items | length", r#"{"items":[1,2,3]}"#, json!(3)),
        ("name | upper", r#"{"name":"ann"}"#, json!("ANN")),
        ("missing | default('x')", "{}", json!("x")),
        (
            "record",
            r#"{"b":[null,true]}"#,
            json!({ "b": [null, true] }),
        ),
        ("1 + 1", "", json!(2)),
    ];
    for (expression, record, value) in good {
        assert_eq!(
            eval(expression, record).exits(0).lines(),
            [value],
            "{expression}"
        );
    }
    eval("missing", "{}").exits(2).says("missing");
    eval("a +", "{}").exits(2).says("^");
    eval("a", "nonsense").exits(2).says("not JSON");
}

#[test]
fn check_samples_requests_and_sends_none() {
    let api = api();
    let flow = "
source: { jsonl: in.jsonl, key: id }
services: { api: { base: $API, auth: { bearer: '{{ env.TOKEN }}' } } }
steps: { user: { api: 'GET /users/{{ id }}' } }
";
    let case = Case::new(&api.base_url(), flow)
        .env("TOKEN", "token-that-is-hidden")
        .rows(10);
    let end = case
        .tidegate(&["check", "flow.yaml", "--sample", "2"])
        .exits(0);
    assert!(
        end.stdout.contains("/users/1") && end.stdout.contains("/users/2"),
        "{}",
        end.stdout
    );
    assert!(!end.stdout.contains("/users/3"), "{}", end.stdout);
    assert!(
        end.stdout.contains("•••") && !end.stdout.contains("token-that-is-hidden"),
        "{}",
        end.stdout
    );
    assert_eq!(api.stats().connections, 0);
}

#[test]
fn the_schema_is_json_and_knows_the_keys_of_a_flow() {
    let case = Case::new("", "");
    let end = case.tidegate(&["schema"]).exits(0);
    let schema: Value = serde_json::from_str(&end.stdout).expect("JSON");
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    for key in [
        "source",
        "services",
        "steps",
        "sink",
        "dead_letter",
        "records",
        "rerun",
        "vars",
    ] {
        assert!(schema["properties"][key].is_object(), "{key}");
    }
}

#[test]
fn status_tells_how_far_a_flow_has_come() {
    let api = Api::builder()
        .gone(0.3)
        .spawn_thread()
        .expect("a local API");
    let flow = "
source: { jsonl: in.jsonl, key: id }
services: { api: { base: $API } }
steps: { user: { api: 'GET /users/{{ id }}' } }
sink: { jsonl: out.jsonl, row: { id: id } }
";
    let case = Case::new(&api.base_url(), flow).rows(30);
    let status = || case.tidegate(&["status", "flow.yaml"]).exits(0).stdout;
    assert_eq!(status(), "not run yet\n");
    assert!(!case.path(".tidegate").exists(), "asking makes no journal");
    let limited = case.run(&["--limit", "10"]);
    assert_eq!(limited.count("read"), 10);
    let text = status();
    assert!(
        text.contains("stopped") && text.contains("settled 10 ="),
        "{text}"
    );
    let end = case.run(&[]).exits(3);
    let text = status();
    let dead = end.count("dead_outstanding");
    assert!(
        text.contains("finished")
            && text.contains(&format!(
                "settled 30 = done {} + dead {dead} + filtered 0",
                30 - dead
            )),
        "{text}"
    );
}

#[test]
fn variables_of_the_flow_are_set_on_the_command_line_and_only_those() {
    let server = Server::start(|_, _| (200, "{}".to_owned()));
    let flow = "
vars: { day: '2026-01-01' }
source: { jsonl: in.jsonl, key: id }
services: { api: { base: $API } }
steps: { user: { api: 'GET /users/{{ id }}', query: { day: '{{ vars.day }}' } } }
";
    let case = Case::new(&server.base(), flow).rows(1);
    case.run(&["--set", "day=2026-11-24"]).exits(0);
    assert_eq!(server.seen()[0].target, "/users/1?day=2026-11-24");
    case.tidegate(&["run", "flow.yaml", "--set", "dya=x"])
        .exits(2)
        .says("dya");
}

#[test]
fn json_progress_ends_with_the_report_as_one_object() {
    let api = api();
    let flow = "
source: { jsonl: in.jsonl, key: id }
services: { api: { base: $API, rate: 1000/s } }
steps: { user: { api: 'GET /users/{{ id }}' } }
";
    let case = Case::new(&api.base_url(), flow).rows(5);
    let end = case.run(&["--progress", "json"]).exits(0);
    let lines = json_lines(end.stderr.as_bytes());
    let last = lines.last().expect("a line");
    assert_eq!(
        (&last["done"], &last["outcome"], &last["version"]),
        (&json!(5), &json!("done"), &json!(1))
    );
}

#[test]
fn without_progress_a_good_run_says_nothing() {
    let api = api();
    let flow = "
source: { jsonl: in.jsonl, key: id }
services: { api: { base: $API, rate: 1000/s } }
steps: { user: { api: 'GET /users/{{ id }}' } }
";
    let case = Case::new(&api.base_url(), flow).rows(5);
    let end = case.run(&["--progress", "none"]).exits(0);
    assert_eq!((end.stdout.as_str(), end.stderr.as_str()), ("", ""));
}

#[test]
fn the_demo_runs_by_itself_and_again() {
    let case = Case::new("", "");
    for _ in 0..2 {
        case.tidegate(&["demo", "demo", "--records", "60"])
            .exits(0)
            .says("What happened");
    }
    let rows = json_lines(&case.bytes("demo/out.jsonl"));
    let dead = json_lines(&case.bytes("demo/dead.jsonl"));
    assert_eq!(rows.len() + dead.len(), 60, "every record is done or dead");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    use std::process::{Command, Stdio};
    let case = Case::new("", "");
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .arg("schema")
        .current_dir(case.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    drop(child.stdout.take());
    let end = child.wait_with_output().expect("it ends");
    assert_eq!(
        end.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&end.stderr)
    );
}
