//! The account at the end of a run.

use crate::{args, out, words};
use std::{path::Path, time::Duration};
use tidegate_runner::{
    plan::{Plan, SinkTarget},
    report::{Outcome, Report},
};

/// The causes of death that are shown.
const CAUSES: usize = 8;

pub(super) fn print(report: &Report, plan: &Plan, flow: &Path, progress: args::Progress) {
    match progress {
        args::Progress::None if report.exit == 0 || report.exit == 3 => {}
        args::Progress::None => out::error(first_line(report)),
        args::Progress::Json => {
            out::say(serde_json::to_string(report).expect("a report has a form in JSON"))
        }
        args::Progress::Auto | args::Progress::Plain => {
            lines(report, plan, flow).iter().for_each(out::say)
        }
    }
}

fn first_line(report: &Report) -> String {
    let took = words::time(Duration::from_secs_f64(report.seconds));
    let why = report.stopped_by.as_deref().unwrap_or_default();
    match report.outcome {
        Outcome::Done => format!("done in {took}"),
        Outcome::DeadLetters => format!("finished with dead letters in {took}"),
        Outcome::NothingNew => format!(
            "nothing new: {} records were finished by an earlier run",
            words::count(report.skipped)
        ),
        Outcome::Limited => format!("stopped at the limit after {took}; run again to go on"),
        Outcome::Stopped => format!("stopped by {why} after {took}"),
        Outcome::GaveUp => format!("gave up after {took}: {why}"),
    }
}

fn lines(report: &Report, plan: &Plan, flow: &Path) -> Vec<String> {
    let flow = flow.display();
    let mut lines = vec![first_line(report)];
    let Report {
        read,
        done,
        dead,
        skipped,
        pending,
        ..
    } = report;
    let [read, done, dead, skipped, pending] =
        [read, done, dead, skipped, pending].map(|number| words::count(*number));
    lines.push(format!(
        "  read {read} = done {done} + dead {dead} + skipped {skipped} + pending {pending}"
    ));
    if matches!(report.outcome, Outcome::Stopped | Outcome::GaveUp) {
        lines.push("  nothing is lost: run the same command to go on from here".to_owned());
    }
    for (name, service) in report
        .services
        .iter()
        .filter(|(_, service)| service.requests > 0)
    {
        let mut line = format!("  {name}  {} requests", words::count(service.requests));
        if service.retries > 0 {
            line.push_str(&format!(
                "   {} retried",
                words::percent(service.retries as f64 / service.requests as f64)
            ));
        }
        if let Some(hedges) = service.hedges.filter(|hedges| hedges.sent > 0) {
            line.push_str(&format!(
                "   {} hedged",
                words::percent(hedges.sent as f64 / service.requests as f64)
            ));
        }
        let rate = plan
            .services
            .iter()
            .find(|plan| plan.name == *name)
            .and_then(|plan| plan.rate_text.as_deref());
        if let (Some(used), Some(rate)) = (service.rate_used, rate) {
            line.push_str(&format!("   {} of {rate} used", words::percent(used)));
        }
        if let (Some(p50), Some(p99)) = (service.latency_ms.p50, service.latency_ms.p99) {
            line.push_str(&format!(
                "   p50 {}  p99 {}",
                words::millis(p50),
                words::millis(p99)
            ));
        }
        lines.push(line);
    }
    for (name, step) in report.steps.iter().filter(|(_, step)| step.otherwise > 0) {
        lines.push(format!(
            "  {name}  {} answers replaced by `otherwise`",
            words::count(step.otherwise)
        ));
    }
    if !report.dead_by.is_empty() {
        lines.push("  dead letters, by cause:".to_owned());
        for cause in report.dead_by.iter().take(CAUSES) {
            let step = cause.step.as_deref().unwrap_or("-");
            let example = if cause.example.is_empty() {
                String::new()
            } else {
                format!("   e.g. {}", cause.example)
            };
            lines.push(format!(
                "    {:>6}  {step}  {}{example}",
                words::count(cause.count),
                shortened(&cause.cause)
            ));
        }
        if report.dead_by.len() > CAUSES {
            lines.push(format!(
                "            and {} more causes, in the report",
                report.dead_by.len() - CAUSES
            ));
        }
    }
    if let Some(place) = place(plan) {
        lines.push(format!("  result: {place}"));
    }
    if report.dead_outstanding > 0 {
        let file = plan
            .dead_letter
            .as_ref()
            .map(|dead| format!("   ({})", dead.path.display()))
            .unwrap_or_default();
        lines.push(format!("  look:   tidegate dead list {flow}{file}"));
        lines.push(format!("  again:  tidegate dead retry {flow}"));
    }
    lines
}

/// Where the result is, for people.
pub(super) fn place(plan: &Plan) -> Option<String> {
    match &plan.sink.as_ref()?.target {
        SinkTarget::Jsonl { path, .. } | SinkTarget::Csv { path, .. } => {
            path.as_ref().map(|path| path.display().to_string())
        }
        SinkTarget::Sqlite { path, table, .. } => {
            Some(format!("{}, table {table}", path.display()))
        }
    }
}

fn shortened(cause: &str) -> String {
    let line = cause.lines().next().unwrap_or_default();
    match line.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
