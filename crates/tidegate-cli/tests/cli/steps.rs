//! Steps: their order, their conditions, their bodies, and how they are repeated.

use crate::support::{Case, Seen, Server, json_lines, wait_until};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tidegate_test::Api;

/// A flow with these steps and this row, for the records 1 to `rows`.
fn flow(steps: &str, row: &str) -> String {
    format!(
        "source: {{ jsonl: in.jsonl, key: id }}\nservices: {{ api: {{ base: $API, retry: {{ times: 3, base: 1ms }} }} }}\nsteps:\n{steps}\nsink:\n  jsonl: out.jsonl\n  row:\n{row}\ndead_letter: {{ jsonl: dead.jsonl }}\n"
    )
}

/// The rows by their `id`.
fn rows(case: &Case) -> BTreeMap<u64, Value> {
    let id = |row: Value| (row["id"].as_u64().expect("an id"), row);
    json_lines(&case.bytes("out.jsonl"))
        .into_iter()
        .map(id)
        .collect()
}

/// Answers with the request's target.
fn mirror() -> Server {
    Server::start(|request, _| (200, json!({ "target": request.target, "n": 3 }).to_string()))
}

fn position(seen: &[Seen], target: &str) -> usize {
    let at = seen.iter().position(|request| request.target == target);
    at.unwrap_or_else(|| panic!("{target} was not asked"))
}

#[test]
fn a_step_waits_for_those_it_mentions_and_for_those_behind_after() {
    let server = mirror();
    let steps = "
  last: { api: GET /last, after: [second, free] }
  second: { api: 'GET /second?of={{ first.n }}' }
  first: { api: GET /first }
  free: { api: GET /free }";
    let case = Case::new(&server.base(), &flow(steps, "    id: id")).rows(1);
    case.run(&[]).exits(0);
    let seen = server.seen();
    assert_eq!(seen.len(), 4);
    assert!(position(&seen, "/first") < position(&seen, "/second?of=3"));
    assert_eq!(position(&seen, "/last"), 3);
}

#[test]
fn steps_that_do_not_need_each_other_run_at_once() {
    // Neither is answered before both have come: the test hangs if they wait for one another.
    let api = Api::builder().spawn_thread().expect("a local API");
    api.brown_out(0.0, std::time::Duration::from_secs(3_600));
    let steps = "\n  a: { api: 'GET /users/{{ id }}' }\n  b: { api: 'GET /orders/{{ id }}' }";
    let case = Case::new(&api.base_url(), &flow(steps, "    id: id")).rows(1);
    let run = case.start_run(&[]);
    wait_until("both are open", || api.stats().open == 2);
    run.kill();
}

#[test]
fn a_step_whose_condition_is_false_is_skipped_and_its_value_is_none() {
    let server = mirror();
    let steps = "
  odd: { api: 'GET /odd/{{ id }}', when: id % 2 == 1 }
  next: { api: 'GET /next/{{ odd.n if odd is not none else 0 }}' }";
    let row = "    id: id\n    odd: odd\n    asked: steps.odd.status | default(0)";
    let case = Case::new(&server.base(), &flow(steps, row)).rows(2);
    let end = case.run(&[]).exits(0);
    assert_eq!(
        end.report("steps.odd"),
        json!({ "ok": 1, "otherwise": 0, "skipped": 1, "dead": 0 })
    );
    let rows = rows(&case);
    assert_eq!(
        (&rows[&1]["asked"], &rows[&2]["asked"]),
        (&json!(200), &json!(0))
    );
    assert_eq!(rows[&2]["odd"], Value::Null);
    let targets: BTreeSet<String> = server
        .seen()
        .into_iter()
        .map(|request| request.target)
        .collect();
    assert_eq!(
        targets,
        BTreeSet::from([
            "/odd/1".to_owned(),
            "/next/3".to_owned(),
            "/next/0".to_owned()
        ])
    );
}

#[test]
fn a_condition_that_is_a_text_is_no_condition() {
    let server = mirror();
    let case = Case::new(
        &server.base(),
        &flow("\n  a: { api: GET /a, when: word }", "    id: id"),
    );
    case.write("in.jsonl", "{\"id\":1,\"word\":\"false\"}\n");
    assert_eq!(case.run(&[]).exits(3).counts(), [0, 1, 0, 0]);
    assert!(server.seen().is_empty());
}

