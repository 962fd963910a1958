//! A faulty flow file: exit 2, the place, a help, and no request.

use crate::support::Case;
use tidegate_test::Api;

/// A flow in which `«` stands before the fault, and what the message must say.
const FLOWS: &[(&str, &str)] = &[
    (
        "source: { jsonl: in.jsonl, «kye: id }",
        "did you mean `key`",
    ),
    (
        "source: { jsonl: in.jsonl, key: id }\nservices:\n  api: { base: $API, «rates: 100/s }",
        "rate",
    ),
    (
        "source: { jsonl: in.jsonl }\nservices: { api: { base: $API } }\nsteps:\n  user:\n    «apy: GET /users/{{ id }}",
        "no service `apy`",
    ),
    (
        "source: { jsonl: in.jsonl }\nservices: { api: { base: $API } }\nsteps:\n  a: { api: 'GET /users/{{ «b.id }}' }\n  b: { api: 'GET /users/{{ a.id }}' }",
        "wait",
    ),
    (
        "source: { jsonl: in.jsonl }\nservices: { api: { base: $API } }\nsteps:\n  user:\n    api: GET /users/{{ id | «nosuch }}",
        "nosuch",
    ),
    (
        "source: { jsonl: in.jsonl }\nservices: { api: { base: $API } }\nsteps:\n  user:\n    api: GET /users/«{{ id",
        "",
    ),
    (
        "source: { jsonl: in.jsonl }\nservices:\n  api:\n    base: $API\n    timeout: «2 parsecs",
        "2 parsecs",
    ),
    (
        "source: { jsonl: in.jsonl }\nservices:\n  api:\n    base: $API\n    rate: «fast",
        "100/s",
    ),
    (
        "source: { jsonl: in.jsonl }\nservices:\n  api:\n    base: $API\n    in_flight: «[1, 2]",
        "",
    ),
    ("source: { jsonl: in.jsonl }\nservices: «3", ""),
    (
        "source: { jsonl: in.jsonl }\nservices:\n  api:\n    base: $API\n    retry: «lots",
        "",
    ),
    ("source: «{ jsonl: in.jsonl\nservices: x", "never closes"),
    ("source: { jsonl: in.jsonl }\nservices:\n«\tapi: {}", ""),
    (
        "source: { jsonl: in.jsonl }\nservices:\n  api:\n    base: $API\n    headers:\n      X-Key: «{{ env.KEY }}",
        "quote",
    ),
    (
        "source: { jsonl: in.jsonl, key: id }\nsink:\n  jsonl: out.jsonl\n  row:\n    id: id\n    «id: id",
        "twice",
    ),
    ("source: { jsonl: in.jsonl, key: «id id }", ""),
];

#[test]
fn a_faulty_flow_ends_with_2_at_the_place_of_the_fault_and_asks_for_nothing() {
    let api = Api::builder().spawn_thread().expect("a local API");
    let mut wrong = Vec::new();
    for (flow, said) in FLOWS {
        let place = place(flow);
        let case = Case::new(&api.base_url(), &flow.replace('«', "")).rows(3);
        for command in ["check", "run"] {
            let end = case.tidegate(&[command, "flow.yaml"]);
            if end.code != Some(2) || !end.stderr.contains(&place) || !end.stderr.contains(said) {
                wrong.push(format!(
                    "{command}, wants {place} and `{said}`, exit {:?}:\n{flow}\n{}",
                    end.code, end.stderr
                ));
            }
        }
        assert!(
            !case.path("out.jsonl").exists() && !case.path(".tidegate").exists(),
            "a file was made:\n{flow}"
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert_eq!(api.stats().connections, 0);
}

/// `flow.yaml:LINE:COLUMN` of the mark.
fn place(flow: &str) -> String {
    let before = flow.split('«').next().expect("there is a first part");
    let line = before.lines().count() + usize::from(before.ends_with('\n'));
    let column = before
        .rsplit('\n')
        .next()
        .expect("there is a last part")
        .replace("$API", "http://127.0.0.1:65000")
        .chars()
        .count()
        + 1;
    format!("flow.yaml:{}:{column}", line.max(1))
}

#[test]
fn all_faults_of_a_file_are_told_at_once() {
    let flow = "source: { jsonl: in.jsonl, kye: id }\nservices:\n  api:\n    base: $API\n    rate: fast\n    timeout: long\n";
    let case = Case::new("http://127.0.0.1:9", flow);
    case.tidegate(&["check", "flow.yaml"])
        .exits(2)
        .says("flow.yaml:1:28")
        .says("flow.yaml:5:11")
        .says("flow.yaml:6:14");
}

#[test]
fn a_flow_that_is_not_there_and_one_that_is_no_text_are_refused() {
    let case = Case::new("", "");
    case.tidegate(&["run", "none.yaml"])
        .exits(2)
        .says("none.yaml");
    case.write("flow.yaml", b"source: \xff\xfe");
    case.tidegate(&["check", "flow.yaml"])
        .exits(2)
        .says("flow.yaml");
}

#[test]
fn an_unset_variable_of_the_environment_is_told_before_the_first_request() {
    let api = Api::builder().spawn_thread().expect("a local API");
    let flow = "
source: { jsonl: in.jsonl, key: id }
services:
  api:
    base: $API
    auth: { bearer: '{{ env.NOT_SET_ANYWHERE }}' }
steps: { user: { api: 'GET /users/{{ id }}' } }
";
    let case = Case::new(&api.base_url(), flow).rows(3);
    for command in ["check", "run"] {
        case.tidegate(&[command, "flow.yaml"])
            .exits(2)
            .says("NOT_SET_ANYWHERE")
            .says("flow.yaml:6:");
    }
    assert_eq!(api.stats().requests, 0);
}

#[test]
fn usage_that_is_wrong_ends_with_2() {
    let case = Case::new("", "");
    case.tidegate(&[]).exits(2).says("Usage");
    case.tidegate(&["run"]).exits(2).says("<FLOW>");
    case.tidegate(&["run", "flow.yaml", "--grace", "soon"])
        .exits(2)
        .says("10s");
}
