use crate::support::{EXAMPLE, faults, load_at, plan, with_steps};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tidegate::policy::{Breaker, Hedge, HedgeAfter, Queue, Slow};
use tidegate_runner::plan::{
    BodyPlan, CallPlan, Duplicates, Identity, Order, Rerun, SinkTarget, SourceKind, TableVerb,
};

#[test]
fn the_example_becomes_a_plan() {
    let plan = plan(EXAMPLE);
    assert!(
        matches!(&plan.source.kind, SourceKind::Jsonl { path: Some(path) } if path == Path::new("users.jsonl"))
    );
    assert!(matches!(&plan.source.key, Identity::Key(key) if key.source() == "id"));
    let api = &plan.services[0];
    assert_eq!(
        (api.name.as_str(), api.in_flight, api.retry),
        ("api", 64, 5)
    );
    assert_eq!(
        (api.rate, api.rate_text.as_deref()),
        (Some(100.0), Some("100/s"))
    );
    assert_eq!(api.timeout, Duration::from_secs(2));
    assert_eq!(
        api.base.as_ref().map(ToString::to_string).as_deref(),
        Some("https://api.example.com/")
    );
    let steps: Vec<_> = plan
        .steps
        .iter()
        .map(|step| (step.name.as_str(), step.shown.as_str(), step.needs.len()))
        .collect();
    assert_eq!(
        steps,
        [
            ("user", "GET /users/{{ id }}", 0),
            ("orders", "GET /orders/{{ id }}", 0)
        ]
    );
    let sink = plan.sink.expect("there is a sink");
    let key = vec!["id".to_owned()];
    assert!(
        matches!(&sink.target, SinkTarget::Sqlite { path, table, verb, create: false }
        if path == Path::new("out.db") && table == "users" && *verb == TableVerb::Upsert(key))
    );
    let columns: Vec<_> = sink
        .row
        .expect("there is a row")
        .columns
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(columns, ["id", "name", "orders", "total"]);
    assert_eq!(
        plan.dead_letter.map(|dead| dead.path),
        Some(PathBuf::from("dead.jsonl"))
    );
}

#[test]
fn what_is_not_said_has_the_documented_default() {
    let plan = plan(&with_steps("user:\n  api: GET /users/{{ id }}"));
    let api = &plan.services[0];
    assert_eq!(
        (
            api.in_flight,
            api.burst,
            api.retry,
            api.redirects,
            api.max_body
        ),
        (16, 1, 4, 5, 10_000_000)
    );
    assert_eq!(api.timeout, Duration::from_secs(30));
    assert_eq!(api.patience, Duration::from_secs(600));
    assert!(api.breaker.is_none() && api.hedge.is_none() && api.queue.is_none());
    assert_eq!(
        (api.retry_base, api.retry_cap),
        (Duration::from_millis(50), Duration::from_secs(20))
    );
    assert_eq!(
        (
            plan.records.in_flight,
            plan.records.memory,
            plan.records.window
        ),
        (256, 16 << 20, 1024)
    );
    assert_eq!(
        (plan.records.order, plan.records.deadline),
        (Order::Any, None)
    );
    assert_eq!(
        (plan.source.duplicates, plan.source.max_record),
        (Duplicates::Run, 1 << 20)
    );
    assert_eq!(plan.rerun, Rerun::New);
    let step = &plan.steps[0];
    assert!(
        step.idempotent
            && step.timeout.is_none()
            && step.each.is_none()
            && step.otherwise.is_none()
    );
    assert!(plan.sink.is_none() && plan.dead_letter.is_none());
}

/// The plan of a service with these entries.
fn service_with(entries: &str) -> tidegate_runner::plan::ServicePlan {
    let rate = "rate: 10/s";
    let text = with_steps("a:\n  api: GET /x").replacen(rate, &format!("{rate}, {entries}"), 1);
    plan(&text).services.remove(0)
}

#[test]
fn a_stage_that_is_true_has_the_defaults_of_the_library() {
    let api = service_with("breaker: true, hedge: true, queue: true");
    assert_eq!(api.breaker, Some(Breaker::default()));
    assert_eq!(api.hedge, Some(Hedge::default()));
    assert_eq!(api.queue, Some(Queue::default()));
}

#[test]
fn a_stage_that_is_an_empty_map_is_on_and_one_that_is_false_is_off() {
    let api = service_with("breaker: {}, hedge: {}, queue: {}");
    assert!(api.breaker.is_some() && api.hedge.is_some() && api.queue.is_some());
    let api = service_with("breaker: false, hedge: false, queue: false");
    assert!(api.breaker.is_none() && api.hedge.is_none() && api.queue.is_none());
}

#[test]
fn what_is_said_of_a_stage_becomes_its_rules() {
    let api = service_with(
        "breaker: { window: 30s, min_calls: 5, failure_ratio: 29%, slow: { after: 1.5s }, consecutive: false, open_for: 1s, open_cap: 2m, probes: 3 }, \
         hedge: { after: p99.9, min_delay: 20ms, min_samples: 1, budget: 0.1%, burst: 3 }, \
         queue: { limit: 8, newest_first_after: false }",
    );
    let breaker = Breaker {
        window: Duration::from_secs(30),
        min_calls: 5,
        failure_ratio: 0.29,
        slow: Some(Slow {
            after: Duration::from_millis(1_500),
            ratio: 0.5,
        }),
        consecutive: None,
        open_for: Duration::from_secs(1),
        open_cap: Duration::from_secs(120),
        probes: 3,
    };
    assert_eq!(api.breaker, Some(breaker));
    let hedge = Hedge {
        after: HedgeAfter::Quantile(0.999),
        min_delay: Duration::from_millis(20),
        min_samples: 1,
        tokens: 3,
        earned_per_mille: 1,
    };
    assert_eq!(api.hedge, Some(hedge));
    assert_eq!(api.queue, Some(Queue::bounded(8).oldest_first()));

    let api = service_with("hedge: { after: 150ms }");
    let after = api.hedge.map(|hedge| hedge.after);
    assert_eq!(after, Some(HedgeAfter::Fixed(Duration::from_millis(150))));
}

