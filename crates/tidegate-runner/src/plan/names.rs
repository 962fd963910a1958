//! Which names an expression may mention where it stands.

use super::{
    columns::Columns,
    compiler::{Compiler, Place},
};
use crate::{
    expr::{Mentions, RESERVED, dashed},
    flow::{Fault, Node, Scalar, did_you_mean},
};

/// What is within reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Before the first record: `env`, `vars`.
    Fixed,
    /// A record before its steps.
    Record,
    /// A record and its steps.
    Steps,
    /// As `Steps`, in the headers of a request.
    Headers,
    /// As `Steps`, for one item of `each`.
    Item,
    /// As `Item`, in the headers of a request.
    ItemHeaders,
    /// An answer: `status`, `headers`, `body`.
    Answer,
}

impl Reach {
    pub(super) fn has_steps(self) -> bool {
        matches!(
            self,
            Reach::Steps | Reach::Headers | Reach::Item | Reach::ItemHeaders
        )
    }

    fn has_record(self) -> bool {
        self == Reach::Record || self.has_steps()
    }

    fn has_reserved(self, name: &str) -> bool {
        match name {
            "env" | "vars" => self != Reach::Answer,
            "record" | "run" => self.has_record(),
            "steps" => self.has_steps(),
            "item" | "index" => matches!(self, Reach::Item | Reach::ItemHeaders),
            "request" => matches!(self, Reach::Headers | Reach::ItemHeaders),
            // `message`, `cursor` and `response` belong to later versions.
            _ => false,
        }
    }
}

/// Faults, and for fields that can only be guessed warnings, of all names mentioned.
pub(super) fn check(
    compiler: &Compiler<'_>,
    mentions: &Mentions,
    scalar: &Scalar,
    place: Place<'_>,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    for name in &mentions.reserved {
        if !place.reach.has_reserved(name) {
            faults.push(out_of_reach(compiler, name, scalar, place));
        }
    }
    for name in &mentions.steps {
        if !compiler.is_step(name) {
            let at = compiler.locate(scalar, &["steps", name]);
            let near = did_you_mean(name, step_names(compiler));
            faults.push(
                Fault::error(format!("no step `{name}`"))
                    .at(&at)
                    .help_if(near)
                    .note(known(compiler, place)),
            );
        }
    }
    for name in &mentions.names {
        faults.extend(bare_name(compiler, name, scalar, place));
    }
    for field in &mentions.record_fields {
        if compiler.columns.is_known() && !compiler.columns.has(field) {
            let at = compiler.locate(scalar, &["record", field]);
            let near = did_you_mean(field, compiler.columns.names());
            faults.push(
                Fault::error(format!("no field `{field}`"))
                    .at(&at)
                    .help_if(compiler.delimiter_help().or(near))
                    .note(known(compiler, place)),
            );
        }
    }
    faults
}

fn out_of_reach(compiler: &Compiler<'_>, name: &str, scalar: &Scalar, place: Place<'_>) -> Fault {
    let at = compiler.locate(scalar, &[name]);
    let fault = Fault::error(format!("`{name}` is not within reach of `{}`", place.key)).at(&at);
    let fault = match name {
        "message" | "cursor" | "response" => {
            fault.label("the name is reserved for a later version")
        }
        "item" | "index" => fault.label("it is there in a step with `each`"),
        "request" => fault.label("it is there in the headers of a step"),
        "steps" if place.reach == Reach::Record => {
            fault.label("the source is read before any step")
        }
        _ if place.reach == Reach::Fixed => fault.label("this is read before the first record"),
        _ => fault,
    };
    match name {
        _ if place.reach == Reach::Answer => fault.note("known here: status, headers, body"),
        "message" | "cursor" | "response" | "item" | "index" | "request"
            if place.reach.has_record() =>
        {
            fault.help(format!("for a field of that name write  record.{name}"))
        }
        _ => fault,
    }
}

