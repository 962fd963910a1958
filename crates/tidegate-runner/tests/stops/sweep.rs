//! The runs: one undisturbed, then two for each point, stopped and to the end.

use crate::{
    case::{Case, Flow, Outcome, RECORDS},
    checks::{check, finished, stopped},
    watch::{GRACE, Mode, Stop, Watch},
};
use std::{env, future::poll_fn, rc::Rc, sync::Arc, task::Poll, time::Duration};
use tidegate::{Opts, Scope, ScopeError, cancel::hook, root::running, scope};
use tidegate_runner::{
    engine::{self, Live, Options, RunError},
    report::Report,
};
use tokio::{
    runtime::{Builder, Handle},
    time::{sleep, timeout},
};

/// Runs that are stopped, in each way. More points than that are swept in strides, each way beginning elsewhere.
const STOPPED: usize = 25;

/// What ends later hangs.
const WITHIN: Duration = Duration::from_secs(20);

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// None if it was dropped.
    pub(crate) result: Option<Result<Report, ScopeError<RunError>>>,
    pub(crate) points: usize,
    /// Whose poll it was at which it was stopped.
    hit: Option<String>,
}

/// Stops runs of a flow at all points, or at that of `TIDEGATE_TEST_STOP`, as `drop:17`.
#[expect(clippy::print_stderr, reason = "shown when the test fails")]
pub(crate) fn sweep(flow: &Flow) {
    let (whole, points) = undisturbed(flow).unwrap_or_else(|what| panic!("undisturbed: {what}"));
    let stops = match env::var("TIDEGATE_TEST_STOP") {
        Ok(given) => vec![given.parse().unwrap_or_else(|wrong| panic!("{wrong}"))],
        Err(_) => stops(points),
    };
    let mut reached = 0;
    let mut failed = Vec::new();
    for &stop in &stops {
        match twice(flow, stop, &whole) {
            Ok(hit) => reached += usize::from(hit),
            Err(what) => failed.push(format!("TIDEGATE_TEST_STOP={stop}: {what}")),
        }
    }
    let runs = stops.len();
    eprintln!(
        "{}: {points} points, {runs} runs stopped at {reached}",
        flow.name
    );
    assert!(
        failed.is_empty(),
        "{}: {} of {runs} failed\n{}",
        flow.name,
        failed.len(),
        failed.join("\n")
    );
    // The last points of a longer run are beyond the end of a shorter one.
    assert!(
        reached * 4 >= runs * 3,
        "only {reached} of {runs} were stopped"
    );
}

fn stops(points: usize) -> Vec<Stop> {
    let stride = points.div_ceil(STOPPED).max(1);
    let mut stops = Vec::new();
    for (index, mode) in Mode::ALL.into_iter().enumerate() {
        let first = 1 + index * stride / Mode::ALL.len();
        let swept = (first..=points).step_by(stride);
        stops.extend(
            [0].into_iter()
                .chain(swept)
                .map(|point| Stop { mode, point }),
        );
    }
    stops
}

/// What comes out of a run that nobody stops, and how many points it has.
fn undisturbed(flow: &Flow) -> Result<(Outcome, usize), String> {
    let case = Case::new(flow);
    let ran = run(&case, flow, Some(None))?;
    let report = match ran.result {
        Some(Ok(report)) => report,
        other => return Err(format!("it ended with {other:?}")),
    };
    let outcome = case.outcome()?;
    let (rows, dead) = (outcome.rows.len() as u64, outcome.dead.len() as u64);
    check(
        (report.done, report.dead) == (rows, dead)
            && rows + dead == RECORDS
            && outcome.ids == (1..=RECORDS).collect(),
        || format!("{outcome:?} came out of {report:?}"),
    )?;
    let stats = case.api.stats();
    let misbehaved = dead > 0 && stats.unavailable > 0;
    check(misbehaved == flow.misbehaves, || {
        format!("the API has seen {stats:?}")
    })?;
    Ok((outcome, ran.points))
}

/// Whether the point was reached.
fn twice(flow: &Flow, stop: Stop, whole: &Outcome) -> Result<bool, String> {
    let case = Case::new(flow);
    let first = run(&case, flow, Some(Some(stop)))?;
    let at = first.hit.as_deref().unwrap_or("no point");
    let between = stopped(&case, flow, stop.mode, &first)
        .map_err(|what| format!("stopped at {at}: {what}"))?;
    let second = run(&case, flow, None).map_err(|what| format!("stopped at {at}, then {what}"))?;
    finished(&case, flow, stop.mode, &second, &between, whole)
        .map_err(|what| format!("stopped at {at}, then run again: {what}"))?;
    Ok(first.hit.is_some() || stop.point == 0)
}

/// Runs a flow as the program does, in the runtime that it takes. `watched`: with a hook, which may stop it.
fn run(case: &Case, flow: &Flow, watched: Option<Option<Stop>>) -> Result<Ran, String> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("the system gives what a runtime needs");
    let watch = Rc::new(Watch::new(watched.flatten()));
    let hooked = watched.map(|_| hook::install(watch.clone()));
    let ran: Result<_, String> = runtime.block_on(async {
        let result = timeout(WITHIN, drive(case, flow, &watch, hooked.is_some())).await;
        let result = result.map_err(|_| format!("it has not ended: {:?}", left(flow)))?;
        nothing_left(flow).await?;
        Ok(result)
    });
    drop(hooked);
    Ok(Ran {
        result: ran?,
        points: watch.points(),
        hit: watch.hit(),
    })
}

/// Not with `root::run`, which lists a thread that has not ended 100 ms after the grace, and goes on: here it has to end.
async fn drive(
    case: &Case,
    flow: &Flow,
    watch: &Watch,
    splits: bool,
) -> Option<Result<Report, ScopeError<RunError>>> {
    let plan = case.plan.clone();
    let options = Options {
        grace: GRACE,
        ..Options::default()
    };
    let opts = Opts::named(flow.name).grace(GRACE);
    let mut whole = Some(Box::pin(scope(opts, async |s: &Scope<RunError>| {
        watch.enter(s);
        engine::run(plan, options, Arc::new(Live::default())).await
    })));
    poll_fn(|cx| {
        let Some(future) = whole.as_mut() else {
            return Poll::Ready(None);
        };
        if !splits {
            return future.as_mut().poll(cx).map(Some);
        }
        match watch.poll_main(cx, |cx| future.as_mut().poll(cx)) {
            Some(polled) => polled.map(Some),
            None => {
                whole = None;
                Poll::Ready(None)
            }
        }
    })
    .await
}

/// Waits until the threads and the tasks of a run have ended; those of connections end when their client is gone.
async fn nothing_left(flow: &Flow) -> Result<(), String> {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let ended = timeout(WITHIN, async {
        while !left(flow).is_empty() || tasks() > 0 {
            // What a thread does is not seen by the runtime, so it is looked for again and again.
            sleep(Duration::from_millis(1)).await;
        }
    });
    let ended = ended.await;
    ended.map_err(|_| format!("left running: {:?} and {} tasks", left(flow), tasks()))
}

/// What runs of this flow, of all that runs in this process.
fn left(flow: &Flow) -> Vec<String> {
    let mine = |path: &str| path.split('/').next() == Some(flow.name);
    running()
        .iter()
        .filter(|task| mine(&task.path))
        .map(ToString::to_string)
        .collect()
}
