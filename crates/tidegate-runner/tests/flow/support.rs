use std::path::{Path, PathBuf};
use tidegate_runner::{
    flow::Faults,
    plan::{self, Given, Plan},
};

/// The flow of the README.
pub(crate) const EXAMPLE: &str = "\
source: { jsonl: users.jsonl, key: id }

services:
  api:
    base: https://api.example.com
    in_flight: 64             # one cap shared by every step and every retry that uses it
    rate: 100/s
    timeout: 2s               # per attempt
    retry: 5                  # how often to try again; back-off, jitter, Retry-After, budget are on

steps:                        # a step's name is where its answer lands
  user:
    api: GET /users/{{ id }}
  orders:                     # reads nothing of `user`, so both run at once
    api: GET /orders/{{ id }}

sink:
  sqlite: out.db
  upsert: users(id)
  row:
    id: id
    name: user.name
    orders: orders | length
    total: orders | map(attribute='total') | sum

dead_letter: { jsonl: dead.jsonl }
";

/// A flow around steps, for cases about one thing.
pub(crate) fn with_steps(steps: &str) -> String {
    let steps: String = steps.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "source: {{ jsonl: in.jsonl, key: id }}\nservices:\n  api: {{ base: \"https://api.example.com\", rate: 10/s }}\nsteps:\n{steps}"
    )
}

/// The environment of all tests.
fn env(name: &str) -> Option<String> {
    match name {
        "TOKEN" => Some("s3cret-token".to_owned()),
        "API_URL" => Some("https://env.example.com/v2".to_owned()),
        _ => None,
    }
}

pub(crate) fn load(text: &str) -> Result<(Plan, Vec<String>), Faults> {
    load_at(text, Path::new("users.yaml"), &[])
}

pub(crate) fn load_at(
    text: &str,
    path: &Path,
    sets: &[(&str, &str)],
) -> Result<(Plan, Vec<String>), Faults> {
    let sets: Vec<_> = sets
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let (plan, warnings) = plan::load_text(
        text,
        path,
        &Given {
            sets: &sets,
            env: &env,
        },
    )?;
    Ok((plan, warnings.iter().map(ToString::to_string).collect()))
}

#[track_caller]
pub(crate) fn plan(text: &str) -> Plan {
    match load(text) {
        Ok((plan, _)) => plan,
        Err(faults) => panic!("the flow has faults:\n{faults}\n\n{text}"),
    }
}

#[track_caller]
pub(crate) fn faults(text: &str) -> Faults {
    match load(text) {
        Ok(_) => panic!("the flow has no fault:\n{text}"),
        Err(faults) => faults,
    }
}

/// The faults of many flows under each other, for one snapshot.
#[track_caller]
pub(crate) fn gallery(flows: &[&str]) -> String {
    let shown: Vec<_> = flows.iter().map(|text| faults(text).to_string()).collect();
    shown.join("\n\n----\n\n")
}

/// A folder with a flow file's name in it and other files beside.
pub(crate) struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    pub(crate) fn with(files: &[(&str, &str)]) -> Folder {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).expect("a file can be written");
        }
        Folder { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn load(&self, text: &str) -> Result<(Plan, Vec<String>), Faults> {
        load_at(text, &self.path("flow.yaml"), &[])
    }

    /// Faults or warnings, without the folder's name.
    pub(crate) fn said(&self, text: &str) -> String {
        let said = match self.load(text) {
            Ok((_, warnings)) => warnings.join("\n\n"),
            Err(faults) => faults.to_string(),
        };
        said.replace(&self.folder.path().display().to_string(), "FOLDER")
    }
}
