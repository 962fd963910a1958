//! Filters over single values. Every one refuses undefined and null unless it says otherwise.

use super::{error::Cause, escape, json, path::describe};
use minijinja::{
    Environment, Error, ErrorKind,
    value::{Value, ValueKind},
};

/// All filters, those over lists too.
pub(super) const NAMES: [&str; 41] = [
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "count",
    "d",
    "default",
    "first",
    "float",
    "groupby",
    "int",
    "items",
    "join",
    "keys",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "sort",
    "split",
    "string",
    "sum",
    "tojson",
    "trim",
    "unique",
    "upper",
    "url",
    "urlencode",
    "values",
];

/// Longest range that an expression may make.
const MAX_RANGE: i64 = 10_000;

pub(super) fn add_to(environment: &mut Environment<'static>) {
    environment.add_function("range", range);
    environment.add_filter("default", default);
    environment.add_filter("d", default);
    environment.add_filter("tojson", tojson);
    environment.add_filter("url", url);
    environment.add_filter("urlencode", urlencode);
    environment.add_filter("int", int);
    environment.add_filter("float", float);
    environment.add_filter("bool", boolean);
    environment.add_filter("string", string);
    environment.add_filter("lower", |value: &Value| {
        text("lower", value).map(str::to_lowercase)
    });
    environment.add_filter("upper", |value: &Value| {
        text("upper", value).map(str::to_uppercase)
    });
    environment.add_filter("capitalize", capitalize);
    environment.add_filter("trim", |value: &Value| {
        text("trim", value).map(|text| text.trim().to_owned())
    });
    environment.add_filter("replace", replace);
    environment.add_filter("split", split);
    environment.add_filter("lines", |value: &Value| {
        text("lines", value).map(|text| list(text.lines()))
    });
    environment.add_filter("round", round);
    environment.add_filter("abs", abs);
    environment.add_filter("length", length);
    environment.add_filter("count", length);
}

/// An error of a filter.
pub(super) fn refuse(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// Refuses an undefined value; the caller finds out which path it was.
pub(super) fn given(filter: &str, value: &Value) -> Result<(), Error> {
    if value.is_undefined() {
        return Err(Error::new(
            ErrorKind::UndefinedError,
            format!("`{filter}` was given an undefined value"),
        ));
    }
    Ok(())
}

/// A filter was given a value of a type that it has no answer for.
pub(super) fn mismatch(filter: &str, value: &Value) -> Error {
    refuse(format!("`{filter}` cannot take {}", describe(value)))
}

fn text<'a>(filter: &str, value: &'a Value) -> Result<&'a str, Error> {
    given(filter, value)?;
    value.as_str().ok_or_else(|| mismatch(filter, value))
}

fn list<T: Into<Value>>(items: impl Iterator<Item = T>) -> Value {
    items.map(Into::into).collect::<Vec<Value>>().into()
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

fn range(from: i64, to: Option<i64>, step: Option<i64>) -> Result<Value, Error> {
    let (from, to) = to.map_or((0, from), |to| (from, to));
    let step = step.unwrap_or(1);
    let length = match step {
        0 => return Err(refuse("the step of `range` cannot be 0")),
        1.. => to.saturating_sub(from).max(0).div_euclid(step),
        _ => from
            .saturating_sub(to)
            .max(0)
            .div_euclid(step.saturating_neg()),
    };
    if length > MAX_RANGE {
        return Err(refuse(format!("`range` is limited to {MAX_RANGE} items")));
    }
    let mut items = Vec::new();
    let mut next = from;
    while if step > 0 { next < to } else { next > to } {
        items.push(Value::from(next));
        let Some(following) = next.checked_add(step) else {
            break;
        };
        next = following;
    }
    Ok(items.into())
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

/// JSON as a server or a signature expects it: nothing is escaped for HTML. Null is allowed: it is `null`.
fn tojson(value: &Value) -> Result<String, Error> {
    given("tojson", value)?;
    let mut out = Vec::new();
    json::write(value, &mut out).map_err(of_cause)?;
    String::from_utf8(out).map_err(|_| refuse("`tojson` was given bytes that are no text"))
}

/// A whole URL, which replaces the target.
fn url(value: &Value) -> Result<Value, Error> {
    let text = text("url", value)?;
    let uri: http::Uri = text
        .parse()
        .map_err(|_| refuse(format!("{} is no URL", quoted(text))))?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    match uri.authority() {
        Some(authority) if is_http && !authority.as_str().contains('@') => Ok(value.clone()),
        Some(_) if is_http => Err(refuse("the URL names a user, which is not sent")),
        _ => Err(refuse(format!(
            "{} is no whole http or https URL",
            quoted(text)
        ))),
    }
}

/// Everything but unreserved characters, `/` too: the result is always one part of a URL.
fn urlencode(value: &Value) -> Result<String, Error> {
    given("urlencode", value)?;
    let text = escape::plain_text("urlencode", value).map_err(of_cause)?;
    let mut out = String::new();
    escape::percent_encode(&text, &mut out);
    Ok(out)
}

fn int(value: &Value) -> Result<Value, Error> {
    given("int", value)?;
    match value.kind() {
        ValueKind::Bool => Ok(Value::from(i64::from(value.is_true()))),
        ValueKind::Number if value.is_integer() => Ok(value.clone()),
        ValueKind::Number => truncated(f64::try_from(value.clone())?),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default().trim();
            match text.parse::<i128>() {
                Ok(number) => Ok(small(number)),
                Err(_) => truncated(parsed("int", text)?),
            }
        }
        _ => Err(mismatch("int", value)),
    }
}

/// The integer in the smallest type that holds it, as the parser of JSON would have chosen.
fn small(number: i128) -> Value {
    match (i64::try_from(number), u64::try_from(number)) {
        (Ok(number), _) => Value::from(number),
        (_, Ok(number)) => Value::from(number),
        _ => Value::from(number),
    }
}

fn truncated(number: f64) -> Result<Value, Error> {
    // Beyond 2^63 a float has no exact integer that anybody meant.
    if number.abs() < 9.2e18 {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the fraction is what `int` takes away; the range is checked"
        )]
        return Ok(Value::from(number as i64));
    }
    Err(refuse("`int` was given a number that is too large"))
}

