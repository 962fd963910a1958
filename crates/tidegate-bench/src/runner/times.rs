//! How soon the runner begins, and how soon it stops when told to.

use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tidegate_test::Api;

use super::launch::{self, Launch};
use crate::Fallible;
use crate::figure::{Figure, Wanted};
use crate::job::{Flow, Job};
use crate::measure::Quartiles;
use crate::suite::{Bench, Setting};

const START: Wanted = Wanted::at_most("runner/start_ms", "ms", 50.0);
const INTERRUPT: Wanted = Wanted::at_most("runner/interrupt_ms", "ms", 100.0);

pub(super) const BENCHES: &[Bench] = &[
    Bench {
        figures: &[START],
        peers: false,
        run: start,
    },
    Bench {
        figures: &[INTERRUPT],
        peers: false,
        run: interrupt,
    },
];

/// From starting the process to its first request, as the server sees it.
fn start(setting: &Setting) -> Fallible<Vec<Figure>> {
    let job = Job::of(100)?;
    let mut starts = Vec::new();
    for _ in 0..setting.amount(21, 5) {
        let api = Api::builder().spawn_thread()?;
        let launch = Launch::prepare(setting, &job, &Flow::of(&api.base_url()))?;
        let began = Instant::now();
        launch.run()?;
        let first = api.stats().first.ok_or("the runner sent nothing")?;
        starts.push(millis(first.into_std() - began));
        launch::remove(&launch.folder)?;
    }
    let starts = Quartiles::of(starts);
    Ok(vec![
        START.measured(starts.median, json!({ "start_ms": starts })),
    ])
}

/// From SIGINT to the exit, less the grace, while the server answers nothing.
fn interrupt(setting: &Setting) -> Fallible<Vec<Figure>> {
    const GRACE: Duration = Duration::from_secs(1);
    let job = Job::of(1_000)?;
    let api = Api::builder().hangs(1.0).spawn_thread()?;
    let base = api.base_url();
    let flow = Flow {
        timeout: Duration::from_secs(60),
        ..Flow::of(&base)
    };
    let mut beyond = Vec::new();
    for _ in 0..setting.amount(7, 2) {
        let launch = Launch::prepare(setting, &job, &flow)?;
        let before = api.stats().requests;
        let mut child = launch.command()?.args(["--grace", "1s"]).spawn()?;
        // All that may be open are: `in_flight` of the flow.
        let asked = wait_until(&mut child, || api.stats().requests >= before + 64)?;
        if let Some(status) = asked {
            return Err(launch.complaint(&status.to_string()).into());
        }
        let told = Instant::now();
        kill(Pid::from_raw(child.id().try_into()?), Signal::SIGINT)?;
        let status = child.wait()?;
        // Below zero when it did not use up the grace.
        beyond.push(millis(told.elapsed()) - millis(GRACE));
        if status.code() != Some(4) {
            return Err(launch.complaint(&status.to_string()).into());
        }
    }
    let slowest = beyond.iter().copied().fold(f64::MIN, f64::max);
    let detail = json!({ "beyond_grace_ms": Quartiles::of(beyond), "grace_ms": millis(GRACE) });
    Ok(vec![INTERRUPT.measured(slowest, detail)])
}

/// Waits until `condition` holds; or the child's end, when that comes first.
fn wait_until(child: &mut Child, condition: impl Fn() -> bool) -> Fallible<Option<ExitStatus>> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            return Err("the runner did not send its requests within 10 s".into());
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(None)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
