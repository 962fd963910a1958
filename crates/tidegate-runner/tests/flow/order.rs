use crate::support::{faults, gallery, plan, with_steps};

fn order(steps: &str) -> Vec<(String, Vec<usize>)> {
    plan(&with_steps(steps))
        .steps
        .into_iter()
        .map(|step| (step.name, step.needs))
        .collect()
}

fn named(expected: &[(&str, &[usize])]) -> Vec<(String, Vec<usize>)> {
    expected
        .iter()
        .map(|(name, needs)| ((*name).to_owned(), needs.to_vec()))
        .collect()
}

#[test]
fn a_step_waits_for_what_it_mentions_wherever_it_stands() {
    let steps = "\
last:
  api: GET /x/{{ record.id }}
  when: mid.ok
mid:
  api: GET /x
  query: { a: \"{{ steps.first.status }}\" }
first:
  api: GET /x
free:
  api: GET /x";
    assert_eq!(
        order(steps),
        named(&[("first", &[]), ("mid", &[0]), ("last", &[1]), ("free", &[])])
    );
}

#[test]
fn after_forces_an_order() {
    let steps = "a:\n  api: GET /x\n  after: b\nb:\n  api: GET /x";
    assert_eq!(order(steps), named(&[("b", &[]), ("a", &[0])]));
}

#[test]
fn every_part_of_a_step_can_mention() {
    for part in [
        "headers: { A: \"{{ b.x }}\" }",
        "body: { a: [\"{{ b.x }}\"] }",
        "form: { a: \"{{ b.x }}\" }",
        "each: b.list",
        "otherwise: b",
        "when: b.ok",
    ] {
        let steps = format!("a:\n  api: POST /x\n  idempotent: true\n  {part}\nb:\n  api: GET /x");
        assert_eq!(order(&steps), named(&[("b", &[]), ("a", &[0])]), "{part}");
    }
}

#[test]
fn a_field_called_like_a_step_is_no_mention() {
    assert_eq!(
        order("a:\n  api: GET /x/{{ record.b }}\nb:\n  api: GET /x/{{ a.b }}"),
        named(&[("a", &[]), ("b", &[0])])
    );
}

#[test]
fn a_circle_is_named() {
    let flows = [
        with_steps(
            "a:\n  api: GET /{{ b.id }}\nb:\n  api: GET /{{ c.id }}\nc:\n  api: GET /x\n  after: a\nd:\n  api: GET /{{ a }}",
        ),
        with_steps("a:\n  api: GET /{{ a.id }}"),
    ];
    insta::assert_snapshot!(gallery(
        &flows.iter().map(String::as_str).collect::<Vec<_>>()
    ));
    assert_eq!(faults(&flows[0]).len(), 1);
}
