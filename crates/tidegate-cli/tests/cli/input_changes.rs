//! An input that changes between two runs: what was finished is not asked again.

use crate::support::{Case, json_lines, numbered};
use std::collections::BTreeMap;
use tidegate_test::Api;

const FLOW: &str = "
source: { jsonl: in.jsonl, key: id }
services: { api: { base: $API } }
steps: { user: { api: 'GET /users/{{ id }}' } }
sink: { jsonl: out.jsonl, row: { id: id, note: record.note | default('') } }
";

const MATCHED: &str = "matched by their key";

fn api() -> Api {
    Api::builder()
        .remember(true)
        .spawn_thread()
        .expect("a local API")
}

/// How often each id was asked for.
fn asked(api: &Api) -> BTreeMap<u64, u64> {
    let id = |path: String| {
        path.rsplit('/')
            .next()
            .expect("a segment")
            .parse()
            .expect("an id")
    };
    api.paths()
        .into_iter()
        .map(|(path, times)| (id(path), times))
        .collect()
}

fn once(ids: impl IntoIterator<Item = u64>) -> BTreeMap<u64, u64> {
    ids.into_iter().map(|id| (id, 1)).collect()
}

fn written(case: &Case) -> Vec<u64> {
    numbered(&json_lines(&case.bytes("out.jsonl")))
}

#[test]
fn a_finished_run_has_nothing_to_do_a_second_time() {
    let api = api();
    let case = Case::new(&api.base_url(), FLOW).rows(300);
    case.run(&[]).exits(0);
    let again = case.run(&[]).exits(0);
    assert_eq!(again.report("outcome"), "nothing_new");
    assert_eq!(again.counts(), [0, 0, 300, 0]);
    assert_eq!(asked(&api), once(1..=300));
}

#[test]
fn an_appended_file_goes_on_by_position() {
    let api = api();
    let case = Case::new(&api.base_url(), FLOW).rows(300);
    case.run(&[]).exits(0);
    case.append("in.jsonl", "{\"id\":301}\n{\"id\":302}\n");
    let again = case.run(&[]).exits(0).does_not_say(MATCHED);
    assert_eq!(again.counts(), [2, 0, 300, 0]);
    assert_eq!(asked(&api), once(1..=302));
    assert_eq!(written(&case), (1..=302).collect::<Vec<_>>());
}

#[test]
fn removed_and_reordered_rows_are_matched_by_their_key() {
    let api = api();
    let case = Case::new(&api.base_url(), FLOW).rows(300);
    case.run(&[]).exits(0);
    case.records((1..=310).rev().filter(|id| id % 7 != 0));
    let again = case.run(&[]).exits(0).says(MATCHED);
    let new = (301..=310).filter(|id| id % 7 != 0);
    assert_eq!(again.count("done"), new.clone().count() as u64);
    assert_eq!(asked(&api), once((1..=300).chain(new)));
}

#[test]
fn an_interrupted_run_goes_on_by_key_when_its_input_is_edited() {
    let api = api();
    let case = Case::new(&api.base_url(), FLOW).rows(300);
    case.run(&["--limit", "100"]).exits(0);
    case.records((1..=300).rev());
    let again = case.run(&[]).exits(0).says(MATCHED);
    assert_eq!(again.counts(), [200, 0, 100, 0]);
    assert_eq!(asked(&api), once(1..=300));
    assert_eq!(written(&case), (1..=300).collect::<Vec<_>>());
}

#[test]
fn an_edited_row_with_its_old_key_is_finished_and_with_a_new_key_is_new() {
    let api = api();
    let case = Case::new(&api.base_url(), FLOW);
    case.write("in.jsonl", "{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n");
    case.run(&[]).exits(0);
    case.write(
        "in.jsonl",
        "{\"id\":1,\"note\":\"edited\"}\n{\"id\":20}\n{\"id\":3}\n",
    );
    assert_eq!(case.run(&[]).exits(0).counts(), [1, 0, 2, 0]);
    assert_eq!(asked(&api), once([1, 2, 3, 20]));
}

#[test]
fn without_a_key_an_edited_row_is_new() {
    let api = api();
    let case = Case::new(&api.base_url(), &FLOW.replace(", key: id", ""));
    case.write("in.jsonl", "{\"id\":1}\n{\"id\":2}\n");
    case.run(&[]).exits(0);
    case.write("in.jsonl", "{\"id\":1,\"note\":\"edited\"}\n{\"id\":2}\n");
    assert_eq!(case.run(&[]).exits(0).counts(), [1, 0, 1, 0]);
    assert_eq!(asked(&api), BTreeMap::from([(1, 2), (2, 1)]));
}