#[test]
fn each_asks_for_every_item_and_keeps_the_order() {
    let server = Server::start(|request, _| (200, json!(request.target).to_string()));
    let steps =
        "\n  parts: { each: list, api: 'GET /parts/{{ id }}/{{ index }}/{{ item }}', as: json }";
    let case = Case::new(&server.base(), &flow(steps, "    id: id\n    parts: parts"));
    let list: Vec<u64> = (100..150).collect();
    case.write(
        "in.jsonl",
        format!("{{\"id\":1,\"list\":{list:?}}}\n{{\"id\":2,\"list\":[]}}\n"),
    );
    case.run(&[]).exits(0);
    let rows = rows(&case);
    let expected: Vec<String> = (0..50)
        .map(|index| format!("/parts/1/{index}/{}", 100 + index))
        .collect();
    assert_eq!(rows[&1]["parts"], json!(expected));
    assert_eq!(rows[&2]["parts"], json!([]));
}

#[test]
fn a_failed_item_kills_the_record_or_is_none_as_each_says() {
    let answer = |request: &Seen, _: &[Seen]| {
        if request.target.ends_with("/2") {
            (404, "{}".to_owned())
        } else {
            (200, "{}".to_owned())
        }
    };
    for (each, code, counts) in [
        ("each: list", 3, [0, 1, 0, 0]),
        ("each: { over: list, on_error: keep }", 0, [1, 0, 0, 0]),
    ] {
        let server = Server::start(answer);
        let steps = format!("\n  parts: {{ {each}, api: 'GET /parts/{{{{ item }}}}' }}");
        let case = Case::new(
            &server.base(),
            &flow(&steps, "    id: id\n    parts: parts"),
        );
        case.write("in.jsonl", "{\"id\":1,\"list\":[1,2,3]}\n");
        assert_eq!(case.run(&[]).exits(code).counts(), counts, "{each}");
        if code == 0 {
            assert_eq!(rows(&case)[&1]["parts"], json!([{}, null, {}]));
        }
    }
}

#[test]
fn a_list_above_its_bound_kills_the_record_unsent() {
    let server = mirror();
    let steps = "\n  parts: { each: { over: list, max: 3 }, api: 'GET /parts/{{ item }}' }";
    let case = Case::new(&server.base(), &flow(steps, "    id: id"));
    case.write(
        "in.jsonl",
        "{\"id\":1,\"list\":[1,2,3,4]}\n{\"id\":2,\"list\":[1,2,3]}\n",
    );
    assert_eq!(case.run(&[]).exits(3).counts(), [1, 1, 0, 0]);
    assert_eq!(server.seen().len(), 3);
}

#[test]
fn otherwise_stands_in_for_a_step_that_fails_for_good() {
    let server = Server::start(|request, _| {
        if request.target == "/a/2" {
            (404, "no such".to_owned())
        } else {
            (200, "{\"v\":1}".to_owned())
        }
    });
    let steps = "\n  a: { api: 'GET /a/{{ id }}', otherwise: none }\n  b: { api: 'GET /b/{{ id }}', when: a is none }";
    let row = "    id: id\n    a: a\n    b: b\n    why: steps.a.error | default('')";
    let case = Case::new(&server.base(), &flow(steps, row)).rows(2);
    let end = case.run(&[]).exits(0).says("otherwise");
    assert_eq!(end.report("steps.a.otherwise"), 1);
    let rows = rows(&case);
    assert_eq!(
        (&rows[&1]["a"], &rows[&1]["b"]),
        (&json!({ "v": 1 }), &Value::Null)
    );
    assert_eq!(
        (&rows[&2]["a"], &rows[&2]["b"]),
        (&Value::Null, &json!({ "v": 1 }))
    );
    assert!(
        rows[&2]["why"].as_str().expect("a text").contains("404"),
        "{}",
        rows[&2]
    );
}

