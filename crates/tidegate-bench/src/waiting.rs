//! What a task that waits costs in memory, in a scope and bare: two processes, all of whose tasks wait.

use std::convert::Infallible;
use std::env;
use std::fs;
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::json;
use tidegate::{Opts, Reason, Scope, scope};
use tokio::task::yield_now;

use crate::Fallible;
use crate::figure::{Figure, Wanted};
use crate::measure::one_thread;
use crate::suite::{Bench, Setting};

const BYTES: Wanted = Wanted::at_most("scope/bytes_per_task", "bytes", 200.0);
const CANCEL: Wanted = Wanted::at_most("scope/cancel_1m_ms", "ms", 1_000.0);

/// What the futures hold. tokio rounds a task up to 128 bytes, so one size alone would show a step or none: the figure
/// is the mean.
const SIZES: [usize; 5] = [8, 64, 200, 300, 500];

/// The first argument of the process in which tasks wait.
const FLAG: &str = "--waiting";

pub(crate) const BENCHES: &[Bench] = &[Bench {
    figures: &[BYTES, CANCEL],
    peers: false,
    run: bytes_per_task,
}];

fn bytes_per_task(setting: &Setting) -> Fallible<Vec<Figure>> {
    let n = setting.amount(1_000_000, 100_000);
    let mut each = Vec::new();
    let mut slowest = 0.0_f64;
    for size in SIZES {
        let ours = in_a_process("scope", size, n)?;
        let bare = in_a_process("bare", size, n)?;
        let per_task = |waiting: &Waiting| waiting.bytes as f64 / n as f64;
        slowest = slowest.max(ours.ended_ms);
        each.push(json!({
            "held": size,
            "ours": per_task(&ours),
            "bare": per_task(&bare),
            "over": per_task(&ours) - per_task(&bare),
            "cancelled_and_joined_ms": ours.ended_ms,
        }));
    }
    let over = each.iter().filter_map(|size| size["over"].as_f64());
    let mean = over.sum::<f64>() / SIZES.len() as f64;
    let detail = json!({ "tasks": n, "by_size": each });
    Ok(vec![
        BYTES.measured(mean, detail),
        CANCEL.measured(slowest, json!({ "tasks": n, "of": "the slowest size" })),
    ])
}

/// What a process has to say of its tasks.
#[derive(Debug, Serialize, Deserialize)]
struct Waiting {
    /// Resident memory that came with them.
    bytes: u64,
    /// From telling their scope to its end. 0 for bare tasks.
    ended_ms: f64,
}

fn in_a_process(kind: &str, size: usize, n: usize) -> Fallible<Waiting> {
    let output = Command::new(env::current_exe()?)
        .args([FLAG, kind, &size.to_string(), &n.to_string()])
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("{n} waiting tasks, {kind}: {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The line for `in_a_process`, if this is such a process.
pub(crate) fn child(mut arguments: impl Iterator<Item = String>) -> Option<Fallible<String>> {
    let is_child = arguments.next()? == FLAG;
    is_child.then(|| {
        let arguments: Vec<_> = arguments.collect();
        let [kind, size, n] = &arguments[..] else {
            return Err(format!("{FLAG} KIND SIZE TASKS").into());
        };
        let n = n.parse()?;
        let waiting = match size.parse()? {
            8 => wait::<8>(kind, n),
            64 => wait::<64>(kind, n),
            200 => wait::<200>(kind, n),
            300 => wait::<300>(kind, n),
            500 => wait::<500>(kind, n),
            other => Err(format!("no future holds {other} bytes").into()),
        }?;
        Ok(serde_json::to_string(&waiting)?)
    })
}

fn wait<const SIZE: usize>(kind: &str, n: usize) -> Fallible<Waiting> {
    let runtime = one_thread()?;
    match kind {
        "scope" => runtime.block_on(in_scope::<SIZE>(n)),
        "bare" => runtime.block_on(bare::<SIZE>(n)),
        other => Err(format!("tasks of no kind: {other}").into()),
    }
}

/// How many tasks have been polled.
static POLLED: AtomicUsize = AtomicUsize::new(0);

/// Holds some bytes and never ends.
struct Held<const SIZE: usize> {
    bytes: [u8; SIZE],
}

impl<const SIZE: usize> Held<SIZE> {
    fn new() -> Self {
        Self { bytes: [1; SIZE] }
    }
}

impl<const SIZE: usize> Future for Held<SIZE> {
    type Output = Result<(), Infallible>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        POLLED.fetch_add(1, Relaxed);
        black_box(&self.bytes);
        Poll::Pending
    }
}

async fn all_polled(n: usize) {
    while POLLED.load(Relaxed) < n {
        yield_now().await;
    }
}

async fn in_scope<const SIZE: usize>(n: usize) -> Fallible<Waiting> {
    let opts = Opts::named("all").max_children(usize::MAX);
    let mut told = None;
    let mut bytes = Ok(0);
    let before = resident()?;
    let ended = scope(opts, async |s: &Scope<Infallible>| {
        for _ in 0..n {
            drop(s.spawn("one", Held::<SIZE>::new()).await);
        }
        all_polled(n).await;
        bytes = resident();
        told = Some(Instant::now());
        s.cancel(Reason::User("measured"), Duration::ZERO);
        Ok(())
    })
    .await;
    ended?;
    let told = told.ok_or("the body has run")?;
    Ok(Waiting {
        bytes: bytes?.saturating_sub(before),
        ended_ms: told.elapsed().as_secs_f64() * 1e3,
    })
}

async fn bare<const SIZE: usize>(n: usize) -> Fallible<Waiting> {
    let before = resident()?;
    for number in 1..=n {
        drop(tokio::spawn(Held::<SIZE>::new()));
        // As a scope's spawn does it, by tokio's budget: else all would be made before any is polled.
        if number % 128 == 0 {
            yield_now().await;
        }
    }
    all_polled(n).await;
    Ok(Waiting {
        bytes: resident()?.saturating_sub(before),
        ended_ms: 0.0,
    })
}

/// The resident memory of this process, in bytes.
fn resident() -> Fallible<u64> {
    const PAGE: u64 = 4096;
    let pages = fs::read_to_string("/proc/self/statm")?;
    let resident = pages.split_whitespace().nth(1);
    Ok(resident
        .ok_or("statm has a second number")?
        .parse::<u64>()?
        * PAGE)
}
