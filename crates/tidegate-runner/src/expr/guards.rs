//! Operators that would take a value for something else.
//!
//! What the interpreter's operators do with a value of another type cannot be overridden, so a path that stands beside
//! such an operator (see [`Usage`]) is sent through a filter that refuses it. A filter binds tighter than every operator: `PATH` and `PATH | f` can stand in the same places.

use super::{
    analysis::{Analysis, PathUse},
    error::Cause,
    escape,
    filters::{given, refuse},
    path::describe,
    tokens::Token,
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

/// The source with the guards put in; none if it needs none.
pub(super) fn guarded(source: &str, analysis: &Analysis) -> Option<String> {
    let mut out = String::new();
    let mut copied = 0;
    for place in &analysis.paths {
        let Some(guard) = guard_of(source, &analysis.tokens, place) else {
            continue;
        };
        let end = analysis.tokens[place.tokens.end - 1].at.end;
        let name = serde_json::Value::from(place.path.to_string());
        out.push_str(&source[copied..end]);
        out.push_str(&format!(" | {guard}({name})"));
        copied = end;
    }
    (copied > 0).then(|| out + &source[copied..])
}

fn guard_of(source: &str, tokens: &[Token], place: &PathUse) -> Option<&'static str> {
    match Usage::of(source, tokens, place)? {
        Usage::Ordered | Usage::Multiplied => Some(NUMBER),
        Usage::Joined => Some(TEXT),
        Usage::Asked => Some(CONDITION),
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
        ValueKind::Bool | ValueKind::None | ValueKind::Seq | ValueKind::Iterable => {
            Ok(value.clone())
        }
        ValueKind::String => Err(refuse(format!(
            "`{name}` is a text, which is neither true nor false: write {name} == 'true'"
        ))),
        _ => Err(refuse(format!(
            "`{name}` is {}, which is neither true nor false",
            describe(value)
        ))),
    }
}