#[test]
fn a_status_can_be_a_success_and_be_asked_about() {
    let server = Server::start(|request, _| {
        (
            if request.target == "/a/2" { 404 } else { 200 },
            "{}".to_owned(),
        )
    });
    let steps = "\n  a: { api: 'GET /a/{{ id }}', classify: { ok: [404] } }";
    let row = "    id: id\n    valid: steps.a.status == 200";
    let case = Case::new(&server.base(), &flow(steps, row)).rows(2);
    case.run(&[]).exits(0);
    let rows = rows(&case);
    assert_eq!(
        (&rows[&1]["valid"], &rows[&2]["valid"]),
        (&json!(true), &json!(false))
    );
}

#[test]
fn a_body_keeps_the_types_of_its_values() {
    let server = mirror();
    let steps = "
  sent:
    api: POST /things
    body:
      id: '{{ id }}'
      text: 'number {{ id }}'
      fixed: [1, true, null, x]
      tags: '{{ tags }}'";
    let case = Case::new(&server.base(), &flow(steps, "    id: id"));
    case.write("in.jsonl", "{\"id\":1,\"tags\":[\"a\",{\"b\":null}]}\n");
    case.run(&[]).exits(0);
    let seen = server.seen();
    assert_eq!(
        (
            seen[0].method.as_str(),
            seen[0].headers["content-type"].as_str()
        ),
        ("POST", "application/json")
    );
    let body: Value = serde_json::from_str(&seen[0].body).expect("JSON");
    assert_eq!(
        body,
        json!({ "id": 1, "text": "number 1", "fixed": [1, true, null, "x"], "tags": ["a", { "b": null }] })
    );
}

#[test]
fn a_form_is_encoded_and_leaves_nulls_out() {
    let server = mirror();
    let steps =
        "\n  sent: { api: POST /things, form: { a: '{{ text }}', b: '{{ nothing }}', c: '3' } }";
    let case = Case::new(&server.base(), &flow(steps, "    id: id"));
    case.write(
        "in.jsonl",
        "{\"id\":1,\"text\":\"x&y=z ü\",\"nothing\":null}\n",
    );
    case.run(&[]).exits(0);
    let seen = server.seen();
    assert_eq!(
        seen[0].headers["content-type"],
        "application/x-www-form-urlencoded"
    );
    let body = seen[0].body.replace("%20", "+");
    assert_eq!(body, "a=x%26y%3Dz+%C3%BC&c=3");
}

/// Fails twice for each request of record 2. Failures without a success between them would be an outage.
fn reluctant() -> Server {
    Server::start(|request, before| {
        let same = |other: &&Seen| other.target == request.target && other.body == request.body;
        let is_tired = request.body.contains("\"id\":2") && before.iter().filter(same).count() < 2;
        (if is_tired { 500 } else { 200 }, "{}".to_owned())
    })
}

#[test]
fn an_idempotency_key_is_the_same_for_every_attempt_and_differs_by_record_step_and_item() {
    let server = reluctant();
    let steps = "
  one: { api: POST /one, body: { id: '{{ id }}' }, idempotent: true }
  two: { api: POST /two, body: { id: '{{ id }}' }, idempotent: true }
  many: { each: [1, 2], api: POST /many, body: { id: '{{ id }}', item: '{{ item }}' }, idempotent: true }";
    let case = Case::new(&server.base(), &flow(steps, "    id: id"));
    case.write("in.jsonl", "{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n");
    case.run(&[]).exits(0);
    let mut keys: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for request in server.seen() {
        let key = request.headers["idempotency-key"].clone();
        keys.entry((request.target, request.body))
            .or_default()
            .insert(key);
    }
    assert_eq!(keys.len(), 12);
    assert_eq!(
        server.seen().len(),
        12 + 8,
        "the calls of one record are repeated"
    );
    assert!(
        keys.values().all(|keys| keys.len() == 1),
        "one key a call: {keys:?}"
    );
    let different: BTreeSet<&String> = keys.values().flatten().collect();
    assert_eq!(different.len(), 12, "{keys:?}");
}

