//! Operators that would take a value for something else.
//!
//! What the interpreter's operators do with a value of another type cannot be overridden, so a path that stands beside
//! such an operator (see [`Usage`]), and every operand that is asked for true or false (see
//! [`operands`](super::operands)), is sent through a filter that refuses it. A filter binds tighter than every operator:
//! `PATH` and `PATH | f` can stand in the same places, and so can an operand and `(OPERAND) | f`.

use super::{
    analysis::{Analysis, PathUse},
    error::{Cause, ExprFault},
    escape,
    filters::{given, refuse},
    path::describe,
    tokens::{Kind, Token},
    usage::Usage,
};
use minijinja::{
    Environment, Error,
    value::{Value, ValueKind},
};

/// Begin with what no name of a user's filter begins with.
const NUMBER: &str = "_number";
const TEXT: &str = "_text";
const CONDITION: &str = "_condition";

pub(super) fn add_to(environment: &mut Environment<'static>) {
    environment.add_filter(NUMBER, number);
    environment.add_filter(TEXT, text);
    environment.add_filter(CONDITION, condition);
}

/// Whether a text or a number may decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    /// Only a boolean, null or a list is true or false.
    Strict,
    /// Any value is, as in a line of `classify`.
    Loose,
}

/// The source with the guards put in; none if it needs none.
pub(super) fn guarded(source: &str, analysis: &Analysis, truth: Truth) -> Option<String> {
    // What goes in, with its byte. Of two at one byte the inner one comes first.
    let mut parts: Vec<(usize, String)> = Vec::new();
    let call = |filter: &str, name: &str| format!(" | {filter}({})", serde_json::Value::from(name));
    for place in &analysis.paths {
        if let Some(guard) = guard_of(source, &analysis.tokens, place) {
            let end = analysis.bytes_of(&place.tokens).end;
            parts.push((end, call(guard, &place.path.to_string())));
        }
    }
    if truth == Truth::Strict {
        for operand in &analysis.asked {
            let at = analysis.bytes_of(operand);
            parts.push((at.start, "(".to_owned()));
            parts.push((at.end, format!("){}", call(CONDITION, &source[at]))));
        }
    }
    parts.sort_by_key(|(at, _)| *at);
    let mut out = String::new();
    let mut copied = 0;
    for (at, part) in &parts {
        out.push_str(&source[copied..*at]);
        out.push_str(part);
        copied = *at;
    }
    (!parts.is_empty()).then(|| out + &source[copied..])
}

/// A text or number as an operand decides the same for every record.
pub(super) fn check_operands(source: &str, analysis: &Analysis) -> Result<(), ExprFault> {
    let literal = |token: &Token| match token.kind {
        Kind::Text(_) => Some("a text"),
        Kind::Integer | Kind::Float => Some("a number"),
        Kind::Word | Kind::Symbol => None,
    };
    for operand in &analysis.asked {
        if let [only] = &analysis.tokens[operand.clone()]
            && let Some(what) = literal(only)
        {
            let shown = only.of(source);
            let message = format!("`{shown}` is {what}, which is neither true nor false");
            return Err(ExprFault::new(only.at.clone(), message).help(format!(
                "in place of a value that is missing or null write  … | default({shown})"
            )));
        }
    }
    Ok(())
}

fn guard_of(source: &str, tokens: &[Token], place: &PathUse) -> Option<&'static str> {
    match Usage::of(source, tokens, place)? {
        Usage::Ordered | Usage::Multiplied => Some(NUMBER),
        Usage::Joined => Some(TEXT),
        // A text that equals no number is a plain answer.
        Usage::Equated => None,
    }
}

fn number(value: &Value, name: &str) -> Result<Value, Error> {
    given(NUMBER, value)?;
    match value.kind() {
        ValueKind::Number => Ok(value.clone()),
        ValueKind::String => Err(refuse(format!(
            "`{name}` is a text where a number must be: write ({name} | float)"
        ))),
        ValueKind::None => Err(refuse(format!(
            "`{name}` is null where a number must be: write ({name} | default(0))"
        ))),
        _ => Err(refuse(format!(
            "`{name}` is {} where a number must be",
            describe(value)
        ))),
    }
}

fn text(value: &Value, name: &str) -> Result<String, Error> {
    given(TEXT, value)?;
    escape::plain_text(name, value).map_err(|Cause { message, .. }| refuse(message))
}

fn condition(value: &Value, name: &str) -> Result<Value, Error> {
    given(CONDITION, value)?;
    match value.kind() {
        // An answer is asked for by its name: `not first or first.status == 'ZERO_RESULTS'`.
        ValueKind::Bool
        | ValueKind::None
        | ValueKind::Seq
        | ValueKind::Iterable
        | ValueKind::Map => Ok(value.clone()),
        ValueKind::String => Err(refuse(format!(
            "`{name}` is a text, which is neither true nor false: write {name} == 'true'"
        ))),
        ValueKind::Number => Err(refuse(format!(
            "`{name}` is a number, which is neither true nor false: write {name} > 0"
        ))),
        _ => Err(refuse(format!(
            "`{name}` is {}, which is neither true nor false",
            describe(value)
        ))),
    }
}
