use crate::support::{faults, gallery, plan, with_steps};
use tidegate_runner::{
    expr::Tree,
    plan::{BodyPlan, CallPlan},
};

fn body(text: &str) -> Vec<(String, Tree)> {
    let plan = plan(&with_steps(&format!(
        "a:\n  api: POST /x\n  idempotent: true\n  body: {text}"
    )));
    let CallPlan::Http { body, .. } = plan
        .steps
        .into_iter()
        .next()
        .expect("there is one step")
        .call;
    match body {
        BodyPlan::Json(Tree::Map(entries)) => entries,
        other => panic!("{other:?}"),
    }
}

#[test]
fn scalars_are_what_they_look_like() {
    let texts = "{ a: NO, b: 012, c: 1_000, d: \"12:30\", e: yes, f: off, g: 0x1f, h: 1., i: +1, j: .5, k: True, l: NULL, m: '5' }";
    for (name, value) in body(texts) {
        assert!(matches!(value, Tree::Text(_)), "{name} is {value:?}");
    }
}

#[test]
fn only_json_has_numbers_booleans_and_null() {
    let entries = body("{ a: 5, b: -1.5e3, c: true, d: false, e: null, f: ~ }");
    let kinds: String = entries
        .iter()
        .map(|(_, value)| match value {
            Tree::Number(_) => 'n',
            Tree::Bool(_) => 'b',
            Tree::Null => '0',
            _ => '?',
        })
        .collect();
    assert_eq!(kinds, "nnbb00");
}

#[test]
fn an_integer_beyond_64_bits_stays_text() {
    let entries = body("{ a: 18446744073709551615, b: 18446744073709551616 }");
    assert!(matches!(&entries[0].1, Tree::Number(number) if number.as_u64() == Some(u64::MAX)));
    assert!(matches!(&entries[1].1, Tree::Text(_)));
}

#[test]
fn the_first_hour_of_yaml() {
    let source = "source: { jsonl: in.jsonl, key: id }\n";
    let service =
        |line: &str| format!("{source}services:\n  api:\n    base: https://x.example\n{line}\n");
    let flows = [
        service("    headers:\n      Authorization: {{ env.TOKEN }}"),
        service("    headers:\n      Authorization: {{ env.TOKEN }} x"),
        format!("{source}steps:\n  user: {{ api: GET /x/{{{{ id }}}} }}\n"),
        format!("{source}sink:\n  jsonl: o\n  row:\n    name: 'x' ~ y\n"),
        format!("{source}steps:\n  user:\n    api: GET /x?q=a: b\n"),
        format!("{source}steps:\n\tuser:\n"),
        format!("{source}name:\tx\n"),
        format!("{source}name: @x\n"),
        format!("{source}name: \"x\n"),
        format!("{source}steps:\n  a: 1\n  a: 2\n"),
        format!(
            "{source}services:\n  a: &x {{ base: http://x }}\n  b: *x\n  c: {{ <<: 1 }}\n  d: !!map {{}}\n"
        ),
        format!("{source}---\nsource: x\n"),
        String::new(),
        "# nothing\n".to_owned(),
        "- a\n".to_owned(),
        format!("{source}services: {{ a: {{ base: x\nsteps: 1\n"),
        format!("{source}records:\n  order: any\n    window: 5\n"),
        format!("{source}name: - x\n"),
        format!("{source}? [a]\n: b\n"),
        format!(
            "{source}steps:\n  a:\n    each: {{ over: user.friends | default([]), max: 50 }}\n"
        ),
        format!(
            "{source}steps:\n  a:\n    each: {{\n      over: b | default({{}}),\n      max: 50 }}\n"
        ),
        format!("{source}steps:\n  a:\n    each: {{ over: b['x'] | default(\"y\"), max: 50 }}\n"),
    ];
    insta::assert_snapshot!(gallery(
        &flows.iter().map(String::as_str).collect::<Vec<_>>()
    ));
}

/// A help that repeats the key of the line is a line to paste.
#[test]
fn a_help_can_be_pasted() {
    let flows = [
        "vars:\n  token: {{ env.TOKEN }}\nsource: { jsonl: in.jsonl, key: id }\n",
        "source: { jsonl: in.jsonl, key: id }\nsink:\n  jsonl: o.jsonl\n  row:\n    name: 'x' ~ y\n",
        "source: { jsonl: in.jsonl, key: id }\nname: a: b\n",
        "source: { jsonl: in.jsonl, key: id }\nname: @x\n",
        "source: { jsonl: in.jsonl, key: id }\nservices:\n  api:\n    base: http://x.example\n    timeout: 5\n",
        "source: { jsonl: in.jsonl, key: id }\nservices:\n  api:\n    base: http://x.example\n    classify:\n      ok: 404\n",
        "source: { jsonl: in.jsonl, key: \"id\" }\nsteps:\n  a:\n    each: { over: user.friends | default([]), max: 50 }\n",
    ];
    for text in flows {
        let faults = faults(text);
        let fault = faults.iter().next().expect("there is a fault");
        let at = fault.span().expect("it has a place").start;
        let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line = text[start..].lines().next().expect("there is a line");
        let indent = &line[..line.len() - line.trim_start().len()];
        let pasted = text.replacen(line, &format!("{indent}{}", fault.helps()[0]), 1);
        if let Err(left) = crate::support::load(&pasted) {
            assert!(
                left.iter().all(|left| left.message() != fault.message()),
                "{pasted}\n{left}"
            );
        }
    }
}

#[test]
fn a_byte_order_mark_moves_no_caret() {
    let text = "name: [x]\nsource: { jsonl: in.jsonl, key: id }\n";
    assert_eq!(
        faults(&format!("\u{feff}{text}")).to_string(),
        faults(text).to_string()
    );
}

#[test]
fn line_ends_of_windows_change_nothing() {
    use crate::support::EXAMPLE;
    let windows = EXAMPLE.replace('\n', "\r\n");
    assert_eq!(plan(&windows).meaning, plan(EXAMPLE).meaning);
    let broken = windows.replace("retry: 5", "retry: five");
    let fault = faults(&broken).iter().next().and_then(|fault| fault.span());
    assert_eq!(
        fault.map(|span| broken[span].to_owned()).as_deref(),
        Some("five")
    );
}

#[test]
fn json_is_a_flow_file_too() {
    let text = r#"{
  "source": { "jsonl": "users.jsonl", "key": "id" },
  "services": { "api": { "base": "https://api.example.com", "in_flight": 64, "rate": "100/s" } },
  "steps": { "user": { "api": "GET /users/{{ id }}", "when": true } },
  "sink": { "csv": "out.csv", "row": { "id": "id", "name": "user.name", "none": null } }
}"#;
    let plan = plan(text);
    assert_eq!(
        (plan.services[0].in_flight, plan.steps[0].name.as_str()),
        (64, "user")
    );
    let row = plan
        .sink
        .expect("there is a sink")
        .row
        .expect("there is a row");
    assert_eq!(row.columns[2].1.source(), "none");
}
