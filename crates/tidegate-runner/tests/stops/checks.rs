//! What must be true of a run that was stopped, and of the one after it.

use crate::{
    case::{Case, Flow, IN_FLIGHT, Outcome, RECORDS, STEPS},
    sweep::Ran,
    watch::Mode,
};
use std::collections::BTreeMap;
use tidegate::ScopeError;
use tidegate_runner::report::Report;

/// What is known between the two runs.
#[derive(Debug)]
pub(crate) struct Between {
    settled: u64,
    outcome: Outcome,
    asked: BTreeMap<String, u64>,
}

pub(crate) fn check(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// A run was stopped in this way, and nothing of it is left.
pub(crate) fn stopped(case: &Case, flow: &Flow, mode: Mode, ran: &Ran) -> Result<Between, String> {
    case.is_free()?;
    let settled = case.settled()?;
    check(settled.is_some() || ran.points == 0, || {
        "there is no journal".to_owned()
    })?;
    let between = Between {
        settled: settled.unwrap_or(0),
        outcome: case.outcome()?,
        asked: case.asked(),
    };
    check(
        between.outcome.ids.len() as u64 == between.settled
            && (between.outcome.rows.len() + between.outcome.dead.len()) as u64 == between.settled,
        || {
            format!(
                "{} are settled, but the sink and the dead letters have {:?}",
                between.settled, between.outcome.ids
            )
        },
    )?;
    match (&ran.result, mode) {
        (None, Mode::Drop) | (Some(Err(ScopeError::Cancelled(_))), Mode::Cut) => {}
        (Some(Ok(report)), _) => reported(flow, mode, report, &between)?,
        (other, _) => return Err(format!("it ended with {other:?}")),
    }
    Ok(between)
}

fn reported(flow: &Flow, mode: Mode, report: &Report, between: &Between) -> Result<(), String> {
    let Report {
        read,
        done,
        dead,
        skipped,
        pending,
        ..
    } = *report;
    let counts =
        || format!("{read} read, {done} done, {dead} dead, {skipped} skipped, {pending} pending");
    check(
        read == done + dead + skipped + pending && skipped == 0,
        counts,
    )?;
    check(done + dead == between.settled, || {
        format!("{}, but {} are settled", counts(), between.settled)
    })?;
    if mode != Mode::Stop {
        return Ok(());
    }
    let asked: u64 = between.asked.values().sum();
    let is_right = match flow.misbehaves {
        // While the service counts as down, records that were taken wait for their first call.
        true => pending <= IN_FLIGHT,
        false => pending == 0 && asked == done * STEPS,
    };
    check(is_right, || format!("{}, after {asked} requests", counts()))
}

/// The run after it has done the rest, and nothing but the rest: a tighter bound than what a run may have to repeat, its
/// records in flight and in the batch that is open.
pub(crate) fn finished(
    case: &Case,
    flow: &Flow,
    mode: Mode,
    ran: &Ran,
    between: &Between,
    whole: &Outcome,
) -> Result<(), String> {
    let Some(Ok(report)) = &ran.result else {
        return Err(format!("it ended with {:?}", ran.result));
    };
    case.is_free()?;
    check(report.skipped == between.settled, || {
        format!(
            "{} were skipped, but {} settled before",
            report.skipped, between.settled
        )
    })?;
    check(
        report.pending == 0 && report.done + report.dead + report.skipped == RECORDS,
        || format!("an account that is not whole: {report:?}"),
    )?;
    let outcome = case.outcome()?;
    check(outcome == *whole, || {
        format!("it left {outcome:?}, an undisturbed run {whole:?}")
    })?;
    let asked = case.asked();
    for id in &between.outcome.ids {
        for path in [format!("/users/{id}"), format!("/orders/{id}")] {
            let (now, before) = (asked.get(&path), between.asked.get(&path));
            check(now == before, || {
                format!("{path} was asked again, although it was settled: {before:?}, then {now:?}")
            })?;
        }
    }
    // Of a record that is not settled at most everything is asked once more, and nothing after a stop in order.
    let most = if mode == Mode::Stop { 1 } else { 2 };
    let often = asked.iter().find(|(_, times)| **times > most);
    check(flow.misbehaves || often.is_none(), || {
        format!("{often:?} requests, at most {most} are needed")
    })
}
