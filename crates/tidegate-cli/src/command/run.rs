//! `tidegate run`.

use super::{UNEXPECTED, load, summary};
use crate::{
    args::{How, Run},
    out,
    progress::Progress,
};
use std::{fs, path::Path, sync::Arc};
use tidegate::{
    ScopeError,
    root::{self, Ended, Shutdown},
};
use tidegate_runner::{
    engine::{self, Live, Options, RunError},
    plan::Plan,
    report::Report,
};

pub(super) fn run(args: &Run) -> u8 {
    let (plan, warnings) = match load(&args.which.flow, &args.which.given) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    if args.how.progress != crate::args::Progress::None {
        warnings
            .iter()
            .for_each(|warning| out::say(warning.render(out::look())));
    }
    let options = Options {
        limit: args.how.limit,
        fresh: args.fresh,
        accept_flow_change: args.accept_flow_change,
        state: args.which.state.clone(),
        grace: args.how.grace,
        ..Options::default()
    };
    execute(plan, options, &args.how, &args.which.flow)
}

/// Runs a plan with progress, report and account; `flow` is what the user calls it.
pub(super) fn execute(plan: Arc<Plan>, options: Options, how: &How, flow: &Path) -> u8 {
    match report(plan.clone(), options, how) {
        Ok(report) => {
            summary::print(&report, &plan, flow, how.progress);
            write_report(&report, how.report.as_deref()).unwrap_or(report.exit)
        }
        Err(code) => code,
    }
}

/// Runs a plan; an error is shown, and the exit code is its own.
pub(super) fn report(plan: Arc<Plan>, options: Options, how: &How) -> Result<Report, u8> {
    let live = Arc::new(Live::default());
    let on = Shutdown::new().grace(options.grace).on_force(|_| {
        out::say(
            "stopped at once: nothing that was finished is lost; run the same command to go on",
        );
        std::process::exit(4);
    });
    let progress = Progress::new(how.progress, &plan);
    let ended = root::run(
        on,
        "tidegate",
        async move |scope: &tidegate::Scope<RunError>| {
            // Dropping the sender ends the progress thread.
            let (run_is_over, over) = std::sync::mpsc::sync_channel::<()>(0);
            let shown = live.clone();
            let showing = scope.spawn_thread("progress", move |_| {
                progress.show_until(&over, &shown);
                Ok(())
            });
            // Without a thread to spare the run goes on unseen.
            drop(showing);
            let report = engine::run(plan, options, live).await;
            drop(run_is_over);
            report
        },
    );
    let Ended {
        result,
        survivors,
        unclaimed,
        ..
    } = ended;
    survivors
        .iter()
        .for_each(|survivor| out::say(format!("still running at the end: {survivor}")));
    unclaimed
        .iter()
        .for_each(|orphan| out::error(format!("in a task that nobody waited for: {orphan}")));
    match result {
        Ok(report) if unclaimed.is_empty() => Ok(report),
        Ok(_) => Err(UNEXPECTED),
        Err(error) => Err(failed(error)),
    }
}

fn failed(error: ScopeError<RunError>) -> u8 {
    match error {
        ScopeError::Failed(failures) => match failures.first.what {
            tidegate::What::Error(error) => {
                out::error(&error);
                error.exit()
            }
            what => {
                out::error(format!("a bug in tidegate: {what:?}"));
                UNEXPECTED
            }
        },
        ScopeError::Cancelled(why) => {
            out::say(format!(
                "the grace ran out before the run could end in order ({why}); what was committed stands: \
                 run the same command to go on"
            ));
            4
        }
    }
}

/// Some code if the report cannot be written.
fn write_report(report: &Report, path: Option<&Path>) -> Option<u8> {
    let path = path?;
    let mut text = serde_json::to_string_pretty(report).expect("a report has a form in JSON");
    text.push('\n');
    let error = fs::write(path, text).err()?;
    out::error(format!(
        "cannot write the report to `{}`: {error}",
        path.display()
    ));
    Some(if report.exit == 0 {
        UNEXPECTED
    } else {
        report.exit
    })
}