#[test]
fn only_methods_that_http_calls_idempotent_are() {
    for (method, idempotent) in [
        ("GET", true),
        ("HEAD", true),
        ("PUT", true),
        ("DELETE", true),
        ("OPTIONS", true),
        ("POST", false),
        ("PATCH", false),
    ] {
        let plan = plan(&with_steps(&format!("a:\n  api: {method} /x")));
        assert_eq!(plan.steps[0].idempotent, idempotent, "{method}");
    }
    assert!(plan(&with_steps("a:\n  api: POST /x\n  idempotent: true")).steps[0].idempotent);
}

#[test]
fn steps_may_be_absent() {
    let plan =
        plan("source: { jsonl: in.jsonl, key: id }\nsink: { csv: out.csv, row: { id: id } }\n");
    assert!(plan.steps.is_empty() && plan.services.is_empty());
}

#[test]
fn paths_are_relative_to_the_flow_file_and_a_dash_is_a_stream() {
    let text = "source: { jsonl: \"-\", key: id }\nsink: { jsonl: out/x.jsonl }\n";
    let (plan, _) = load_at(text, Path::new("jobs/nightly.yaml"), &[]).expect("the flow is right");
    assert!(matches!(plan.source.kind, SourceKind::Jsonl { path: None }));
    let sink = plan.sink.expect("there is a sink");
    assert!(
        matches!(&sink.target, SinkTarget::Jsonl { path: Some(path), append: false } if path == Path::new("jobs/out/x.jsonl"))
    );
}

#[test]
fn variables_are_set_by_their_declared_type() {
    let text = "vars: { day: \"2026-11-22\", most: 5 }\nsource: { jsonl: \"{{ vars.day }}.jsonl\", key: id }\n";
    let sets = [("day", "2026-11-23"), ("most", "7")];
    let (plan, _) = load_at(text, Path::new("x.yaml"), &sets).expect("the flow is right");
    assert_eq!(plan.vars["most"].to_string(), "7");
    assert!(plan.vars["most"].is_number());
    assert!(
        matches!(&plan.source.kind, SourceKind::Jsonl { path: Some(path) } if path == Path::new("2026-11-23.jsonl"))
    );
}

#[test]
fn a_variable_that_is_not_declared_cannot_be_set() {
    let text = "vars: { day: x, most: 5 }\nsource: { jsonl: in.jsonl, key: id }\n";
    let sets = [("dya", "1"), ("most", "many")];
    let Err(faults) = load_at(text, Path::new("x.yaml"), &sets) else {
        panic!("the sets are wrong")
    };
    insta::assert_snapshot!(faults);
}

#[test]
fn the_environment_is_collected_by_name() {
    let text = with_steps(
        "a:\n  api: GET /x\n  headers: { X: \"{{ env.TOKEN }}\", Y: \"{{ env.GONE | default('y') }}\" }",
    );
    let plan = plan(&text);
    assert_eq!(plan.env.keys().collect::<Vec<_>>(), ["TOKEN"]);
    assert_eq!(plan.env["TOKEN"], "s3cret-token");
}

#[test]
fn a_base_may_come_from_the_environment() {
    let plan = plan(
        "source: { jsonl: in.jsonl, key: id }\nservices:\n  api: { base: \"{{ env.API_URL }}\" }\n",
    );
    assert_eq!(
        plan.services[0]
            .base
            .as_ref()
            .map(ToString::to_string)
            .as_deref(),
        Some("https://env.example.com/v2")
    );
}

#[test]
fn a_basic_pair_is_kept_where_secrets_are_redacted() {
    let text = "source: { jsonl: in.jsonl, key: id }\nservices:\n  api:\n    base: https://x.example\n    auth: { basic: { user: ann, password: \"{{ env.TOKEN }}\" } }\n";
    let plan = plan(text);
    assert_eq!(plan.services[0].headers[0].0, "authorization");
    assert!(
        plan.env
            .values()
            .any(|value| value == "YW5uOnMzY3JldC10b2tlbg=="),
        "{:?}",
        plan.env.keys()
    );
}

#[test]
fn a_null_leaves_an_entry_out_and_a_number_is_text() {
    let plan = plan(&with_steps(
        "a:\n  api: POST /x\n  query: { limit: 100, page: null, on: NO }\n  form: { a: true }\n  idempotent: true",
    ));
    let CallPlan::Http { query, body, .. } = &plan.steps[0].call;
    assert_eq!(
        query
            .iter()
            .map(|(name, _)| name.as_str())
            .collect::<Vec<_>>(),
        ["limit", "on"]
    );
    assert!(matches!(body, BodyPlan::Form(entries) if entries.len() == 1));
}

#[test]
fn a_broken_value_does_not_hide_the_faults_behind_it() {
    let text = "source: { jsonl: in.jsonl, key: id }\nservices:\n  api: { base: https://x.example, timeout: 5, rate: fast }\nsteps:\n  a:\n    apj: GET /x\nsink: { csv: out.csv, colour: red }\n";
    assert_eq!(faults(text).len(), 4);
}
