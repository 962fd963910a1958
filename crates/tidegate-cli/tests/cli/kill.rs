//! `kill -9` at random moments: every row comes out once, whole.

use crate::support::{Case, csv_rows, gunzip, json_lines, table, wait_until};
use std::{ops::RangeInclusive, time::Duration};
use tidegate_test::{Api, orders};

const ROWS: u64 = 7_000;
const STEPS: u64 = 2;
const IN_FLIGHT: u64 = 16;
/// Records in one commit.
const BATCH: u64 = 256;
const KILLS: u64 = 20;

/// The same moments again: `TIDEGATE_TEST_SEED=…`.
fn seed() -> u64 {
    let given = std::env::var("TIDEGATE_TEST_SEED").ok();
    given.map_or_else(|| fastrand::u64(..), |seed| seed.parse().expect("a number"))
}

#[expect(clippy::print_stderr, reason = "shown when the test fails")]
fn killed_again_and_again(sink: &str) -> Case {
    let seed = seed();
    eprintln!("TIDEGATE_TEST_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let api = Api::builder()
        .seed(seed)
        .latency(Duration::from_millis(1), Duration::from_millis(3))
        .spawn_thread()
        .expect("a local API");
    let flow = "
source: { jsonl: in.jsonl, key: id }
records: { in_flight: 16 }
services: { api: { base: $API, in_flight: 32 } }
steps:
  user:
    api: GET /users/{{ id }}
  orders:
    api: GET /orders/{{ id }}
sink:
  $SINK
  row:
    id: id
    name: user.name
    total: orders | map(attribute='total') | sum
";
    let case = Case::new(&api.base_url(), &flow.replace("$SINK", sink)).rows(ROWS);
    let mut kills = 0;
    for left in (1..=KILLS).rev() {
        let mut run = case.start_run(&["--progress", "none"]);
        let before = api.stats().requests;
        let after = random.u64(moments(before, left));
        wait_until("the moment to kill has come", || {
            run.has_ended() || api.stats().requests >= before + after
        });
        if run.has_ended() {
            break;
        }
        run.kill();
        kills += 1;
    }
    assert!(
        kills >= KILLS / 2,
        "only {kills} kills: the input is too short"
    );
    let end = case.run(&[]).exits(0);
    let [done, dead, skipped, pending] = end.counts();
    assert_eq!((done + skipped, dead, pending), (ROWS, 0, 0));
    let repeated = api.stats().requests - ROWS * STEPS;
    let bound = kills * STEPS * (IN_FLIGHT + BATCH);
    assert!(
        repeated <= bound,
        "{repeated} requests were repeated over {kills} kills, above {bound}"
    );
    case
}

/// After how many further requests to kill, so that the last of them comes near the end.
fn moments(before: u64, left: u64) -> RangeInclusive<u64> {
    let remaining = (ROWS * STEPS).saturating_sub(before);
    1..=(2 * remaining / (left + 1)).max(400)
}

/// Fails unless these are the rows 1 to `ROWS`, each once.
#[track_caller]
fn every_row_once(mut rows: Vec<(u64, String, f64)>) {
    rows.sort_by_key(|row| row.0);
    let ids: Vec<u64> = rows.iter().map(|row| row.0).collect();
    assert_eq!(ids, (1..=ROWS).collect::<Vec<_>>());
    for (id, name, total) in rows {
        assert_eq!(name, format!("User {id}"));
        assert_eq!(
            total,
            orders(&id.to_string()).iter().sum::<f64>(),
            "the total of {id}"
        );
    }
}

#[track_caller]
fn from_lines(bytes: &[u8]) -> Vec<(u64, String, f64)> {
    let lines = json_lines(bytes);
    let row = |line: &serde_json::Value| {
        let number = |name: &str| line[name].as_f64().expect("a number");
        (
            number("id") as u64,
            line["name"].as_str().expect("a text").to_owned(),
            number("total"),
        )
    };
    lines.iter().map(row).collect()
}

#[test]
fn a_table_holds_every_row_once_after_twenty_kills() {
    use rusqlite::types::Value::{Integer, Real, Text};
    let case = killed_again_and_again("sqlite: out.db\n  insert: users");
    let rows = table(
        &case.path("out.db"),
        "SELECT id, name, CAST(total AS REAL) FROM users",
    );
    every_row_once(
        rows.into_iter()
            .map(|row| match <[_; 3]>::try_from(row) {
                Ok([Integer(id), Text(name), Real(total)]) => (id as u64, name, total),
                other => panic!("a strange row: {other:?}"),
            })
            .collect(),
    );
}

#[test]
fn a_jsonl_file_holds_every_row_once_and_whole_after_twenty_kills() {
    let case = killed_again_and_again("jsonl: out.jsonl");
    every_row_once(from_lines(&case.bytes("out.jsonl")));
}

#[test]
fn a_gzip_file_holds_every_row_once_and_whole_after_twenty_kills() {
    let case = killed_again_and_again("jsonl: out.jsonl.gz");
    every_row_once(from_lines(gunzip(&case.bytes("out.jsonl.gz")).as_bytes()));
}

#[test]
fn a_csv_file_holds_one_header_and_every_row_once_after_twenty_kills() {
    let case = killed_again_and_again("csv: out.csv");
    let (header, rows) = csv_rows(&case.bytes("out.csv"));
    assert_eq!(header, ["id", "name", "total"]);
    let row = |row: Vec<String>| {
        (
            row[0].parse().expect("an id"),
            row[1].clone(),
            row[2].parse().expect("a total"),
        )
    };
    every_row_once(rows.into_iter().map(row).collect());
}