#[test]
fn an_idempotency_key_survives_a_kill_and_not_a_fresh_start() {
    let server = Server::start(|_, _| (200, "{}".to_owned()));
    let steps = "\n  one: { api: POST /one, body: { id: '{{ id }}' }, idempotent: true }";
    let case = Case::new(&server.base(), &flow(steps, "    id: id")).rows(3_000);
    let run = case.start_run(&[]);
    wait_until("some are asked", || server.seen().len() > 600);
    run.kill();
    case.run(&[]).exits(0);
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for request in server.seen() {
        keys.entry(request.body)
            .or_default()
            .insert(request.headers["idempotency-key"].clone());
    }
    assert!(keys.values().all(|keys| keys.len() == 1));
    case.run(&["--fresh", "--limit", "1"]).exits(0);
    let last = server.seen().pop().expect("one more");
    assert!(
        !keys[&last.body].contains(&last.headers["idempotency-key"]),
        "a fresh start asks anew"
    );
}

#[test]
fn a_post_that_may_have_been_done_is_not_repeated() {
    let server = Server::start(|_, _| (500, "{}".to_owned()));
    let case = Case::new(
        &server.base(),
        &flow(
            "\n  one: { api: POST /one, body: { id: '{{ id }}' } }",
            "    id: id",
        ),
    )
    .rows(3);
    assert_eq!(case.run(&[]).exits(3).counts(), [0, 3, 0, 0]);
    assert_eq!(server.seen().len(), 3);
    let dead = json_lines(&case.bytes("dead.jsonl"));
    assert!(
        dead.iter().all(|letter| letter["maybe_done"] == true),
        "{dead:?}"
    );
}

#[test]
fn an_undefined_name_in_a_row_kills_the_record_and_is_no_null() {
    let server = mirror();
    let case = Case::new(
        &server.base(),
        &flow("\n  a: { api: GET /a }", "    id: id\n    x: a.nosuch"),
    );
    case.write("in.jsonl", "{\"id\":1}\n");
    assert_eq!(case.run(&[]).exits(3).counts(), [0, 1, 0, 0]);
    let dead = json_lines(&case.bytes("dead.jsonl"));
    assert!(
        dead[0]["cause"]
            .as_str()
            .expect("a text")
            .contains("nosuch"),
        "{}",
        dead[0]
    );
}

#[test]
fn a_retried_record_pays_the_rate_and_keeps_within_in_flight() {
    let api = Api::builder()
        .seed(5)
        .unavailable(0.3)
        .spawn_thread()
        .expect("a local API");
    let flow = "
source: { jsonl: in.jsonl, key: id }
services: { api: { base: $API, in_flight: 5, rate: 200/s, retry: { times: 12, base: 5ms } } }
steps: { user: { api: 'GET /users/{{ id }}' } }
sink: { jsonl: out.jsonl, row: { id: id } }
";
    let case = Case::new(&api.base_url(), flow).rows(300);
    let end = case.run(&[]).exits(0);
    let stats = api.stats();
    assert!(stats.unavailable > 50);
    // Evenly spaced when they leave; on their way they come a little closer.
    assert!(
        stats.rate_max_1s <= 210,
        "{} in one second",
        stats.rate_max_1s
    );
    assert!(stats.open_max <= 5, "{} at once", stats.open_max);
    assert_eq!(end.count("services.api.requests"), stats.requests);
    assert_eq!(end.count("services.api.retries"), stats.unavailable);
}

#[test]
fn a_wide_fan_out_of_many_records_is_done_to_the_last_call() {
    let server = Server::start(|_, _| (200, "1".to_owned()));
    let steps = "
  first: { each: list, api: 'GET /first/{{ item }}' }
  second: { each: list, api: 'GET /second/{{ item }}' }";
    let case = Case::new(
        &server.base(),
        &flow(steps, "    id: id\n    n: first | length"),
    );
    let list: Vec<u64> = (0..40).collect();
    let records: String = (1..=300)
        .map(|id| format!("{{\"id\":{id},\"list\":{list:?}}}\n"))
        .collect();
    case.write("in.jsonl", records);
    assert_eq!(case.run(&[]).exits(0).counts(), [300, 0, 0, 0]);
    assert_eq!(server.seen().len(), 300 * 80);
}
