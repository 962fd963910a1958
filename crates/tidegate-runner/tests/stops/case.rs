//! A small flow in a folder of its own, its API, and what its runs have left there.

use rusqlite::Connection;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use tidegate_runner::{
    inspect::{InspectError, Inspector},
    journal::Lease,
    plan::{self, Given, Plan},
};
use tidegate_test::Api;

pub(crate) const RECORDS: u64 = 12;
pub(crate) const STEPS: u64 = 2;
pub(crate) const IN_FLIGHT: u64 = 4;

/// Two rows of these fill a batch, so that commits come in the middle of a run and not only at its end.
const LARGE: [u64; 4] = [2, 4, 6, 8];
const LARGE_BYTES: usize = 530_000;

/// What is run.
#[derive(Debug)]
pub(crate) struct Flow {
    /// Of the run's scope.
    pub(crate) name: &'static str,
    /// The sink's target.
    pub(crate) sink: &'static str,
    /// Some answers are 503, and some ids are gone.
    pub(crate) misbehaves: bool,
    /// Further limits of the service.
    pub(crate) limits: &'static str,
}

/// A flow that has not been run.
#[derive(Debug)]
pub(crate) struct Case {
    folder: TempDir,
    pub(crate) api: Api,
    pub(crate) plan: Arc<Plan>,
}

/// What the journal and the sink say when no run is active.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Every row in short, sorted.
    pub(crate) rows: Vec<String>,
    /// Every dead letter in short, sorted.
    pub(crate) dead: Vec<String>,
    /// The ids of both.
    pub(crate) ids: BTreeSet<u64>,
}

impl Case {
    pub(crate) fn new(flow: &Flow) -> Case {
        let most = Duration::from_millis(2);
        let api = Api::builder().latency(Duration::ZERO, most).remember(true);
        let api = match flow.misbehaves {
            true => api.seed(7).unavailable(0.15).gone(0.15),
            false => api,
        };
        let api = api.spawn_thread().expect("a local API");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = format!(
            "
source: {{ jsonl: in.jsonl, key: id }}
records: {{ in_flight: {IN_FLIGHT} }}
services:
  api: {{ base: '{}', in_flight: {IN_FLIGHT}, retry: {{ times: 20, base: 1ms, cap: 2ms }}{} }}
steps:
  user: {{ api: 'GET /users/{{{{ id }}}}' }}
  orders: {{ api: 'GET /orders/{{{{ user.id }}}}' }}
sink:
  {}
  row: {{ id: id, name: user.name, total: \"orders | map(attribute='total') | sum\", note: note }}
",
            api.base_url(),
            flow.limits,
            flow.sink
        );
        let file = folder.path().join("flow.yaml");
        fs::write(&file, text).expect("the folder can be written");
        fs::write(folder.path().join("in.jsonl"), input()).expect("the folder can be written");
        let given = Given {
            sets: &[],
            env: &|_| None,
        };
        let (plan, _) = plan::load(&file, &given).unwrap_or_else(|faults| panic!("{faults}"));
        Case {
            folder,
            api,
            plan: Arc::new(plan),
        }
    }

    /// How often each path was asked for, so far.
    pub(crate) fn asked(&self) -> BTreeMap<String, u64> {
        self.api.paths()
    }

    /// Fails while a run is active.
    pub(crate) fn is_free(&self) -> Result<(), String> {
        let folder = self.path(".tidegate");
        let Ok(entries) = fs::read_dir(folder) else {
            return Ok(());
        };
        for entry in entries {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|kind| kind == "lock") {
                Lease::take(&path).map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }

    /// Records that the journal knows to be settled; none where there is no journal yet.
    pub(crate) fn settled(&self) -> Result<Option<u64>, String> {
        match Inspector::open(&self.plan, None) {
            Ok(journal) => {
                let state = journal.state();
                let (done, dead, settled) = (state.done, state.dead, state.settled.count());
                match done + dead == settled {
                    true => Ok(Some(settled)),
                    false => Err(format!(
                        "{settled} are settled, but {done} done and {dead} dead"
                    )),
                }
            }
            Err(InspectError::NeverRun) => Ok(None),
            Err(error) => Err(format!("the journal: {error}")),
        }
    }

    /// What has come out. Of a file only what the journal says is its own: the next run cuts the rest back.
    pub(crate) fn outcome(&self) -> Result<Outcome, String> {
        let journal = match Inspector::open(&self.plan, None) {
            Ok(journal) => journal,
            Err(InspectError::NeverRun) => return Ok(Outcome::default()),
            Err(error) => return Err(format!("the journal: {error}")),
        };
        let mut outcome = Outcome::default();
        let length = journal.state().output.as_ref().map(|output| output.len);
        let rows = match length {
            Some(length) => lines(&self.path("out.jsonl"), length),
            None if self.path("out.db").exists() => table(&self.path("out.db")),
            None => Vec::new(),
        };
        for row in rows {
            outcome.ids.insert(row["id"].as_u64().expect("a number"));
            outcome.rows.push(row.to_string());
        }
        let letters = journal.dead(None, |dead| {
            let letter = dead.letter;
            let key = letter.key.unwrap_or_default();
            outcome.ids.insert(key.parse().expect("a number"));
            outcome.dead.push(format!("{key}: {}", letter.cause));
        });
        letters.map_err(|error| format!("the dead letters: {error}"))?;
        outcome.rows.sort();
        outcome.dead.sort();
        Ok(outcome)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn input() -> String {
    let large = "x".repeat(LARGE_BYTES);
    let mut text = String::new();
    for id in 1..=RECORDS {
        let note = if LARGE.contains(&id) { &large } else { "" };
        writeln!(text, "{{\"id\":{id},\"note\":\"{note}\"}}").expect("a text takes every line");
    }
    text
}

/// The first `length` bytes of a file, as rows.
fn lines(file: &Path, length: u64) -> Vec<Value> {
    let bytes = fs::read(file).expect("the journal names it");
    let own = usize::try_from(length).expect("it fits into memory");
    bytes[..own]
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| {
            let mut row: Value = serde_json::from_slice(line).expect("a whole line");
            row["note"] = json!(row["note"].as_str().map(str::len));
            row
        })
        .collect()
}

fn table(file: &Path) -> Vec<Value> {
    let database = Connection::open(file).expect("a database");
    let Ok(mut query) =
        database.prepare("SELECT id, name, CAST(total AS REAL), length(note) FROM users")
    else {
        // Made with the first batch.
        return Vec::new();
    };
    let rows = query.query_map([], |row| {
        let (id, name): (i64, String) = (row.get(0)?, row.get(1)?);
        let (total, note): (f64, i64) = (row.get(2)?, row.get(3)?);
        Ok(json!({ "id": id, "name": name, "total": total, "note": note }))
    });
    rows.expect("rows").map(|row| row.expect("a row")).collect()
}
