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
    plan::{Plan, StepPlan},
    record::Record,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use minijinja::Value;
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

    /// A call has ended, and its record goes on.
    fn ring(&self) {
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
    pub(super) clock: Clock,
}

impl<'r> Working<'r> {
    pub(super) fn new(record: &'r Record, deadline: Option<Duration>) -> Working<'r> {
        Working {
            record,
            sent: AtomicBool::new(false),
            clock: Clock::new(deadline),
        }
    }
}

/// Works on a record until it is done, dead or given up.
///
/// # Cancel safety
/// Dropping it drops the calls in progress; what was sent may be carried out. The record is then as if it was not taken.
pub(crate) async fn work_on(work: Arc<Work>, record: Box<Record>) -> Worked {
    work.begun.fetch_add(1, Relaxed);
    let mut marks = Marks::default();
    let working = Working::new(&record, work.plan.records.deadline);
    let end = {
        let steps = run_steps(&work, &working, &mut marks);
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

async fn run_steps(work: &Work, working: &Working<'_>, marks: &mut Marks) -> End {
    let scope = Scope::new(&work.globals, working.record.value.clone());
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
        } else if !unfinished_business(steps, started & !marks.ended) {
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
            Ok(Stepped::Otherwise) => marks.otherwise |= bit(index),
            Err(failed) => failure = failure.or(Some(failed)),
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

/// Whether a step is under way that must not be dropped in the middle, although the record has failed.
fn unfinished_business(steps: &[StepPlan], running: u64) -> bool {
    steps
        .iter()
        .enumerate()
        .any(|(index, step)| running & bit(index) != 0 && !step.idempotent)
}

enum Stepped {
    Answered,
    Skipped,
    Otherwise,
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
            scope.set_step(index, none(None));
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
            error: Some(death.cause),
        },
    );
    Ok(Stepped::Otherwise)
}

fn skipped(step: &StepPlan, scope: &Scope) -> Result<bool, EvalError> {
    step.when
        .as_ref()
        .map_or(Ok(false), |when| when.eval_condition(scope).map(|run| !run))
}

fn none(error: Option<String>) -> StepValue {
    StepValue {
        body: Value::from(()),
        status: None,
        headers: Value::from(()),
        attempts: 0,
        error,
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

/// The step's call, or its calls over a list.
async fn answers(
    work: &Work,
    working: &Working<'_>,
    index: usize,
    scope: &Scope,
) -> Result<Answered, Failed> {
    let step = &work.plan.steps[index];
    let Some(each) = &step.each else {
        return call(work, working, index, scope, None).await;
    };
    let dead = |cause: String| {
        Failed::Dead(Box::new(Death {
            step: Some(index),
            cause,
            template: true,
            ..Death::default()
        }))
    };
    let list = each
        .over
        .eval(scope)
        .map_err(|error| template_fault(index, &error))?;
    let length = list
        .len()
        .filter(|_| list.kind() == minijinja::value::ValueKind::Seq);
    let length =
        length.ok_or_else(|| dead(format!("`each: {}` is not a list", each.over.source())))?;
    if length > each.max {
        return Err(dead(format!(
            "`each: {}` has {length} items, more than {}",
            each.over.source(),
            each.max
        )));
    }
    let mut items = list
        .try_iter()
        .map_err(|error| dead(error.to_string()))?
        .enumerate();
    let mut bodies = vec![Value::from(()); length];
    let mut attempts = 0;
    // No more at once than the service takes: the rest would only wait in its queue.
    let at_once = work.plan.services[step.service].in_flight;
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < at_once
            && let Some((position, item)) = items.next()
        {
            let scope = scope.with_item(item, position);
            running.push(async move {
                (
                    position,
                    call(work, working, index, &scope, Some(position)).await,
                )
            });
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
                attempts += death.attempts
            }
            Err(Failed::Dead(mut death)) => {
                death.cause = format!("item {position}: {}", death.cause);
                return Err(Failed::Dead(death));
            }
            Err(failed) => return Err(failed),
        }
    }
    Ok(Answered {
        body: Value::from(bodies),
        status: None,
        headers: Value::from(()),
        attempts,
    })
}