fn float(value: &Value) -> Result<f64, Error> {
    given("float", value)?;
    match value.kind() {
        ValueKind::Bool => Ok(f64::from(u8::from(value.is_true()))),
        ValueKind::Number => f64::try_from(value.clone()),
        ValueKind::String => parsed("float", value.as_str().unwrap_or_default().trim()),
        _ => Err(mismatch("float", value)),
    }
}

fn parsed(filter: &str, text: &str) -> Result<f64, Error> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| {
        refuse(format!(
            "`{filter}` cannot read {} as a number",
            quoted(text)
        ))
    })
}

/// A boolean from what files write for one.
fn boolean(value: &Value) -> Result<bool, Error> {
    given("bool", value)?;
    match (value.kind(), value.as_str()) {
        (ValueKind::Bool | ValueKind::Number, _) => Ok(value.is_true()),
        (_, Some("true" | "1" | "yes")) => Ok(true),
        (_, Some("false" | "0" | "no")) => Ok(false),
        (_, Some(text)) => Err(refuse(format!(
            "`bool` cannot read {} as true or false",
            quoted(text)
        ))),
        _ => Err(mismatch("bool", value)),
    }
}

fn string(value: &Value) -> Result<String, Error> {
    given("string", value)?;
    match value.kind() {
        ValueKind::String | ValueKind::Number | ValueKind::Bool => {
            escape::plain_text("string", value).map_err(of_cause)
        }
        _ => Err(mismatch("string", value)),
    }
}

fn capitalize(value: &Value) -> Result<String, Error> {
    let text = text("capitalize", value)?;
    let mut chars = text.chars();
    let first = chars.next();
    Ok(first
        .into_iter()
        .flat_map(char::to_uppercase)
        .chain(chars.flat_map(char::to_lowercase))
        .collect())
}

fn replace(value: &Value, from: &Value, to: &Value) -> Result<String, Error> {
    Ok(text("replace", value)?.replace(text("replace", from)?, text("replace", to)?))
}

/// Parts between separators; without one, between runs of white space.
fn split(value: &Value, separator: Option<&Value>) -> Result<Value, Error> {
    let whole = text("split", value)?;
    match separator {
        None => Ok(list(whole.split_whitespace())),
        Some(separator) => match text("split", separator)? {
            "" => Err(refuse("`split` needs a separator that is not empty")),
            separator => Ok(list(whole.split(separator))),
        },
    }
}

fn round(value: &Value, places: Option<i32>) -> Result<Value, Error> {
    given("round", value)?;
    if value.kind() != ValueKind::Number {
        return Err(mismatch("round", value));
    }
    if value.is_integer() {
        return Ok(value.clone());
    }
    let factor = 10_f64.powi(places.unwrap_or(0).clamp(0, 15));
    Ok(Value::from(
        (f64::try_from(value.clone())? * factor).round() / factor,
    ))
}

fn abs(value: &Value) -> Result<Value, Error> {
    given("abs", value)?;
    match value.kind() {
        ValueKind::Number if value.is_integer() => {
            let number = i128::try_from(value.clone())?;
            number
                .checked_abs()
                .map(small)
                .ok_or_else(|| refuse("`abs` was given a number that is too large"))
        }
        ValueKind::Number => Ok(Value::from(f64::try_from(value.clone())?.abs())),
        _ => Err(mismatch("abs", value)),
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
