//! The steps of one record, each started as soon as those it needs have ended.

use super::{
    Service,
    clock::Clock,
    http::call,
    outcome::{Answered, Death, End, Failed, Unfinished, Worked},
};
use crate::{
    expr::{EvalError, Globals, Scope, StepValue},
    output::Shape,
    plan::{EachPlan, Plan, StepPlan},
    record::Record,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use minijinja::{Value, value::ValueKind};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tidegate::stream::Drain;
use tokio::sync::Notify;

/// What every record of a run shares.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) plan: Arc<Plan>,
    pub(crate) globals: Arc<Globals>,
    pub(crate) services: Vec<Service>,
    pub(crate) shape: Shape,
    /// The journal's identity, for idempotency keys.
    pub(crate) journal: [u8; 16],
    /// Set when the run stops: records for which nothing was sent are given up.
    pub(crate) drain: Drain,
    pub(crate) bell: Bell,
    /// Records that have begun; the engine knows how many it has launched.
    pub(crate) begun: AtomicUsize,
}

/// Tells the engine that a service has room again, when it waits for that.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    hungry: AtomicBool,
    rung: Notify,
}

impl Bell {
    /// From now on the end of a call is told.
    pub(crate) fn ask(&self) {
        self.hungry.store(true, Relaxed);
    }

    /// A call has ended and its record goes on, or a place at a gate is free.
    pub(super) fn ring(&self) {
        if self.hungry.load(Relaxed) && self.hungry.swap(false, Relaxed) {
            self.rung.notify_one();
        }
    }

    /// Waits for the bell.
    ///
    /// # Cancel safety
    /// A ring that nobody waited for is kept for the next one who waits.
    pub(crate) async fn rung(&self) {
        self.rung.notified().await;
    }
}

/// One record under way.
pub(super) struct Working<'r> {
    pub(super) record: &'r Record,
    /// A request has left for it.
    pub(super) sent: AtomicBool,
    /// It will not succeed: no first attempt leaves any more.
    pub(super) failed: AtomicBool,
    /// Calls that were sent, have not ended, and must neither be dropped in the middle nor repeated.
    pub(super) open_unsafe: AtomicUsize,
    pub(super) clock: Clock,
}

