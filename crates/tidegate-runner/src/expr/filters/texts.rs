use super::{given, mismatch, of_cause, quoted, refuse, text};
use crate::expr::{error::Cause, escape, json, path::describe};
use minijinja::{
    Environment, Error,
    value::{Value, ValueKind},
};

pub(super) fn add_to(environment: &mut Environment<'static>) {
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
    environment.add_filter("string", string);
    environment.add_filter("tojson", tojson);
    environment.add_filter("urlencode", urlencode);
    environment.add_filter("url", url);
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

fn list<T: Into<Value>>(items: impl Iterator<Item = T>) -> Value {
    items.map(Into::into).collect::<Vec<Value>>().into()
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

/// JSON as a server or a signature expects it: nothing is escaped for HTML. Null is allowed: it is `null`.
fn tojson(value: &Value) -> Result<String, Error> {
    given("tojson", value)?;
    let mut out = Vec::new();
    json::write(value, &mut out).map_err(of_cause)?;
    String::from_utf8(out).map_err(|_| refuse("`tojson` was given bytes that are no text"))
}

/// Everything but unreserved characters, `/` too: the result is always one part of a URL.
fn urlencode(value: &Value) -> Result<String, Error> {
    given("urlencode", value)?;
    let text = escape::plain_text("urlencode", value).map_err(of_cause)?;
    let mut out = String::new();
    escape::percent_encode(&text, &mut out);
    Ok(out)
}

/// A whole URL, which replaces the target.
fn url(value: &Value) -> Result<Value, Error> {
    given("url", value)?;
    check_url(value).map_err(of_cause)?;
    Ok(value.clone())
}

/// Refuses what is no whole http or https URL.
pub(in crate::expr) fn check_url(value: &Value) -> Result<(), Cause> {
    let text = value
        .as_str()
        .ok_or_else(|| Cause::new(format!("{} is no URL", describe(value))))?;
    let uri: http::Uri = text
        .parse()
        .map_err(|_| Cause::new(format!("{} is no URL", quoted(text))))?;
    match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(authority)) if authority.as_str().contains('@') => {
            Err(Cause::new("the URL names a user, which is not sent"))
        }
        (Some("http" | "https"), Some(_)) => Ok(()),
        _ => Err(Cause::new(format!(
            "{} is no whole http or https URL",
            quoted(text)
        ))),
    }
}
