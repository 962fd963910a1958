//! The job that all programs do: a file of users, for each of them two questions, one row.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::Fallible;

/// A folder with an input file; removed when dropped. Ids go from 1 to `rows`.
#[derive(Debug)]
pub(crate) struct Job {
    folder: TempDir,
    pub(crate) rows: u64,
}

impl Job {
    pub(crate) fn of(rows: u64) -> Fallible<Self> {
        let folder = tempfile::Builder::new()
            .prefix("tidegate-bench-")
            .tempdir()?;
        let mut input = BufWriter::new(File::create(folder.path().join("users.jsonl"))?);
        for id in 1..=rows {
            writeln!(input, r#"{{"id":{id},"email":"user{id}@example.com"}}"#)?;
        }
        input.flush()?;
        Ok(Self { folder, rows })
    }

    pub(crate) fn input(&self) -> PathBuf {
        self.folder.path().join("users.jsonl")
    }

    /// A new folder for one run, within the job's.
    pub(crate) fn run_folder(&self) -> Fallible<PathBuf> {
        Ok(tempfile::Builder::new()
            .prefix("run-")
            .tempdir_in(&self.folder)?
            .keep())
    }
}

/// Where the rows go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sink {
    /// Table `users` of `out.db`. A row that is written twice is there twice.
    Sqlite,
    /// `out.jsonl`.
    Jsonl,
}

/// What is asked for each user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Steps {
    User,
    UserAndOrders,
}

/// A flow file with everything on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow<'a> {
    pub(crate) base: &'a str,
    /// Requests per second.
    pub(crate) rate: u32,
    pub(crate) timeout: Duration,
    pub(crate) steps: Steps,
    pub(crate) sink: Sink,
    pub(crate) hedge: bool,
}

impl<'a> Flow<'a> {
    /// Two requests a row, a rate that nothing reaches, SQLite.
    pub(crate) fn of(base: &'a str) -> Self {
        Self {
            base,
            rate: 1_000_000,
            timeout: Duration::from_secs(2),
            steps: Steps::UserAndOrders,
            sink: Sink::Sqlite,
            hedge: false,
        }
    }

    /// Writes `flow.yaml` into `folder`, which is within the job's.
    pub(crate) fn write_to(&self, folder: &Path) -> Fallible<PathBuf> {
        let file = folder.join("flow.yaml");
        fs::write(&file, self.text())?;
        Ok(file)
    }

    fn text(&self) -> String {
        let Self {
            base,
            rate,
            timeout,
            hedge,
            ..
        } = self;
        let mut text = format!(
            "\
source: {{ jsonl: ../users.jsonl, key: id }}
services:
  api:
    base: {base}
    in_flight: 64
    rate: {rate}/s
    timeout: {}ms
    retry: 5
    hedge: {hedge}
steps:
  user:
    api: GET /users/{{{{ id }}}}
",
            timeout.as_millis()
        );
        if self.steps == Steps::UserAndOrders {
            text.push_str("  orders:\n    api: GET /orders/{{ id }}\n");
        }
        text.push_str(match self.sink {
            Sink::Sqlite => "sink:\n  sqlite: out.db\n  insert: users\n",
            Sink::Jsonl => "sink:\n  jsonl: out.jsonl\n",
        });
        text.push_str("  row:\n    id: id\n    name: user.name\n");
        if self.steps == Steps::UserAndOrders {
            text.push_str(
                "    orders: orders | length\n    total: orders | map(attribute='total') | sum\n",
            );
        }
        text.push_str("dead_letter: { jsonl: dead.jsonl }\n");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_its_line() {
        let job = Job::of(3).unwrap();
        let text = fs::read_to_string(job.input()).unwrap();
        assert_eq!(text.lines().count(), 3);
        assert_eq!(
            text.lines().last(),
            Some(r#"{"id":3,"email":"user3@example.com"}"#)
        );
    }

    #[test]
    fn runs_of_a_job_do_not_share_a_folder_and_go_with_the_job() {
        let job = Job::of(0).unwrap();
        let (one, other) = (job.run_folder().unwrap(), job.run_folder().unwrap());
        assert_ne!(one, other);
        drop(job);
        assert!(!one.exists() && !other.exists());
    }

    #[test]
    fn the_flow_asks_as_often_as_it_is_told_to() {
        let flow = Flow::of("http://localhost");
        assert_eq!(flow.text().matches("GET").count(), 2);
        let one = Flow {
            steps: Steps::User,
            ..flow
        };
        assert_eq!(one.text().matches("GET").count(), 1);
        assert!(!one.text().contains("total"));
    }
}
