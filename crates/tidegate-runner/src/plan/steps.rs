//! `steps:`.

use http::Method;
use std::collections::BTreeMap;

use super::{
    BodyPlan, CallPlan, EachPlan, MAX_STEPS, StepPlan, classify,
    compiler::{Compiler, Place},
    names::Reach,
    order, services, targets,
};
use crate::{
    expr::Position,
    flow::{Fault, Kind, Node, Span, Spanned, Step, did_you_mean},
};

/// The steps in an order in which each one's needs come before it.
pub(super) fn compile(compiler: &mut Compiler<'_>) -> Option<Vec<StepPlan>> {
    let mut steps = Vec::new();
    let mut uses = Vec::new();
    let written = &compiler.flow.steps;
    if let Some(first_beyond) = written.get(MAX_STEPS) {
        let message = format!(
            "a flow has at most {MAX_STEPS} steps, this one has {}",
            written.len()
        );
        compiler.fault(Fault::error(message).at(&first_beyond.name.at));
    }
    for step in &compiler.flow.steps {
        let plan = one(compiler, step);
        let mut used = compiler.take_uses();
        after(compiler, step, &mut used);
        steps.push(plan);
        uses.push(used);
    }
    let names: Vec<_> = compiler
        .flow
        .steps
        .iter()
        .map(|step| step.name.value.as_str())
        .collect();
    let order = match order::sort(&names, &uses) {
        Ok(order) => order,
        Err(cycle) => {
            compiler.fault(cycle_fault(&names, &uses, &cycle));
            return None;
        }
    };
    let mut steps: Vec<_> = steps
        .into_iter()
        .collect::<Option<Vec<_>>>()?
        .into_iter()
        .map(Some)
        .collect();
    let place = |name: &String| names.iter().position(|other| other == name);
    let mut sorted = Vec::with_capacity(order.len());
    for index in &order {
        let mut step = steps[*index].take().expect("an order names each step once");
        let needs = uses[*index].keys().filter_map(place);
        step.needs = needs
            .filter_map(|need| order.iter().position(|placed| *placed == need))
            .collect();
        step.needs.sort_unstable();
        sorted.push(step);
    }
    Some(sorted)
}

fn one(compiler: &mut Compiler<'_>, step: &Step) -> Option<StepPlan> {
    let in_each = step.each.is_some();
    let values = if in_each { Reach::Item } else { Reach::Steps };
    let in_headers = if in_each {
        Reach::ItemHeaders
    } else {
        Reach::Headers
    };
    let place = |key: &'static str, reach: Reach| Place { key, reach };
    let target_place = step.service.map_or("target", |index| {
        compiler.flow.services[index].name.value.as_str()
    });
    let target = compiler.target(
        &step.call,
        step.target_from,
        Place {
            key: target_place,
            reach: values,
        },
    );
    if let Some(target) = &target {
        targets::check(compiler, step, target);
    }
    let query = step
        .query
        .as_ref()
        .map(|map| compiler.texts(map, Position::Query, place("query", values)))
        .unwrap_or_default();
    let headers = step
        .headers
        .as_ref()
        .map(|map| services::headers(compiler, map, place("headers", in_headers)))
        .unwrap_or_default();
    let body = body(compiler, step, place("body", values));
    let when = step
        .when
        .as_ref()
        .map(|node| compiler.condition(node, place("when", Reach::Steps)));
    let each = step.each.as_ref().map(|each| {
        let over = compiler.expr(&each.over, place("each", Reach::Steps))?;
        Some(EachPlan {
            over,
            max: each.max,
            keep_errors: each.keep_errors,
        })
    });
    let otherwise = step
        .otherwise
        .as_ref()
        .map(|node| compiler.expr(node, place("otherwise", Reach::Steps)));
    let classify = step
        .classify
        .as_ref()
        .map(|keys| classify::compile(compiler, keys));
    check_deadline(compiler, step);
    if step.idempotent.is_none() && !is_idempotent(step) {
        let fault = Fault::warning(format!(
            "a {} is not repeated when nobody knows whether it arrived",
            step.method
        ))
        .at(&step.call.span);
        let mut fault = fault.label("such a record is a dead letter that says `maybe done`");
        let service = step.service.map(|index| &compiler.flow.services[index]);
        if let Some(hedge) = service.and_then(|service| service.hedge.as_ref()) {
            fault = fault.also(&hedge.at, "nor is it hedged");
        }
        compiler.fault(
            fault
                .help("if the service may see it twice:  idempotent: true")
                .help("if not, say so:  idempotent: false"),
        );
    }
    Some(StepPlan {
        name: step.name.value.clone(),
        service: step.service?,
        needs: Vec::new(),
        when: sound(when)?,
        each: sound(each)?,
        otherwise: sound(otherwise)?,
        classify: sound(classify)?,
        idempotent: is_idempotent(step),
        timeout: step.timeout,
        as_body: step.as_body,
        call: CallPlan::Http {
            method: step.method.clone(),
            target: target?,
            query,
            headers,
            body: body?,
        },
        shown: step.call.text.clone(),
    })
}

