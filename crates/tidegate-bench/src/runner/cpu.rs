//! CPU time per record, against a program written by hand.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;
use tidegate_test::Api;

use super::launch;
use crate::Fallible;
use crate::figure::{Figure, Wanted};
use crate::job::{Flow, Job};
use crate::measure::{self, Quartiles, Usage};
use crate::suite::{Bench, Setting};

const HANDWRITTEN: Wanted = Wanted::at_most("runner/cpu_vs_handwritten", "ratio", 0.6);
const TUNED: Wanted = Wanted::at_most("runner/cpu_vs_tuned", "ratio", 0.8);

pub(super) const BENCHES: &[Bench] = &[
    Bench {
        figures: &[HANDWRITTEN],
        peers: false,
        run: |setting| against(setting, HANDWRITTEN, setting.programs.rival_handwritten()?),
    },
    Bench {
        figures: &[TUNED],
        peers: false,
        run: |setting| against(setting, TUNED, setting.programs.rival_tuned()?),
    },
];

/// Records the rival works on at a time: with two requests each as many as the flow's `in_flight`.
const RIVAL_RECORDS: u32 = 32;

fn against(setting: &Setting, wanted: Wanted, rival: &Path) -> Fallible<Vec<Figure>> {
    let job = Job::of(setting.amount(20_000, 4_000))?;
    let api = Api::builder().spawn_thread()?;
    let base = api.base_url();
    let runner = || launch::run_all(setting, &job, &Flow::of(&base));
    let rival = || run_rival(rival, &job, &base);

    // Pages of the programs and of the input are in memory from here on.
    runner()?;
    rival()?;
    let pairs = measure::in_turn(setting.amount(9, 3), runner, rival)?;

    let cpu: Vec<_> = pairs
        .iter()
        .map(|(ours, theirs)| (per_record(ours.cpu, &job), per_record(theirs.cpu, &job)))
        .collect();
    let rows_per_s = |usage: &Usage| job.rows as f64 / usage.wall.as_secs_f64();
    let ratios = Quartiles::of_ratios(&cpu);
    let detail = json!({
        "ratio": ratios,
        "runner_us_per_record": Quartiles::of(cpu.iter().map(|pair| pair.0)),
        "rival_us_per_record": Quartiles::of(cpu.iter().map(|pair| pair.1)),
        "runner_rows_per_s": Quartiles::of(pairs.iter().map(|pair| rows_per_s(&pair.0))),
        "rival_rows_per_s": Quartiles::of(pairs.iter().map(|pair| rows_per_s(&pair.1))),
        "rows": job.rows,
    });
    Ok(vec![wanted.measured(ratios.median, detail)])
}

fn run_rival(program: &Path, job: &Job, base: &str) -> Fallible<Usage> {
    let folder = job.run_folder()?;
    let output = folder.join("out.jsonl");
    let usage = measure::run(
        Command::new(program)
            .arg(job.input())
            .arg(&output)
            .args([base, &RIVAL_RECORDS.to_string()])
            .stdin(Stdio::null()),
    )?;
    let lines = fs::read(&output)?
        .iter()
        .filter(|byte| **byte == b'\n')
        .count();
    if !usage.status.success() || lines as u64 != job.rows {
        return Err(format!("the rival ended with {} after {lines} rows", usage.status).into());
    }
    launch::remove(&folder)?;
    Ok(usage)
}

/// In microseconds.
fn per_record(cpu: Duration, job: &Job) -> f64 {
    cpu.as_secs_f64() * 1e6 / job.rows as f64
}