#[test]
fn rows_with_one_key_are_kept_apart() {
    let api = api();
    let case = Case::new(&api.base_url(), FLOW);
    case.write(
        "in.jsonl",
        "{\"id\":1,\"note\":\"a\"}\n{\"id\":1,\"note\":\"b\"}\n{\"id\":2}\n",
    );
    assert_eq!(case.run(&[]).exits(0).counts(), [3, 0, 0, 0]);
    assert_eq!(written(&case), [1, 1, 2]);
    assert_eq!(case.run(&[]).exits(0).counts(), [0, 0, 3, 0]);
    // One more of them, at the top: two are finished, so one is worked on.
    case.write(
        "in.jsonl",
        "{\"id\":1,\"note\":\"new\"}\n{\"id\":1,\"note\":\"a\"}\n{\"id\":1,\"note\":\"b\"}\n{\"id\":2}\n",
    );
    assert_eq!(case.run(&[]).exits(0).counts(), [1, 0, 3, 0]);
    assert_eq!(asked(&api), BTreeMap::from([(1, 3), (2, 1)]));
    assert_eq!(written(&case), [1, 1, 1, 2]);
}

#[test]
fn many_rows_with_one_key_leave_the_last_of_them_in_an_upsert() {
    use std::fmt::Write as _;
    let api = api();
    let flow = FLOW.replace("jsonl: out.jsonl", "sqlite: out.db, upsert: users(id)");
    let case = Case::new(&api.base_url(), &flow);
    let mut rows = String::new();
    (1..=600).for_each(|note| {
        writeln!(rows, "{{\"id\":7,\"note\":\"{note}\"}}").expect("a text takes it")
    });
    case.write("in.jsonl", rows);
    assert_eq!(case.run(&[]).exits(0).counts(), [600, 0, 0, 0]);
    let kept = crate::support::table(&case.path("out.db"), "SELECT note FROM users");
    assert_eq!(kept, [[rusqlite::types::Value::Text("600".to_owned())]]);
}

#[test]
fn duplicates_can_be_left_out_or_killed() {
    let rows = "{\"id\":1}\n{\"id\":1}\n{\"id\":2}\n";
    for (word, code, counts) in [("skip", 0, [2, 0, 1, 0]), ("dead", 3, [2, 1, 0, 0])] {
        let api = api();
        let flow = FLOW.replace(
            "key: id }\nservices",
            &format!("key: id, duplicates: {word} }}\nservices"),
        );
        let case = Case::new(&api.base_url(), &flow);
        case.write("in.jsonl", rows);
        assert_eq!(case.run(&[]).exits(code).counts(), counts, "{word}");
        assert_eq!(asked(&api), once([1, 2]), "{word}");
    }
}

#[test]
fn a_key_may_be_a_list_a_boolean_or_a_text_and_a_text_is_not_its_number() {
    let api = api();
    let case = Case::new(&api.base_url(), FLOW);
    case.write("in.jsonl", "{\"id\":1}\n{\"id\":\"1\"}\n");
    assert_eq!(case.run(&[]).exits(0).counts(), [2, 0, 0, 0]);
    case.write("in.jsonl", "{\"id\":\"1\"}\n{\"id\":1}\n{\"id\":true}\n");
    assert_eq!(case.run(&[]).exits(0).counts(), [1, 0, 2, 0]);
}

#[test]
fn parts_of_a_key_do_not_run_together() {
    let api = api();
    let case = Case::new(&api.base_url(), &FLOW.replace("key: id", "key: [a, b]"));
    case.write("in.jsonl", "{\"id\":1,\"a\":\"x\",\"b\":\"yz\"}\n");
    case.run(&[]).exits(0);
    case.write(
        "in.jsonl",
        "{\"id\":2,\"a\":\"xy\",\"b\":\"z\"}\n{\"id\":1,\"a\":\"x\",\"b\":\"yz\"}\n",
    );
    assert_eq!(case.run(&[]).exits(0).counts(), [1, 0, 1, 0]);
    assert_eq!(asked(&api), once([1, 2]));
}

#[test]
fn a_key_written_in_another_way_is_the_same_key() {
    let api = api();
    let case = Case::new(&api.base_url(), FLOW);
    case.write("in.jsonl", "{\"id\":1,\"note\":\"é\"}\n{\"id\":2}\n");
    case.run(&[]).exits(0);
    case.write(
        "in.jsonl",
        "{ \"note\" : \"\\u00e9\", \"id\" : 1 }\n{\"id\": 2}\n{\"id\":3}\n",
    );
    assert_eq!(case.run(&[]).exits(0).counts(), [1, 0, 2, 0]);
    assert_eq!(asked(&api), once([1, 2, 3]));
}
