//! An API with a strict limit that also fails: how much of the limit is used, and whether it is ever overrun.

use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;
use tidegate_test::{Api, Builder, Stats};

use super::launch::{self, Hedges, Launch, Report};
use crate::Fallible;
use crate::figure::{Figure, Wanted};
use crate::job::{Flow, Job};
use crate::measure::{Quartiles, longest_stall};
use crate::suite::{Bench, Setting};

const LIMIT_USED: Wanted = Wanted::at_least("runner/flaky_limit_used", "share", 0.92);
const OVERRUN: Wanted = Wanted::at_most("runner/flaky_overrun", "requests", 0.0);
/// Seconds with `hedge: true` for each second without. Not the share of the limit: a hedge is a request, so whoever sends
/// needless ones uses more of it.
const HEDGED: Wanted = Wanted::at_most("runner/flaky_hedged", "ratio", 1.0);
const LIMIT_USED_10K: Wanted = Wanted::at_least("runner/flaky_limit_used_10k", "share", 0.99);

pub(super) const BENCHES: &[Bench] = &[
    Bench {
        figures: &[LIMIT_USED, OVERRUN, HEDGED],
        peers: false,
        run: five_seeds,
    },
    Bench {
        figures: &[LIMIT_USED_10K],
        peers: false,
        run: ten_thousand_rows,
    },
];

const LIMIT: u32 = 100;
const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];

/// What one run was like.
#[derive(Debug, Serialize)]
struct Run {
    seed: u64,
    /// With `hedge: true`.
    hedges: Option<Hedges>,
    /// Of the requests that the limit allows between the first and the last one.
    limit_used: f64,
    rate_max_1s: u64,
    /// Requests beyond the limit and one, in the worst second. The one: a request may take longer to arrive than the
    /// one that follows a second later.
    overrun: u64,
    /// The longest time the machine left a thread waiting for a processor. As many requests as are due in this time can
    /// look like an overrun although they were sent one by one.
    stall_ms: f64,
    requests: u64,
    seconds: f64,
    done: u64,
    dead: u64,
    adds_up: bool,
}

fn five_seeds(setting: &Setting) -> Fallible<Vec<Figure>> {
    let job = Job::of(setting.amount(1_000, 200))?;
    let seeds = &SEEDS[..setting.amount(5, 1)];
    let (mut runs, mut hedged) = (Vec::new(), Vec::new());
    for seed in seeds {
        // One after the other, so that what else the machine does is the same for both.
        runs.push(run(setting, &job, *seed, false, |_| ())?);
        hedged.push(run(setting, &job, *seed, true, |_| ())?);
    }
    let brown_out = run(setting, &job, 0, false, brown_out)?;
    let all = || runs.iter().chain(&hedged).chain([&brown_out]);
    if let Some(wrong) = all().find(|run| !run.adds_up) {
        return Err(format!("the rows do not add up: {wrong:?}").into());
    }
    let used = Quartiles::of(runs.iter().map(|run| run.limit_used));
    let overrun = all().map(|run| run.overrun).max().unwrap_or(0);
    let worst: Vec<_> = all().map(|run| (run.rate_max_1s, run.stall_ms)).collect();
    Ok(vec![
        LIMIT_USED.measured(used.median, json!({ "limit_used": used, "runs": runs })),
        OVERRUN.measured(
            overrun as f64,
            json!({ "rate_max_1s_and_stall_ms": worst, "brown_out": brown_out }),
        ),
        hedging(&runs, &hedged),
    ])
}

/// Compares the whole of both, as a seed decides which requests are late, and so how much there is to gain.
fn hedging(plain: &[Run], hedged: &[Run]) -> Figure {
    let total = |runs: &[Run]| {
        let seconds: f64 = runs.iter().map(|run| run.seconds).sum();
        let requests: u64 = runs.iter().map(|run| run.requests).sum();
        (seconds, requests)
    };
    let ((before, asked), (after, asked_hedged)) = (total(plain), total(hedged));
    HEDGED.measured(
        after / before,
        json!({
            "seconds": [before, after],
            "requests": [asked, asked_hedged],
            "limit_used": Quartiles::of(hedged.iter().map(|run| run.limit_used)),
            "runs": hedged,
        }),
    )
}

fn ten_thousand_rows(setting: &Setting) -> Fallible<Vec<Figure>> {
    let job = Job::of(setting.amount(10_000, 400))?;
    let run = run(setting, &job, SEEDS[0], false, |_| ())?;
    if !run.adds_up {
        return Err(format!("the rows do not add up: {run:?}").into());
    }
    Ok(vec![LIMIT_USED_10K.measured(run.limit_used, json!(run))])
}

/// Runs the job once, while `meanwhile` does something to the API.
fn run(
    setting: &Setting,
    job: &Job,
    seed: u64,
    hedged: bool,
    meanwhile: impl FnOnce(&Api),
) -> Fallible<Run> {
    let api = flaky(seed).spawn_thread()?;
    let base = api.base_url();
    let flow = Flow {
        rate: LIMIT,
        hedge: hedged,
        ..Flow::of(&base)
    };
    let launch = Launch::prepare(setting, job, &flow)?;
    let (ran, stall) = longest_stall(|| {
        thread::scope(|scope| {
            let running = scope.spawn(|| launch.run());
            meanwhile(&api);
            running.join().map_err(|_| "the run panicked")?
        })
    });
    let (_, report) = ran?;
    launch::remove(&launch.folder)?;
    Ok(Run::of(seed, stall, &api.stats(), &report, job.rows))
}

/// 5 % 503, 2 % 429, 1 % never answered, 1 % gone.
fn flaky(seed: u64) -> Builder {
    Api::builder()
        .seed(seed)
        .unavailable(0.05)
        .throttled(0.02, 1)
        .hangs(0.01)
        .gone(0.01)
        .rate_limit(LIMIT)
}

/// For 3 s in the midst of the run nothing is answered in time.
fn brown_out(api: &Api) {
    const LENGTH: Duration = Duration::from_secs(3);
    let give_up = Instant::now() + Duration::from_secs(10);
    while api.stats().requests < 2 * u64::from(LIMIT) && Instant::now() < give_up {
        thread::sleep(Duration::from_millis(5));
    }
    api.brown_out(0.0, Duration::from_secs(60));
    thread::sleep(LENGTH);
    api.come_up();
}

impl Run {
    fn of(seed: u64, stall: Duration, stats: &Stats, report: &Report, rows: u64) -> Self {
        let seconds = match (stats.first, stats.last) {
            (Some(first), Some(last)) => (last - first).as_secs_f64(),
            _ => 0.0,
        };
        let limit = u64::from(LIMIT);
        Self {
            seed,
            hedges: report.hedges(),
            limit_used: stats.requests as f64 / (limit as f64 * seconds),
            rate_max_1s: stats.rate_max_1s,
            overrun: stats.rate_max_1s.saturating_sub(limit + 1),
            stall_ms: stall.as_secs_f64() * 1e3,
            requests: stats.requests,
            seconds,
            done: report.done,
            dead: report.dead,
            adds_up: report.adds_up_to(rows),
        }
    }
}