fn bare_name(
    compiler: &Compiler<'_>,
    name: &str,
    scalar: &Scalar,
    place: Place<'_>,
) -> Option<Fault> {
    let at = compiler.locate(scalar, &[name]);
    match place.reach {
        Reach::Answer if matches!(name, "status" | "headers" | "body") => return None,
        Reach::Answer => {
            let fault =
                Fault::error(format!("`{name}` is not within reach of `{}`", place.key)).at(&at);
            let fault = fault.help_if(did_you_mean(name, ["status", "headers", "body"]));
            return Some(fault.note("known here: status, headers, body"));
        }
        Reach::Fixed => {
            let fault =
                Fault::error(format!("`{name}` is not within reach of `{}`", place.key)).at(&at);
            let fault = fault.label("this is read before the first record");
            return Some(fault.note("known here: env.NAME, vars.NAME"));
        }
        Reach::Record if compiler.is_step(name) => {
            let fault = Fault::error(format!(
                "the step `{name}` is not within reach of `{}`",
                place.key
            ))
            .at(&at);
            let fault = fault.label("the source is read before any step");
            return Some(fault.help(format!("for a field of that name write  record.{name}")));
        }
        _ if compiler.is_step(name) => return None,
        _ => {}
    }
    if compiler.columns.has(name) {
        return None;
    }
    let fault = match &compiler.columns {
        Columns::Unknown | Columns::Text(_) => return None,
        Columns::Known(_) => Fault::error(format!("no field or step `{name}`")),
        // Another record may have it, so it is no fault.
        Columns::Sampled(_) => Fault::warning(format!(
            "no step `{name}`, and no field in the first records"
        )),
    };
    let fields = compiler.columns.names();
    let fault = fault.at(&at);
    let is_expression = !scalar.text.contains("{{");
    let fault = if is_expression {
        fault.label(format!(
            "`{}` holds expressions, so this is a name",
            place.key
        ))
    } else {
        fault
    };
    let steps = step_names(compiler).filter(|_| place.reach.has_steps());
    let near = did_you_mean(name, fields.iter().copied().chain(steps));
    // Where a text is no answer, none is proposed.
    let takes_text = !matches!(place.key, "key" | "where" | "when" | "each");
    let fault = if let Some(delimiter) = compiler.delimiter_help() {
        fault.help(delimiter)
    } else if let Some(field) = dashed(&scalar.text, name, fields.iter().copied()) {
        // `user-id` is a difference; the field of that name is written otherwise.
        fault.help(format!("for the field write  record['{field}']"))
    } else if let Some(near) = near {
        fault.help(near)
    } else if is_expression && takes_text && scalar.text == name {
        fault.help(format!(
            "for the text itself write  {}: \"'{name}'\"",
            place.key_of(compiler, scalar)
        ))
    } else {
        fault
    };
    Some(fault.note(known(compiler, place)))
}

impl Place<'_> {
    /// The key of the entry that a scalar is the value of: for `row`, the column.
    fn key_of<'f>(&self, compiler: &Compiler<'f>, scalar: &Scalar) -> String {
        let row = compiler
            .flow
            .sink
            .as_ref()
            .and_then(|sink| sink.row.as_ref());
        let column = row.and_then(|row| {
            row.entries
                .iter()
                .find(|(_, node)| matches!(node, Node::Scalar(value) if value.span == scalar.span))
                .map(|(column, _)| column.text.clone())
        });
        column.unwrap_or_else(|| self.key.to_owned())
    }
}

fn step_names<'c>(compiler: &'c Compiler<'_>) -> impl Iterator<Item = &'c str> {
    compiler
        .flow
        .steps
        .iter()
        .map(|step| step.name.value.as_str())
}

/// What may be mentioned, for people.
fn known(compiler: &Compiler<'_>, place: Place<'_>) -> String {
    let fields = compiler.columns.names();
    let origin = match &compiler.columns {
        Columns::Sampled(_) => "first records",
        _ => "fields",
    };
    let mut parts = Vec::new();
    if !fields.is_empty() {
        const SHOWN: usize = 12;
        let more = if fields.len() > SHOWN { ", …" } else { "" };
        parts.push(format!(
            "{}{more} ({origin})",
            fields[..fields.len().min(SHOWN)].join(", ")
        ));
    }
    let steps: Vec<_> = step_names(compiler).collect();
    if place.reach.has_steps() && !steps.is_empty() {
        parts.push(format!("{} (steps)", steps.join(", ")));
    }
    let also: Vec<_> = RESERVED
        .iter()
        .copied()
        .filter(|name| place.reach.has_reserved(name))
        .collect();
    if parts.is_empty() {
        parts.push(also.join(", "));
    }
    format!("known here: {}", parts.join(", "))
}
