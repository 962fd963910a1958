//! Runs that are stopped in the middle of something else than plain reading.

use crate::support::{Case, Server, json_lines, numbered, wait_until};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tidegate_test::Api;

const FLOW: &str = "
source: { jsonl: in.jsonl, key: id }
records: { in_flight: 16 }
services: { api: { base: $API, retry: { times: 1, base: 1ms } } }
steps: { user: { api: 'GET /users/{{ id }}' } }
sink: { jsonl: out.jsonl, row: { id: id } }
dead_letter: { jsonl: dead.jsonl }
";

fn api() -> Api {
    Api::builder()
        .remember(true)
        .spawn_thread()
        .expect("a local API")
}

/// Ids that were asked for more than once.
fn repeated(api: &Api) -> Vec<String> {
    let more_than_once = |(path, times): (String, u64)| (times > 1).then_some(path);
    api.paths().into_iter().filter_map(more_than_once).collect()
}

#[test]
fn a_limited_run_over_an_edited_input_forgets_nothing_that_an_earlier_one_has_finished() {
    let api = api();
    let case = Case::new(&api.base_url(), FLOW).rows(300);
    case.run(&[]).exits(0);
    // New rows at the top, so that the limit is reached before the finished ones are met.
    case.records((301..=320).chain(1..=300));
    assert_eq!(case.run(&["--limit", "5"]).exits(0).count("done"), 5);
    let last = case.run(&[]).exits(0);
    assert_eq!(last.count("done"), 15);
    assert_eq!(repeated(&api), [""; 0]);
    assert_eq!(
        numbered(&json_lines(&case.bytes("out.jsonl"))),
        (1..=320).collect::<Vec<_>>()
    );
}

#[test]
fn a_run_over_an_edited_input_that_is_killed_forgets_nothing_either() {
    let api = api();
    let case = Case::new(&api.base_url(), FLOW).rows(300);
    case.run(&[]).exits(0);
    case.records((301..=2_300).chain(1..=300));
    let before = api.stats().requests;
    let run = case.start_run(&[]);
    wait_until("the edited input is worked on", || {
        api.stats().requests > before + 700
    });
    run.kill();
    case.run(&[]).exits(0);
    let again: Vec<u64> = repeated(&api)
        .iter()
        .map(|path| {
            path.rsplit('/')
                .next()
                .expect("a segment")
                .parse()
                .expect("an id")
        })
        .collect();
    assert!(
        again.iter().all(|id| *id > 300),
        "finished by the first run, and asked again: {again:?}"
    );
    assert_eq!(
        numbered(&json_lines(&case.bytes("out.jsonl"))),
        (1..=2_300).collect::<Vec<_>>()
    );
}

#[test]
fn duplicates_that_are_skipped_stay_skipped_after_a_limit() {
    let api = api();
    let case = Case::new(
        &api.base_url(),
        &FLOW.replace("key: id }", "key: id, duplicates: skip }"),
    );
    case.records((1..=50).chain(1..=50));
    case.run(&["--limit", "40"]).exits(0);
    let last = case.run(&[]).exits(0);
    assert_eq!(last.counts(), [10, 0, 90, 0]);
    assert_eq!(repeated(&api), [""; 0]);
}

#[test]
fn filtered_records_are_counted_once_when_the_input_is_read_again() {
    let api = api();
    let case = Case::new(
        &api.base_url(),
        &FLOW.replace("key: id }", "key: id, where: id % 2 == 0 }"),
    )
    .rows(100);
    assert_eq!(case.run(&[]).exits(0).counts(), [50, 0, 50, 0]);
    case.records((1..=100).rev());
    assert_eq!(case.run(&[]).exits(0).counts(), [0, 0, 100, 0]);
    let status = case.tidegate(&["status", "flow.yaml"]).exits(0).stdout;
    assert!(
        status.contains("settled 100 = done 50 + dead 0 + filtered 50"),
        "{status}"
    );
}

/// Stopped while record 5 waits for its next attempt and all the others are done.
#[cfg(unix)]
fn stopped_with_one_behind(server: &Server, mended: &AtomicBool) -> Case {
    let flow = FLOW.replace("times: 1, base: 1ms", "times: 10000, base: 50ms, cap: 50ms");
    let case = Case::new(&server.base(), &flow).rows(100);
    let run = case.start_run(&["--grace", "2s"]);
    wait_until("the others are done", || {
        std::fs::read(case.path("out.jsonl")).is_ok_and(|bytes| line_ends(&bytes) == 99)
    });
    run.signal(rustix::process::Signal::INT);
    assert_eq!(run.ends().exits(4).counts(), [99, 0, 0, 1]);
    mended.store(true, Ordering::SeqCst);
    case
}

