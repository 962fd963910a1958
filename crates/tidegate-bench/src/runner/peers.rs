//! Rows per second against programs that are not Rust. They are installed into a temporary environment.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;
use tempfile::TempDir;
use tidegate_test::Api;

use super::launch;
use crate::Fallible;
use crate::figure::{Figure, Wanted};
use crate::job::{Flow, Job};
use crate::measure::{self, Quartiles, Usage};
use crate::suite::{Bench, Setting};

const ASYNCIO: Wanted = Wanted::at_least("runner/rows_vs_asyncio", "ratio", 12.0);

pub(super) const BENCHES: &[Bench] = &[Bench {
    figures: &[ASYNCIO],
    peers: true,
    run: asyncio,
}];

const SCRIPT: &str = include_str!("asyncio_rival.py");
/// The newest versions; the detail says which those were.
const PACKAGES: [&str; 2] = ["aiohttp", "tenacity"];

fn asyncio(setting: &Setting) -> Fallible<Vec<Figure>> {
    let environment = tempfile::Builder::new()
        .prefix("tidegate-bench-python-")
        .tempdir()?;
    let python = install(&environment)?;
    let script = environment.path().join("asyncio_rival.py");
    fs::write(&script, SCRIPT)?;

    let job = Job::of(setting.amount(20_000, 2_000))?;
    let api = Api::builder().spawn_thread()?;
    let base = api.base_url();
    let pairs = measure::in_turn(
        setting.amount(5, 1),
        || launch::run_all(setting, &job, &Flow::of(&base)),
        || run_python(&python, &script, &job, &base),
    )?;
    let per_s = |usage: &Usage| job.rows as f64 / usage.wall.as_secs_f64();
    let rates: Vec<_> = pairs
        .iter()
        .map(|(ours, theirs)| (per_s(ours), per_s(theirs)))
        .collect();
    let ratios = Quartiles::of_ratios(&rates);
    let detail = json!({
        "ratio": ratios,
        "runner_rows_per_s": Quartiles::of(rates.iter().map(|pair| pair.0)),
        "asyncio_rows_per_s": Quartiles::of(rates.iter().map(|pair| pair.1)),
        "installed": installed(&python)?,
        "rows": job.rows,
    });
    Ok(vec![ASYNCIO.measured(ratios.median, detail)])
}

fn run_python(python: &Path, script: &Path, job: &Job, base: &str) -> Fallible<Usage> {
    let folder = job.run_folder()?;
    let output = folder.join("out.jsonl");
    let usage = measure::run(
        Command::new(python)
            .arg(script)
            .arg(job.input())
            .arg(&output)
            // 32 records with two requests each: 64 requests, as in the flow.
            .args([base, "32"])
            .stdin(Stdio::null()),
    )?;
    let lines = fs::read_to_string(&output)?.lines().count();
    if !usage.status.success() || lines as u64 != job.rows {
        return Err(format!("asyncio ended with {} after {lines} rows", usage.status).into());
    }
    launch::remove(&folder)?;
    Ok(usage)
}

/// The Python of a new environment that holds the packages.
fn install(environment: &TempDir) -> Fallible<PathBuf> {
    succeed(
        Command::new("python3")
            .args(["-m", "venv"])
            .arg(environment.path()),
    )?;
    let python = environment.path().join("bin/python");
    succeed(
        Command::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .args(PACKAGES),
    )?;
    Ok(python)
}

fn installed(python: &Path) -> Fallible<Vec<String>> {
    let output = Command::new(python)
        .args([
            "-m",
            "pip",
            "list",
            "--disable-pip-version-check",
            "--format",
            "freeze",
        ])
        .output()?;
    let list = String::from_utf8(output.stdout)?;
    let ours = |line: &&str| PACKAGES.iter().any(|package| line.starts_with(package));
    Ok(list.lines().filter(ours).map(str::to_owned).collect())
}

fn succeed(command: &mut Command) -> Fallible<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!(
        "{} ended with {}: {said}",
        command.get_program().display(),
        output.status
    )
    .into())
}