impl<'r> Working<'r> {
    pub(super) fn new(record: &'r Record, deadline: Option<Duration>) -> Working<'r> {
        Working {
            record,
            sent: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            open_unsafe: AtomicUsize::new(0),
            clock: Clock::new(deadline),
        }
    }
}

/// Works on a record until it is done, dead or given up.
///
/// # Cancel safety
/// Dropping it drops the calls in progress; what was sent may be carried out. The record is then as if it was not taken.
pub(crate) async fn work_on(work: Arc<Work>, mut record: Box<Record>) -> Worked {
    work.begun.fetch_add(1, Relaxed);
    let mut marks = Marks::default();
    let mut refused = Vec::new();
    let scope = record.scope.take().expect("a record is worked on once");
    let working = Working::new(&record, work.plan.records.deadline);
    let end = {
        let steps = run_steps(&work, &working, scope, &mut marks, &mut refused);
        // A record waits for its first token as long as the run goes on; once it stops, what has not left will not leave.
        work.drain
            .unless_drained(|| working.sent.load(Relaxed), steps)
            .await
    };
    let end = end.unwrap_or(End::Unfinished(Unfinished::Drained));
    Worked {
        record,
        end,
        ok: marks.ok,
        otherwise: marks.otherwise,
        skipped: marks.skipped,
        refused,
    }
}

/// One bit per step.
#[derive(Clone, Copy, Default)]
struct Marks {
    ended: u64,
    ok: u64,
    otherwise: u64,
    skipped: u64,
}

async fn run_steps(
    work: &Work,
    working: &Working<'_>,
    scope: Scope,
    marks: &mut Marks,
    refused: &mut Vec<Death>,
) -> End {
    let steps = &work.plan.steps;
    let mut running = FuturesUnordered::new();
    let mut started = 0u64;
    let mut failure = None;
    loop {
        if failure.is_none() {
            for (index, step) in steps.iter().enumerate() {
                let ready = step.needs.iter().all(|need| marks.ended & bit(*need) != 0);
                if started & bit(index) == 0 && ready {
                    started |= bit(index);
                    running.push(run_step(work, working, index, &scope));
                }
            }
        } else if working.open_unsafe.load(Relaxed) == 0 {
            // What waits for its turn is dropped; what was sent and must not be repeated was waited for.
            break;
        }
        let Some((index, stepped)) = running.next().await else {
            break;
        };
        marks.ended |= bit(index);
        if !running.is_empty() || started.count_ones() < steps.len() as u32 {
            work.bell.ring();
        }
        match stepped {
            Ok(Stepped::Answered) => marks.ok |= bit(index),
            Ok(Stepped::Skipped) => marks.skipped |= bit(index),
            Ok(Stepped::Otherwise(death)) => {
                marks.otherwise |= bit(index);
                refused.push(*death);
            }
            Err(failed) => {
                working.failed.store(true, Relaxed);
                failure = failure.or(Some(failed));
            }
        }
    }
    match failure {
        None => match work.shape.row(&scope, working.record) {
            Ok(row) => End::Done(row),
            Err(error) => End::Dead(Box::new(Death {
                cause: error.to_string(),
                template: true,
                ..Death::default()
            })),
        },
        Some(Failed::Dead(death)) => End::Dead(death),
        Some(Failed::Unfinished(why)) => End::Unfinished(why),
    }
}

fn bit(index: usize) -> u64 {
    1 << index
}

enum Stepped {
    Answered,
    Skipped,
    Otherwise(Box<Death>),
}

async fn run_step(
    work: &Work,
    working: &Working<'_>,
    index: usize,
    scope: &Scope,
) -> (usize, Result<Stepped, Failed>) {
    let step = &work.plan.steps[index];
    let result = match skipped(step, scope) {
        Err(error) => Err(template_fault(index, &error)),
        Ok(true) => {
            scope.set_step(index, none());
            Ok(Stepped::Skipped)
        }
        Ok(false) => match answers(work, working, index, scope).await {
            Ok(answered) => {
                scope.set_step(
                    index,
                    StepValue {
                        body: answered.body,
                        status: answered.status,
                        headers: answered.headers,
                        attempts: answered.attempts,
                        error: None,
                    },
                );
                Ok(Stepped::Answered)
            }
            Err(Failed::Dead(death)) if !death.template => instead(step, scope, index, death),
            Err(failed) => Err(failed),
        },
    };
    (index, result)
}

/// `otherwise`: the record goes on with a value that stands in for the answer.
fn instead(
    step: &StepPlan,
    scope: &Scope,
    index: usize,
    death: Box<Death>,
) -> Result<Stepped, Failed> {
    let Some(otherwise) = &step.otherwise else {
        return Err(Failed::Dead(death));
    };
    let body = otherwise
        .eval(scope)
        .map_err(|error| template_fault(index, &error))?;
    scope.set_step(
        index,
        StepValue {
            body,
            status: death.status,
            headers: Value::from(()),
            attempts: death.attempts,
            error: Some(scope.globals().redact(&death.cause).into_owned()),
        },
    );
    Ok(Stepped::Otherwise(death))
}

fn skipped(step: &StepPlan, scope: &Scope) -> Result<bool, EvalError> {
    step.when
        .as_ref()
        .map_or(Ok(false), |when| when.eval_condition(scope).map(|run| !run))
}

/// The value of a step that `when` leaves out.
fn none() -> StepValue {
    StepValue {
        body: Value::from(()),
        status: None,
        headers: Value::from(()),
        attempts: 0,
        error: None,
    }
}

fn template_fault(index: usize, error: &EvalError) -> Failed {
    Failed::Dead(Box::new(Death {
        step: Some(index),
        cause: error.to_string(),
        template: true,
        ..Death::default()
    }))
}

/// The calls of one step.
#[derive(Debug, Default)]
pub(super) struct Flight {
    /// One has failed: no first attempt of another one leaves any more.
    pub(super) failed: AtomicBool,
    /// As `open_unsafe` of the record.
    pub(super) open_unsafe: AtomicUsize,
}

/// The step's call, or its calls over a list.
async fn answers(
    work: &Work,
    working: &Working<'_>,
    index: usize,
    scope: &Scope,
) -> Result<Answered, Failed> {
    let step = &work.plan.steps[index];
    let flight = Flight::default();
    let Some(each) = &step.each else {
        return call(work, working, &flight, index, scope, None).await;
    };
    let items = items(each, index, scope)?;
    let mut bodies = vec![Value::from(()); items.len()];
    let mut items = items.into_iter().enumerate();
    let mut attempts = 0;
    let mut failure = None;
    // No more at once than the service takes: the rest would only wait in its queue.
    let at_once = work.plan.services[step.service].in_flight;
    let mut running = FuturesUnordered::new();
    loop {
        let goes_on = failure.is_none() && !working.failed.load(Relaxed);
        while goes_on
            && running.len() < at_once
            && let Some((position, item)) = items.next()
        {
            let scope = scope.with_item(item, position);
            let flight = &flight;
            running.push(async move {
                let answered = call(work, working, flight, index, &scope, Some(position)).await;
                (position, answered)
            });
        }
        if !goes_on && flight.open_unsafe.load(Relaxed) == 0 {
            break;
        }
        let Some((position, answered)) = running.next().await else {
            break;
        };
        match answered {
            Ok(answered) => {
                attempts += answered.attempts;
                bodies[position] = answered.body;
            }
            Err(Failed::Dead(death)) if each.keep_errors && !death.template => {
                attempts += death.attempts;
            }
            Err(mut failed) => {
                flight.failed.store(true, Relaxed);
                if let Failed::Dead(death) = &mut failed {
                    death.cause = format!("item {position}: {}", death.cause);
                }
                failure = failure.or(Some(failed));
            }
        }
    }
    match failure {
        Some(failed) => Err(failed),
        // The record has failed elsewhere, and that is what counts.
        None if working.failed.load(Relaxed) => Err(Failed::Unfinished(Unfinished::Drained)),
        None => Ok(Answered {
            body: Value::from(bodies),
            status: None,
            headers: Value::from(()),
            attempts,
        }),
    }
}

/// The items of an `each`.
fn items(each: &EachPlan, index: usize, scope: &Scope) -> Result<Vec<Value>, Failed> {
    let dead = |cause: String| {
        Failed::Dead(Box::new(Death {
            step: Some(index),
            cause,
            template: true,
            ..Death::default()
        }))
    };
    let source = each.over.source();
    let list = each
        .over
        .eval(scope)
        .map_err(|error| template_fault(index, &error))?;
    if list.kind() != ValueKind::Seq {
        return Err(dead(format!("`each: {source}` is not a list")));
    }
    match list.len() {
        Some(length) if length > each.max => Err(dead(format!(
            "`each: {source}` has {length} items, more than {}",
            each.max
        ))),
        _ => Ok(list
            .try_iter()
            .map_err(|error| dead(error.to_string()))?
            .collect()),
    }
}
