//! Starting the runner, and what it says about a run.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::Fallible;
use crate::job::{Flow, Job};
use crate::measure::{self, Usage};
use crate::suite::Setting;

/// A flow in a folder of its own, ready to be run, and run again.
#[derive(Debug)]
pub(super) struct Launch {
    program: PathBuf,
    pub(super) folder: PathBuf,
    flow: PathBuf,
}

/// What the figures need of the runner's report.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Report {
    pub(super) read: u64,
    pub(super) done: u64,
    pub(super) dead: u64,
    skipped: u64,
    pending: u64,
    services: BTreeMap<String, ServiceReport>,
}

#[derive(Clone, Debug, Deserialize)]
struct ServiceReport {
    hedges: Option<Hedges>,
}

/// Requests sent beside one that took long, and those of them that answered first.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(super) struct Hedges {
    sent: u64,
    won: u64,
}

impl Report {
    /// Those of the service that every job asks.
    pub(super) fn hedges(&self) -> Option<Hedges> {
        self.services.get("api")?.hedges
    }

    /// Whether each of `rows` records is in exactly one of the counts and none is open.
    pub(super) fn adds_up_to(&self, rows: u64) -> bool {
        self.read == rows && self.done + self.dead + self.skipped == rows && self.pending == 0
    }
}

impl Launch {
    pub(super) fn prepare(setting: &Setting, job: &Job, flow: &Flow<'_>) -> Fallible<Self> {
        let folder = job.run_folder()?;
        Ok(Self {
            program: setting.programs.tidegate()?.to_owned(),
            flow: flow.write_to(&folder)?,
            folder,
        })
    }

    /// `tidegate run` without progress; what it says goes to a file.
    pub(super) fn command(&self) -> Fallible<Command> {
        let mut command = Command::new(&self.program);
        command
            .arg("run")
            .arg(&self.flow)
            .args(["--progress", "none", "--report"])
            .arg(self.folder.join("report.json"))
            .arg("--state")
            .arg(self.folder.join("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(self.said())?);
        Ok(command)
    }

    /// Runs it to its end, which must be "done" or "done but for dead letters".
    pub(super) fn run(&self) -> Fallible<(Usage, Report)> {
        let usage = measure::run(&mut self.command()?)?;
        match usage.status.code() {
            Some(0 | 3) => Ok((usage, self.report()?)),
            _ => Err(self.complaint(&usage.status.to_string()).into()),
        }
    }

    pub(super) fn report(&self) -> Fallible<Report> {
        Ok(serde_json::from_slice(&fs::read(
            self.folder.join("report.json"),
        )?)?)
    }

    /// How it ended, and the last of what it said.
    pub(super) fn complaint(&self, status: &str) -> String {
        let said = fs::read_to_string(self.said()).unwrap_or_default();
        let lines: Vec<_> = said.lines().rev().take(8).collect();
        let last: Vec<_> = lines.into_iter().rev().collect();
        format!("the runner ended with {status}: {}", last.join(" | "))
    }

    fn said(&self) -> PathBuf {
        self.folder.join("stderr.txt")
    }
}

/// Runs `flow` once for all rows of `job`, none of which may die.
pub(super) fn run_all(setting: &Setting, job: &Job, flow: &Flow<'_>) -> Fallible<Usage> {
    let launch = Launch::prepare(setting, job, flow)?;
    let (usage, report) = launch.run()?;
    if report.done == job.rows && report.adds_up_to(job.rows) {
        remove(&launch.folder)?;
        Ok(usage)
    } else {
        Err(format!("not every record is done: {report:?}").into())
    }
}

/// Outputs of a million rows need not all be kept until the end.
pub(super) fn remove(folder: &Path) -> Fallible<()> {
    Ok(fs::remove_dir_all(folder)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(read: u64, done: u64, pending: u64) -> Report {
        Report {
            read,
            done,
            dead: 1,
            skipped: 2,
            pending,
            services: BTreeMap::new(),
        }
    }

    #[test]
    fn a_report_adds_up_when_every_record_is_counted_once() {
        assert!(report(10, 7, 0).adds_up_to(10));
        assert!(!report(10, 6, 1).adds_up_to(10));
        assert!(!report(10, 8, 0).adds_up_to(10));
        assert!(!report(9, 7, 0).adds_up_to(10));
    }
}
