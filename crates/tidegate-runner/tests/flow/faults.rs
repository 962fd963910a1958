use crate::support::{EXAMPLE, faults, gallery, plan, with_steps};
use tidegate_runner::{
    flow::{Fault, Look},
    plan::MAX_STEPS,
};

/// Flows that differ from the example by one replaced part.
fn changed(changes: &[(&str, &str)]) -> Vec<String> {
    changes
        .iter()
        .map(|(from, to)| {
            assert!(EXAMPLE.contains(from), "{from}");
            EXAMPLE.replacen(from, to, 1)
        })
        .collect()
}

fn shown(flows: &[String]) -> String {
    gallery(&flows.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn keys() {
    let flows = changed(&[
        ("in_flight: 64", "inflight: 64"),
        ("in_flight: 64", "colour: red"),
        ("in_flight: 64", "per: { key: tenant }"),
        ("  orders: ", "  orders:\n    remember: true\n#"),
        ("  upsert", "  each: orders\n  upsert"),
        ("source: {", "source: { api: GET /x }\nsink_: {"),
        ("dead_letter:", "dead_leter:"),
        (
            "jsonl: users.jsonl, key: id",
            "jsonl: users.jsonl, key: id, delimiter: \";\"",
        ),
        ("sqlite: out.db", "csv: out.csv"),
        ("  upsert: users(id)\n", ""),
        ("upsert: users(id)", "upsert: users"),
        ("upsert: users(id)", "insert: users(id)"),
        ("upsert: users(id)", "upsert: users(uid)"),
        ("source: {", "version: 2\nsource: {"),
        ("source: { jsonl: users.jsonl, key: id }", "name: x"),
    ]);
    insta::assert_snapshot!(shown(&flows));
}

#[test]
fn values() {
    let flows = changed(&[
        ("timeout: 2s", "timeout: 2"),
        ("timeout: 2s", "timeout: soon"),
        ("timeout: 2s", "timeout: 0s"),
        ("timeout: 2s", "timeout: [2s]"),
        ("rate: 100/s", "rate: 100"),
        ("rate: 100/s", "rate: [100/s, 5000/h]"),
        ("rate: 100/s", "rate: 200000 tokens/m"),
        ("rate: 100/s", "rate: 100/run"),
        ("rate: 100/s", "max_body: 10"),
        ("in_flight: 64", "in_flight: 0"),
        ("in_flight: 64", "in_flight: many"),
        ("in_flight: 64", "in_flight:"),
        ("retry: 5", "retry: { times: 5, base: 1m, cap: 1s }"),
        ("retry: 5", "auth: { oauth2: { token_url: x } }"),
        ("retry: 5", "auth: { basic: { user: x } }"),
        ("retry: 5", "headers: { Host: x, \"a b\": c }"),
        ("retry: 5", "allow: [\"http://x/y\"]"),
        ("https://api.example.com", "api.example.com"),
        ("https://api.example.com", "https://u:p@api.example.com"),
        ("    base: https://api.example.com\n", ""),
        (
            "retry: 5",
            "classify: { ok: 404, fatal: [4], stop: boddy.x, throttled: user.id }",
        ),
        ("source: {", "rerun: sometimes\nsource: {"),
        ("source: {", "records: { deadline: 1s }\nsource: {"),
        ("users.jsonl", "dead.jsonl"),
        ("jsonl: dead.jsonl", "jsonl: \"-\""),
    ]);
    insta::assert_snapshot!(shown(&flows));
}

#[test]
fn stages_of_a_service() {
    let flows = changed(&[
        ("retry: 5", "breaker: yes"),
        ("retry: 5", "breaker: fast"),
        ("retry: 5", "breaker: [1]"),
        ("retry: 5", "breaker:"),
        ("retry: 5", "breaker: { failures: 5 }"),
        ("retry: 5", "breaker: { failure_ratio: 0.3 }"),
        ("retry: 5", "breaker: { failure_ratio: 120% }"),
        ("retry: 5", "breaker: { failure_ratio: [30%] }"),
        ("retry: 5", "breaker: { window: 0s }"),
        ("retry: 5", "breaker: { consecutive: none, probes: 0 }"),
        ("retry: 5", "breaker: { slow: 5s }"),
        ("retry: 5", "breaker: { slow: { ratio: 50% } }"),
        ("retry: 5", "breaker: { slow: { after: 0s } }"),
        ("retry: 5", "breaker: { open_for: 2m }"),
        ("retry: 5", "hedge: p95"),
        ("retry: 5", "hedge: { after: 95% }"),
        ("retry: 5", "hedge: { after: 150 }"),
        ("retry: 5", "hedge: { after: p100 }"),
        ("retry: 5", "hedge: { after: 0s }"),
        ("retry: 5", "hedge: { budget: 0.25% }"),
        ("retry: 5", "hedge: { budget: 5 }"),
        ("retry: 5", "hedge: { burst: 0 }"),
        ("retry: 5", "queue: 8"),
        ("retry: 5", "queue: { limit: 0 }"),
        ("retry: 5", "queue: { newest_first_after: none }"),
    ]);
    insta::assert_snapshot!(shown(&flows));
}

#[test]
fn names() {
    let flows = changed(&[
        ("  api:\n    base", "  body:\n    base"),
        ("  api:\n    base", "  save:\n    base"),
        ("  user:", "  record:"),
        ("  user:", "  in:"),
        ("  user:", "  my user:"),
        ("api: GET /users", "apii: GET /users"),
        ("api: GET /users", "geo: GET /users"),
        ("api: GET /users", "api: get /users"),
        ("api: GET /users", "api: FETCH /users"),
        ("api: GET /users/{{ id }}", "api: /users/{{ id }}"),
        ("    api: GET /users/{{ id }}\n", "    query: { a: b }\n"),
        (
            "  user:\n    api: GET /users/{{ id }}\n",
            "  user:\n    after: [order]\n    api: GET /users/{{ id }}\n",
        ),
        ("source: {", "vars: { a-b: 1 }\nsource: {"),
    ]);
    insta::assert_snapshot!(shown(&flows));
}

#[test]
fn calls() {
    let flows = [
        with_steps("a:\n  api: GET https://files.example.com/x"),
        with_steps("a:\n  api: GET users"),
        with_steps("a:\n  api: POST /x\n  body: x\n  form: { a: b }"),
        with_steps("a:\n  api: GET /x\n  also: GET /y"),
        with_steps("a:\n  api: [GET /x]"),
        with_steps("a:\n  api: GET /x\n  each: { on_error: keep }"),
        with_steps("a:\n  api: GET /x\n  idempotent: yes"),
        with_steps("a:\n  api: GET /x\n  headers: { A: 1, a: 2 }"),
    ];
    insta::assert_snapshot!(shown(&flows));
}

#[test]
fn a_flow_has_at_most_64_steps() {
    let steps = |count: usize| {
        let steps: String = (0..count)
            .map(|step| format!("s{step}:\n  api: GET /{step}\n"))
            .collect();
        with_steps(&steps)
    };
    assert_eq!(plan(&steps(MAX_STEPS)).steps.len(), 64);
    let text = steps(MAX_STEPS + 1);
    let faults = faults(&text);
    let fault = faults.iter().next().expect("there is a fault");
    assert_eq!(
        fault.message(),
        "a flow has at most 64 steps, this one has 65"
    );
    assert_eq!(&text[fault.span().expect("it has a place")], "s64");
}

#[test]
fn a_placeholder_is_a_fault_anywhere_in_vars() {
    let vars = |vars: &str| format!("source: {{ jsonl: in.jsonl, key: id }}\nvars: {vars}\n");
    for text in [
        "{ a: \"{{ env.TOKEN }}\" }",
        "{ a: [x, \"{{ env.TOKEN }}\"] }",
        "{ a: { b: [{ c: \"{{ env.TOKEN }}\" }] } }",
    ] {
        let faults = faults(&vars(text));
        let messages: Vec<_> = faults.iter().map(Fault::message).collect();
        assert_eq!(
            messages,
            ["expected a value without placeholders, found a text"],
            "{text}"
        );
    }
}

#[test]
fn a_key_that_is_the_same_for_every_record_is_a_fault() {
    let source = |key: &str| format!("source: {{ jsonl: in.jsonl, key: {key} }}\n");
    for key in ["\"'id'\"", "1", "[1, run.id]", "vars.day"] {
        let text = format!("vars: {{ day: 1 }}\n{}", source(key));
        let faults = faults(&text);
        assert_eq!(faults.len(), 1, "{faults}");
        let message = faults.iter().next().map(Fault::message);
        assert_eq!(
            message,
            Some("the key is the same for every record"),
            "{key}"
        );
    }
    for key in ["id", "[\"'eu'\", id]", "record | tojson"] {
        plan(&source(key));
    }
}

#[test]
fn a_url_from_data_may_go_to_the_host_of_base_without_allow() {
    let plan = plan(&with_steps("a:\n  api: GET {{ next | url }}"));
    assert!(plan.services[0].allow.is_empty());
    let without_base = with_steps("a:\n  api: GET {{ next | url }}")
        .replace("base: \"https://api.example.com\", ", "");
    let faults = faults(&without_base);
    let message = faults.iter().next().map(Fault::message);
    assert_eq!(
        message,
        Some("the service `api` has neither `base` nor `allow`")
    );
}

#[test]
fn all_faults_are_shown_in_the_order_of_the_file() {
    let text = EXAMPLE
        .replace("rate: 100/s", "rate: fast")
        .replace("key: id", "keys: id")
        .replace("name: user.name", "name: usr..name");
    insta::assert_snapshot!(faults(&text));
}

#[test]
fn a_secret_is_in_no_fault() {
    let text =
        "source: { jsonl: in.jsonl, key: id }\nservices:\n  api: { base: \"{{ env.TOKEN }}\" }\n";
    let shown = faults(text).to_string();
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn colour_is_only_where_it_is_asked_for() {
    let faults = faults("name: [x]\n");
    assert!(!faults.render(Look::Plain).contains('\u{1b}'));
    assert!(faults.render(Look::Colored).contains('\u{1b}'));
}
