use crate::support::{EXAMPLE, faults, gallery, plan, with_steps};
use tidegate_runner::plan::{BodyPlan, CallPlan, Match};

fn row(row: &str) -> String {
    format!("source: {{ jsonl: in.jsonl, key: id }}\nsink: {{ jsonl: out.jsonl, row: {row} }}\n")
}

#[test]
fn maps_and_lists_hold_more_expressions() {
    let plan = plan(&row(
        "{ id: id, pair: [a.x, 5], more: { \"k\\\"1\": b | length, none: null, yes: true } }",
    ));
    let columns = plan
        .sink
        .expect("there is a sink")
        .row
        .expect("there is a row")
        .columns;
    let sources: Vec<_> = columns.iter().map(|(_, expr)| expr.source()).collect();
    assert_eq!(
        sources,
        [
            "id",
            "[(a.x), (5)]",
            r#"{"k\"1": (b | length), "none": (none), "yes": (true)}"#
        ]
    );
}

#[test]
fn a_call_carries_its_parts() {
    let plan = plan(&with_steps(
        "a:\n  api: POST /x/{{ id }}?v=1\n  query: { q: \"{{ name }}\" }\n  headers: { X-Sig: \"{{ request.body }}\" }\n  body: { id: \"{{ id }}\", n: 5 }\n  each: { over: items, on_error: keep, max: 7 }\n  when: id > 3\n  otherwise: { failed: true }\n  classify: { ok: [404], stop: body.error == 'quota' }\n  idempotent: true\n  timeout: 5s",
    ));
    let step = &plan.steps[0];
    let each = step.each.as_ref().expect("it has `each`");
    assert_eq!(
        (each.over.source(), each.max, each.keep_errors),
        ("items", 7, true)
    );
    assert_eq!(
        step.otherwise.as_ref().map(|expr| expr.source()),
        Some(r#"{"failed": (true)}"#)
    );
    let classify = step.classify.as_ref().expect("it has `classify`");
    assert!(matches!(&classify.ok, Some(Match::Status(statuses)) if statuses == &[404]));
    assert!(matches!(&classify.stop, Some(Match::When(_))));
    let CallPlan::Http { body, headers, .. } = &step.call;
    assert!(matches!(body, BodyPlan::Json(_)));
    assert_eq!(headers.len(), 1);
}

#[test]
fn an_item_is_within_reach_of_a_step_with_each() {
    plan(&with_steps(
        "a:\n  each: items\n  api: GET /x/{{ item }}?n={{ index }}\n  headers: { A: \"{{ item }}\" }",
    ));
}

#[test]
fn faults_of_expressions_have_their_place() {
    let source = "source: { jsonl: in.jsonl, key: id }\n";
    let flows = [
        EXAMPLE.replace("name: user.name", "name: \"{{ user.name }}\""),
        EXAMPLE.replace("name: user.name", "name: user.name | uper"),
        EXAMPLE.replace("name: user.name", "name: \"'a' ~ \\\"b\\\" ~ nope(1)\""),
        EXAMPLE.replace("name: user.name", "name: 'x | nope(''a'')'"),
        EXAMPLE.replace("name: user.name", "name: |\n      user.name\n      | uper"),
        EXAMPLE.replace("name: user.name", "name: steps.usr.status"),
        EXAMPLE.replace("name: user.name", "name: item"),
        EXAMPLE.replace("name: user.name", "name: message.id"),
        EXAMPLE.replace("name: user.name", "name: vars.day"),
        EXAMPLE.replace("name: user.name", "name:"),
        EXAMPLE.replace("key: id", "key: user.id"),
        EXAMPLE.replace("key: id", "key: id, where: steps.user.status == 200"),
        with_steps("a:\n  api: GET /x/{{ env.GONE }}/{{ id }}"),
        with_steps("a:\n  api: GET /x/{{ env['GONE'] }}"),
        with_steps("a:\n  api: GET /x/{{ id"),
        with_steps("a:\n  api: GET /x/{% if id %}"),
        with_steps("a:\n  api: GET /x/{{ item.id }}"),
        format!("{source}services:\n  api:\n    base: \"https://{{{{ id }}}}.example\"\n"),
        format!(
            "{source}services:\n  api:\n    base: \"https://x.example\"\n    auth: {{ bearer: \"{{{{ env.GONE }}}}\" }}\n    headers: {{ A: \"{{{{ env.GONE }}}}\" }}\n"
        ),
        "source: { csv: later.csv, key: id, where: age > 18 }\n".to_owned(),
    ];
    insta::assert_snapshot!(gallery(
        &flows.iter().map(String::as_str).collect::<Vec<_>>()
    ));
}

#[test]
fn a_variable_that_is_not_set_is_one_fault() {
    let text = with_steps("a:\n  api: GET /x/{{ env.GONE }}\n  query: { b: \"{{ env.GONE }}\" }");
    assert_eq!(faults(&text).len(), 1);
}
