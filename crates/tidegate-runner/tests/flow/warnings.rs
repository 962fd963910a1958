use crate::support::{EXAMPLE, load, with_steps};

#[test]
fn what_should_be_said_but_stops_nothing() {
    let flows = [
        EXAMPLE.replace(", key: id", ""),
        EXAMPLE.replace("    rate: 100/s\n", ""),
        with_steps("a:\n  api: POST /x\n  body: '{\"a\": 1}'"),
        with_steps("a:\n  api: GET /x #frag"),
        with_steps("a:\n  api: GET /x # a comment"),
        "source: { jsonl: in.jsonl, key: id }\nservices:\n  api: { base: http://x.example, rate: 1/s }\n".to_owned(),
    ];
    let said: Vec<_> = flows
        .iter()
        .map(|text| {
            load(text)
                .map(|(_, warnings)| warnings.join("\n\n"))
                .unwrap_or_else(|faults| panic!("{faults}"))
        })
        .collect();
    insta::assert_snapshot!(said.join("\n\n----\n\n"));
}

/// A service with these lines, and this step besides one that is a GET.
fn flow(service: &str, more: &str) -> String {
    let service: String = service
        .lines()
        .map(|line| format!("    {line}\n"))
        .collect();
    format!(
        "\
source: {{ jsonl: in.jsonl, key: id }}
services:
  api:
    base: https://api.example.com
{service}steps:
  user:
    api: GET /users/{{{{ id }}}}
{more}"
    )
}

/// The warnings but for that the input is not there.
fn warnings(text: &str) -> Vec<String> {
    let (_, mut warnings) = load(text).unwrap_or_else(|faults| panic!("{faults}\n{text}"));
    warnings.retain(|warning| !warning.contains("no such file"));
    warnings
}

const NOTE: &str = "  note:\n    api: POST /notes\n";

/// Limits that never do what they are there for. With what to replace, as the help says, for nothing to be said.
fn useless() -> Vec<(String, &'static str, &'static str)> {
    let idempotent = (
        NOTE,
        "  note:\n    api: POST /notes\n    idempotent: true\n",
    );
    let only_note = flow(
        "rate: 10/s\nhedge: true",
        "  note:\n    api: POST /notes\n    idempotent: false\n",
    )
    .replace("  user:\n    api: GET /users/{{ id }}\n", "");
    let in_order = flow("rate: 10/s\nqueue: { limit: 8 }", "")
        .replace("services:", "records: { order: input }\nservices:");
    vec![
        (
            flow("rate: 10/s\nhedge: true", NOTE),
            idempotent.0,
            idempotent.1,
        ),
        (only_note, "hedge: true", "hedge: false"),
        (
            flow("rate: 10/s\nin_flight: 1\nhedge: true", ""),
            "in_flight: 1",
            "in_flight: 2",
        ),
        (
            flow("rate: 10/s\ntimeout: 2s\nhedge: { after: 2s }", ""),
            "after: 2s",
            "after: p95",
        ),
        (
            flow("rate: 10/s\ntimeout: 2s\nhedge: { min_delay: 2.5s }", ""),
            "min_delay: 2.5s",
            "min_delay: 1ms",
        ),
        (
            flow("rate: 1/s\nbreaker: { consecutive: false }", ""),
            "breaker: {",
            "breaker: { window: 20s,",
        ),
        (
            flow(
                "rate: 60/m\nbreaker: { min_calls: 40, consecutive: false }",
                "",
            ),
            "min_calls",
            "window: 40s, min_calls",
        ),
        (
            flow("rate: 1/s\nbreaker: { slow: { after: 5s } }", ""),
            "breaker: {",
            "breaker: { window: 20s,",
        ),
        (
            flow(
                "rate: 10/s\ntimeout: 5s\nbreaker: { slow: { after: 5s } }",
                "",
            ),
            "after: 5s",
            "after: 2500ms",
        ),
        (
            flow("rate: 10/s\npatience: 2s\nbreaker: true", ""),
            "patience: 2s",
            "patience: 120s",
        ),
        (
            flow("rate: 10/s\npatience: 100ms", ""),
            "patience: 100ms",
            "patience: 10m",
        ),
        (in_order, "limit: 8", "limit: 8, newest_first_after: false"),
    ]
}

#[test]
fn limits_that_never_do_anything() {
    let said = useless()
        .iter()
        .map(|(text, ..)| warnings(text).join("\n\n"))
        .collect::<Vec<_>>();
    insta::assert_snapshot!(said.join("\n\n----\n\n"));
}

#[test]
fn the_help_about_a_useless_limit_ends_the_warning() {
    for (text, from, to) in useless() {
        assert_eq!(warnings(&text).len(), 1, "{text}");
        let helped = text.replacen(from, to, 1);
        assert_ne!(helped, text);
        assert_eq!(warnings(&helped), Vec::<String>::new(), "{helped}");
    }
}

#[test]
fn nothing_is_said_about_limits_that_can_do_something() {
    let slow_step = "  slow:\n    api: GET /slow\n    timeout: 10s\n";
    let sent_once = "  note:\n    api: POST /notes\n    idempotent: false\n";
    for text in [
        flow("rate: 1/s\nbreaker: true", ""),
        flow("rate: 2/s\nbreaker: { consecutive: false }", ""),
        flow("rate: 1/s\nburst: 10\nbreaker: { consecutive: false }", ""),
        flow("rate: 10/s\ntimeout: 2s\nhedge: { after: 3s }", slow_step),
        flow(
            "rate: 10/s\ntimeout: 2s\nbreaker: { slow: { after: 3s } }",
            slow_step,
        ),
        flow("rate: 10/s\nhedge: true", sent_once),
        flow("rate: 10/s\nqueue: { limit: 8 }", ""),
    ] {
        assert_eq!(warnings(&text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn limits_without_measure_are_only_limits() {
    const AGES: &str = "200000000000000d";
    let breaker = format!(
        "breaker: {{ window: {AGES}, min_calls: 99999999999, open_for: {AGES}, open_cap: {AGES}, slow: {{ after: {AGES} }} }}"
    );
    let hedge = format!("hedge: {{ after: {AGES}, min_delay: {AGES}, burst: 99999999999 }}");
    let queue = format!("queue: {{ limit: 99999999999, newest_first_after: {AGES} }}");
    let text = flow(
        &format!("rate: 1000000000/s\nburst: 99999999999\n{breaker}\n{hedge}\n{queue}"),
        "",
    );
    // No open breaker is probed, nothing is slow, no hedge leaves.
    assert_eq!(warnings(&text).len(), 3);
}

#[test]
fn a_deadline_that_no_attempt_fits_into_is_a_fault_whatever_the_repeats() {
    for limits in [
        "retry: 0\ntimeout: 5s",
        "retry: { times: 2, base: 1m, cap: 2m }\ntimeout: 2s",
    ] {
        let text = flow(&format!("rate: 10/s\n{limits}"), "")
            .replace("services:", "records: { deadline: 4s }\nservices:");
        let faults = crate::support::faults(&text);
        let message = faults.iter().next().map(|fault| fault.message().to_owned());
        let expected = "the deadline ends before the attempts of `user` can";
        assert_eq!(message.as_deref(), Some(expected));
    }
}