/// Whether the call may be sent twice: as the step says, else as HTTP says of its method.
pub(super) fn is_idempotent(step: &Step) -> bool {
    step.idempotent.unwrap_or(matches!(
        step.method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE
    ))
}

/// None for a part that is there but has a fault: the step must not run without it.
fn sound<T>(part: Option<Option<T>>) -> Option<Option<T>> {
    match part {
        Some(None) => None,
        Some(part) => Some(part),
        None => Some(None),
    }
}

fn body(compiler: &mut Compiler<'_>, step: &Step, place: Place<'_>) -> Option<BodyPlan> {
    if let Some(form) = &step.form {
        return Some(BodyPlan::Form(compiler.texts(
            form,
            Position::Query,
            Place {
                key: "form",
                ..place
            },
        )));
    }
    let Some(body) = &step.body else {
        return Some(BodyPlan::None);
    };
    match body {
        Node::Scalar(scalar) if scalar.kind() == Kind::Null => Some(BodyPlan::None),
        Node::Scalar(scalar) => {
            if scalar.text.trim_start().starts_with('{')
                && !scalar.text.trim_start().starts_with("{{")
            {
                let fault = Fault::warning("a text that looks like JSON").at(&scalar.span);
                let fault = fault.label("in a text nothing quotes the values for JSON");
                compiler.fault(fault.help("write the body as a map:  body: { id: \"{{ id }}\" }"));
            }
            compiler
                .text(body, Position::Plain, place)
                .map(BodyPlan::Text)
        }
        body => compiler.tree(body, place).map(BodyPlan::Json),
    }
}

/// A deadline that ends before the last attempt could would make records dead without the attempts they were promised.
fn check_deadline(compiler: &mut Compiler<'_>, step: &Step) {
    let (Some(deadline), Some(index)) = (&compiler.flow.records.deadline, step.service) else {
        return;
    };
    let service = &compiler.flow.services[index];
    let timeout = step.timeout.unwrap_or(service.timeout);
    let needed = timeout.saturating_mul(service.retry.times.saturating_add(1));
    if deadline.value < needed {
        let fault = Fault::error(format!(
            "the deadline ends before the attempts of `{}` can",
            step.name.value
        ))
        .at(&deadline.at);
        let fault = fault.label(format!(
            "{} attempts of {timeout:?} take {needed:?}",
            service.retry.times.saturating_add(1)
        ));
        compiler.fault(fault.help(format!("deadline: {}s", needed.as_secs_f64().ceil())));
    }
}

fn after(compiler: &mut Compiler<'_>, step: &Step, used: &mut BTreeMap<String, Span>) {
    for Spanned { value: name, at } in &step.after {
        if compiler.is_step(name) {
            used.entry(name.clone()).or_insert_with(|| at.clone());
        } else {
            let near = did_you_mean(
                name,
                compiler
                    .flow
                    .steps
                    .iter()
                    .map(|step| step.name.value.as_str()),
            );
            compiler.fault(
                Fault::error(format!("no step `{name}`"))
                    .at(at)
                    .help_if(near),
            );
        }
    }
}

fn cycle_fault(names: &[&str], uses: &[BTreeMap<String, Span>], cycle: &[usize]) -> Fault {
    let at = |from: usize, to: usize| &uses[from][names[to]];
    if let [only] = cycle {
        let fault = Fault::error(format!("the step `{}` mentions itself", names[*only]))
            .at(at(*only, *only));
        return fault.help(format!(
            "for a field of that name write  record.{}",
            names[*only]
        ));
    }
    let circle = cycle
        .iter()
        .chain(cycle.first())
        .map(|index| names[*index])
        .collect::<Vec<_>>()
        .join(" → ");
    let edges = cycle.iter().zip(cycle.iter().skip(1).chain(cycle.first()));
    let mut fault = Fault::error(format!("steps wait for each other: {circle}"));
    for (place, (from, to)) in edges.enumerate() {
        let label = format!("`{}` waits for `{}`", names[*from], names[*to]);
        fault = if place == 0 {
            fault.at(at(*from, *to)).label(label)
        } else {
            fault.also(at(*from, *to), label)
        };
    }
    fault.help("take one of these mentions out")
}
