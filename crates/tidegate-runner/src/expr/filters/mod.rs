//! Filters, all of them our own: the interpreter's let undefined values and nulls through. Every one refuses them unless
//! it says otherwise, and none passes over an item of a list.

mod lists;
mod numbers;
mod order;
mod texts;

use super::{error::Cause, path::describe};
use minijinja::{
    Environment, Error, ErrorKind,
    value::{Value, ValueKind},
};

pub(super) use texts::check_url;

/// All filters that may be written.
#[rustfmt::skip]
pub(super) const NAMES: [&str; 41] = [
    "abs", "attr", "batch", "bool", "capitalize", "count", "d", "default", "first", "float", "groupby", "int", "items",
    "join", "keys", "last", "length", "lines", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace",
    "reverse", "round", "select", "selectattr", "sort", "split", "string", "sum", "tojson", "trim", "unique", "upper",
    "url", "urlencode", "values",
];

pub(super) fn add_to(environment: &mut Environment<'static>) {
    environment.add_filter("default", default);
    environment.add_filter("d", default);
    environment.add_filter("length", length);
    environment.add_filter("count", length);
    texts::add_to(environment);
    numbers::add_to(environment);
    lists::add_to(environment);
    order::add_to(environment);
}

/// What is missing or null becomes `other`; with `true` also what is empty, zero or false.
fn default(value: &Value, other: Option<Value>, also_empty: Option<bool>) -> Value {
    let is_absent = value.is_undefined() || value.is_none();
    if is_absent || (also_empty == Some(true) && !value.is_true()) {
        other.unwrap_or_else(|| Value::from(""))
    } else {
        value.clone()
    }
}

/// Characters of a text, items of a list, entries of a map.
fn length(value: &Value) -> Result<usize, Error> {
    given("length", value)?;
    match value.kind() {
        ValueKind::String => Ok(value.as_str().unwrap_or_default().chars().count()),
        ValueKind::Iterable => Ok(value.try_iter()?.count()),
        _ => value.len().ok_or_else(|| mismatch("length", value)),
    }
}

/// An error of a filter.
pub(in crate::expr) fn refuse(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// Refuses an undefined value; the caller finds out which path it was.
pub(in crate::expr) fn given(filter: &str, value: &Value) -> Result<(), Error> {
    if value.is_undefined() {
        return Err(Error::new(
            ErrorKind::UndefinedError,
            format!("`{filter}` was given an undefined value"),
        ));
    }
    Ok(())
}

/// A filter was given a value of a type that it has no answer for.
pub(in crate::expr) fn mismatch(filter: &str, value: &Value) -> Error {
    refuse(format!("`{filter}` cannot take {}", describe(value)))
}

fn text<'a>(filter: &str, value: &'a Value) -> Result<&'a str, Error> {
    given(filter, value)?;
    value.as_str().ok_or_else(|| mismatch(filter, value))
}

fn of_cause(cause: Cause) -> Error {
    refuse(cause.message)
}

/// The beginning of a text, between quotes, for a message.
fn quoted(text: &str) -> String {
    const SHOWN_CHARS: usize = 40;
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
