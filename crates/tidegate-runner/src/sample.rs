//! The requests of the first records, as they would be sent: for `check --sample`. Nothing is sent.

use crate::{
    call::{Bell, Service, Work, preview},
    engine::RunError,
    expr::{Globals, RunInfo, Scope, json},
    journal::Mark,
    output::Shape,
    plan::Plan,
    record::{self, Record},
};
use std::{
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize},
    },
};
use tidegate::stream::Drain;

/// Stands for the value of a variable until the text is made; shown as dots.
const SECRET: &str = "tidegate-hidden-value";

/// The requests of the first `count` records, of the steps that need no answer of another one.
///
/// # Errors
/// What keeps the source or a service from being opened.
pub fn requests(plan: &Arc<Plan>, count: usize) -> Result<String, RunError> {
    let env = plan
        .env
        .keys()
        .map(|name| (name.clone(), SECRET.to_owned()))
        .collect();
    let steps = plan.steps.iter().map(|step| step.name.clone()).collect();
    let run = RunInfo {
        id: "sample".to_owned(),
        started: crate::journal::now(),
    };
    let globals = Arc::new(Globals::new(steps, env, plan.vars.clone(), run));
    let services = plan
        .services
        .iter()
        .map(|service| Service::new(service, &globals, 1))
        .collect::<Result<_, _>>()?;
    let mut source =
        record::Opened::open(plan, Mark::default(), &Arc::new(AtomicBool::new(false)))?;
    let shape = Shape::new(plan, source.columns());
    let work = Work {
        plan: plan.clone(),
        globals,
        services,
        shape,
        journal: [0; 16],
        drain: Drain::new(),
        bell: Bell::default(),
        begun: AtomicUsize::new(0),
    };
    let mut text = String::new();
    for position in 0..count as u64 {
        let Some(record::Seen { start, json: raw }) = source.next_json()? else {
            break;
        };
        let shown = raw.and_then(|raw| match json::parse(&raw) {
            Ok(value) => Ok((raw, value)),
            Err(error) => Err(format!("not JSON: {error}")),
        });
        let (raw, value) = match shown {
            Ok(record) => record,
            Err(cause) => {
                line(
                    &mut text,
                    &format!("line {}: a dead letter: {cause}", start.line),
                );
                continue;
            }
        };
        line(
            &mut text,
            &format!("line {}: {}", start.line, String::from_utf8_lossy(&raw)),
        );
        let record = Record {
            position,
            start,
            scope: Some(Scope::new(&work.globals, value)),
            raw,
            key: None,
            identity: [0; 16],
            occurrence: 1,
            generation: 0,
            retry_of: None,
        };
        for (index, step) in plan.steps.iter().enumerate() {
            let request = match (step.needs.is_empty(), step.each.is_some()) {
                (true, false) => preview(&work, &record, index),
                (true, true) => Ok(format!("{} for each item of a list", step.shown)),
                (false, _) => Ok(format!("{} needs an answer first", step.shown)),
            };
            match request {
                Ok(request) => line(
                    &mut text,
                    &format!("  {}: {}", step.name, request.replace('\n', "\n    ")),
                ),
                Err(cause) => line(
                    &mut text,
                    &format!("  {}: a dead letter: {cause}", step.name),
                ),
            }
        }
    }
    Ok(text.replace(SECRET, "•••"))
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a text takes every line");
}