#[cfg(unix)]
fn line_ends(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

/// Fails record 5 until it is mended.
#[cfg(unix)]
fn failing_at_five(mended: &Arc<AtomicBool>) -> Server {
    let mended = mended.clone();
    Server::start(move |request, _| {
        let fails = request.target == "/users/5" && !mended.load(Ordering::SeqCst);
        (if fails { 500 } else { 200 }, "{}".to_owned())
    })
}

#[cfg(unix)]
#[test]
fn one_record_that_is_left_behind_is_the_only_one_asked_again() {
    let mended = Arc::default();
    let server = failing_at_five(&mended);
    let case = stopped_with_one_behind(&server, &mended);
    let asked = server.seen().len();
    assert_eq!(case.run(&[]).exits(0).counts(), [1, 0, 99, 0]);
    assert_eq!(
        server.seen()[asked..]
            .iter()
            .map(|request| request.target.as_str())
            .collect::<Vec<_>>(),
        ["/users/5"]
    );
}

#[cfg(unix)]
#[test]
fn a_row_inserted_behind_the_mark_and_before_finished_ones_is_not_lost() {
    let mended = Arc::default();
    let server = failing_at_five(&mended);
    let case = stopped_with_one_behind(&server, &mended);
    let asked = server.seen().len();
    // In place, longer than before, and equal up to the record that was left behind.
    let whole = case
        .text("in.jsonl")
        .replace("{\"id\":6}\n", "{\"id\":1000}\n{\"id\":6}\n");
    case.write("in.jsonl", whole);
    assert_eq!(case.run(&[]).exits(0).counts(), [2, 0, 99, 0]);
    let mut targets: Vec<String> = server.seen()[asked..]
        .iter()
        .map(|request| request.target.clone())
        .collect();
    targets.sort();
    assert_eq!(targets, ["/users/1000", "/users/5"]);
}

/// Ids divisible by three fail while the request does not say that all is mended.
fn failing() -> Server {
    Server::start(|request, _| {
        let id: u64 = request
            .target
            .rsplit('/')
            .next()
            .expect("a segment")
            .parse()
            .expect("an id");
        let mended = request.headers.contains_key("x-mended");
        (
            if id.is_multiple_of(3) && !mended {
                404
            } else {
                200
            },
            "{}".to_owned(),
        )
    })
}

#[test]
fn a_retry_that_is_killed_goes_on_and_loses_no_letter() {
    let server = failing();
    let case = Case::new(&server.base(), FLOW).rows(3_000);
    case.run(&[]).exits(3);
    assert_eq!(json_lines(&case.bytes("dead.jsonl")).len(), 1_000);
    case.flow(&FLOW.replace("base: $API,", "base: $API, headers: { X-Mended: 'yes' },"));
    let retry = ["dead", "retry", "flow.yaml"];
    for further in [40, 200, 300] {
        let before = server.seen().len();
        let run = case.start(&retry, b"");
        wait_until("some are tried again", || {
            server.seen().len() > before + further
        });
        run.kill();
    }
    // A run works on what is marked first.
    case.run(&[]).exits(0);
    assert_eq!(case.text("dead.jsonl"), "");
    assert_eq!(
        numbered(&json_lines(&case.bytes("out.jsonl"))),
        (1..=3_000).collect::<Vec<_>>()
    );
}

#[test]
fn dead_letters_are_neither_lost_nor_doubled_by_kills() {
    let server = failing();
    let case = Case::new(&server.base(), FLOW).rows(3_000);
    for further in [500, 700, 300] {
        let before = server.seen().len();
        let run = case.start_run(&[]);
        wait_until("a part is done", || server.seen().len() > before + further);
        run.kill();
    }
    case.run(&[]).exits(3);
    let mut dead: BTreeMap<u64, u64> = BTreeMap::new();
    for letter in json_lines(&case.bytes("dead.jsonl")) {
        *dead
            .entry(letter["record"]["id"].as_u64().expect("an id"))
            .or_default() += 1;
    }
    assert_eq!(dead, (1..=1_000).map(|third| (3 * third, 1)).collect());
    let rows = numbered(&json_lines(&case.bytes("out.jsonl")));
    assert_eq!(
        rows,
        (1..=3_000).filter(|id| id % 3 != 0).collect::<Vec<_>>()
    );
}

#[test]
fn a_resumed_run_keeps_its_name_and_its_start() {
    let api = api();
    let flow = FLOW.replace(
        "row: { id: id }",
        "row: { id: id, run: run.id, at: run.started }",
    );
    let case = Case::new(&api.base_url(), &flow).rows(60);
    let first = case.run(&["--limit", "20"]).exits(0);
    let second = case.run(&[]).exits(0);
    assert_eq!(first.report("run"), second.report("run"));
    assert_eq!(first.report("started"), second.report("started"));
    let rows = json_lines(&case.bytes("out.jsonl"));
    assert!(
        rows.iter()
            .all(|row| row["run"] == rows[0]["run"] && row["at"] == rows[0]["at"])
    );
    case.append("in.jsonl", "{\"id\":61}\n");
    let third = case.run(&[]).exits(0);
    assert_ne!(
        first.report("run"),
        third.report("run"),
        "a finished run that goes on is another run"
    );
}

/// 2,000 records, of which every seventh has the same key; the note is what tells them apart.
fn repeated_keys() -> String {
    (0..2_000)
        .map(|note| format!("{{\"id\":{},\"note\":{note}}}\n", note % 7))
        .collect()
}

#[test]
fn records_with_one_key_are_neither_lost_nor_mixed_up_by_kills() {
    let server = Server::start(|_, _| (200, "{}".to_owned()));
    let flow = FLOW
        .replace(
            "'GET /users/{{ id }}'",
            "POST /notes, body: { note: '{{ note }}' }, idempotent: true",
        )
        .replace("row: { id: id }", "row: { id: note }");
    let case = Case::new(&server.base(), &flow);
    case.write("in.jsonl", repeated_keys());
    for further in [300, 500, 400] {
        let before = server.seen().len();
        let run = case.start_run(&[]);
        wait_until("a part is done", || server.seen().len() > before + further);
        run.kill();
    }
    case.run(&[]).exits(0);
    assert_eq!(
        numbered(&json_lines(&case.bytes("out.jsonl"))),
        (0..2_000).collect::<Vec<_>>()
    );
    let mut keys: BTreeMap<String, std::collections::BTreeSet<String>> = BTreeMap::new();
    for request in server.seen() {
        keys.entry(request.headers["idempotency-key"].clone())
            .or_default()
            .insert(request.body);
    }
    assert_eq!(keys.len(), 2_000, "a record keeps its key over kills");
    assert!(
        keys.values().all(|bodies| bodies.len() == 1),
        "two records never share one"
    );
}

#[test]
fn a_fresh_start_that_is_killed_goes_on() {
    let api = api();
    let case = Case::new(&api.base_url(), FLOW).rows(2_000);
    case.run(&[]).exits(0);
    let run = case.start_run(&["--fresh"]);
    wait_until("it works", || api.stats().requests > 3_000);
    run.kill();
    case.run(&[]).exits(0);
    assert_eq!(
        numbered(&json_lines(&case.bytes("out.jsonl"))),
        (1..=2_000).collect::<Vec<_>>()
    );
    assert!(
        api.stats().requests < 5_000,
        "what was committed is not done again"
    );
}

#[test]
fn a_rerun_of_all_that_is_killed_goes_on() {
    let api = api();
    let case = Case::new(&api.base_url(), &format!("rerun: all\n{FLOW}")).rows(2_000);
    case.run(&[]).exits(0);
    let run = case.start_run(&[]);
    wait_until("it works again", || api.stats().requests > 3_000);
    run.kill();
    let last = case.run(&[]).exits(0);
    assert!(last.count("skipped") > 0, "it does not start over");
    assert_eq!(
        numbered(&json_lines(&case.bytes("out.jsonl"))),
        (1..=2_000).collect::<Vec<_>>()
    );
}

#[test]
fn a_retry_with_a_limit_leaves_the_others_for_the_next_run() {
    let server = failing();
    let case = Case::new(&server.base(), FLOW).rows(30);
    case.run(&[]).exits(3);
    case.flow(&FLOW.replace("base: $API,", "base: $API, headers: { X-Mended: 'yes' },"));
    let retry = [
        "dead",
        "retry",
        "flow.yaml",
        "--limit",
        "4",
        "--report",
        "report.json",
    ];
    assert_eq!(case.tidegate(&retry).exits(3).counts(), [4, 0, 26, 0]);
    assert_eq!(case.run(&[]).exits(0).counts(), [6, 0, 24, 0]);
    assert_eq!(case.text("dead.jsonl"), "");
}

/// What a kill leaves that comes between the first bytes and the first commit.
#[test]
fn an_output_that_was_cut_short_before_its_first_commit_is_cut_back() {
    let api = api();
    let case = Case::new(&api.base_url(), FLOW).rows(20);
    case.run(&["--limit", "0"]).exits(0);
    let is_journal = |path: &std::path::PathBuf| path.extension().is_some_and(|e| e == "journal");
    let journal = case.files().into_iter().find(is_journal);
    let journal = rusqlite::Connection::open(journal.expect("a journal")).expect("it opens");
    journal
        .execute("UPDATE tidegate_flow SET phase = 'running'", [])
        .expect("one flow");
    drop(journal);
    case.append("out.jsonl", "{\"id\":1}\n{\"id");
    case.run(&[]).exits(0);
    assert_eq!(
        numbered(&json_lines(&case.bytes("out.jsonl"))),
        (1..=20).collect::<Vec<_>>()
    );
}

#[test]
fn a_flow_that_is_named_in_another_way_finds_its_output() {
    let api = api();
    let case = Case::new(&api.base_url(), FLOW).rows(20);
    case.run(&["--limit", "5"]).exits(0);
    let whole = case.path("flow.yaml").display().to_string();
    case.tidegate(&["run", &whole, "--progress", "none"])
        .exits(0);
    assert_eq!(
        numbered(&json_lines(&case.bytes("out.jsonl"))),
        (1..=20).collect::<Vec<_>>()
    );
    assert_eq!(repeated(&api), [""; 0]);
}
