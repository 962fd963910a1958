//! What may stand after `is`.

use super::filters::{given, mismatch, refuse};
use minijinja::{
    Environment, Error,
    value::{Value, ValueKind},
};

pub(super) const NAMES: [&str; 25] = [
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "even",
    "false",
    "float",
    "ge",
    "gt",
    "in",
    "integer",
    "le",
    "list",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
];

pub(super) fn add_to(environment: &mut Environment<'static>) {
    environment.add_test("defined", |value: &Value| !value.is_undefined());
    environment.add_test("undefined", |value: &Value| value.is_undefined());
    add_kind(environment, "none", Value::is_none);
    add_kind(environment, "boolean", |value| {
        value.kind() == ValueKind::Bool
    });
    add_kind(environment, "true", |value| {
        value.kind() == ValueKind::Bool && value.is_true()
    });
    add_kind(environment, "false", |value| {
        value.kind() == ValueKind::Bool && !value.is_true()
    });
    add_kind(environment, "number", Value::is_number);
    add_kind(environment, "integer", Value::is_integer);
    add_kind(environment, "float", |value| {
        value.is_number() && !value.is_integer()
    });
    add_kind(environment, "string", |value| {
        value.kind() == ValueKind::String
    });
    add_kind(environment, "mapping", |value| {
        value.kind() == ValueKind::Map
    });
    add_kind(environment, "list", is_list);
    add_kind(environment, "sequence", is_list);
    environment.add_test("odd", |value: &Value| {
        remainder("odd", value, 2).map(|rest| rest != 0)
    });
    environment.add_test("even", |value: &Value| {
        remainder("even", value, 2).map(|rest| rest == 0)
    });
    environment.add_test("divisibleby", |value: &Value, by: i64| {
        remainder("divisibleby", value, by).map(|rest| rest == 0)
    });
    environment.add_test("startingwith", |value: &Value, start: &str| {
        text("startingwith", value).map(|text| text.starts_with(start))
    });
    environment.add_test("endingwith", |value: &Value, end: &str| {
        text("endingwith", value).map(|text| text.ends_with(end))
    });
    environment.add_test("in", contained);
    environment.add_test("eq", |a: &Value, b: &Value| {
        both("eq", a, b).map(|()| a == b)
    });
    environment.add_test("ne", |a: &Value, b: &Value| {
        both("ne", a, b).map(|()| a != b)
    });
    environment.add_test("lt", |a: &Value, b: &Value| {
        ordered("lt", a, b).map(|()| a < b)
    });
    environment.add_test("le", |a: &Value, b: &Value| {
        ordered("le", a, b).map(|()| a <= b)
    });
    environment.add_test("gt", |a: &Value, b: &Value| {
        ordered("gt", a, b).map(|()| a > b)
    });
    environment.add_test("ge", |a: &Value, b: &Value| {
        ordered("ge", a, b).map(|()| a >= b)
    });
}

fn add_kind(environment: &mut Environment<'static>, name: &'static str, is: fn(&Value) -> bool) {
    environment.add_test(name, move |value: &Value| {
        given(name, value).map(|()| is(value))
    });
}

fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

fn text<'a>(test: &str, value: &'a Value) -> Result<&'a str, Error> {
    given(test, value)?;
    value.as_str().ok_or_else(|| mismatch(test, value))
}

fn remainder(test: &str, value: &Value, by: i64) -> Result<i128, Error> {
    given(test, value)?;
    if !value.is_integer() {
        return Err(mismatch(test, value));
    }
    let number = i128::try_from(value.clone())?;
    number
        .checked_rem(i128::from(by))
        .ok_or_else(|| refuse(format!("`{test}` cannot divide by 0")))
}

fn contained(value: &Value, whole: &Value) -> Result<bool, Error> {
    both("in", value, whole)?;
    match whole.kind() {
        ValueKind::Seq | ValueKind::Iterable => Ok(whole.try_iter()?.any(|item| item == *value)),
        ValueKind::Map => Ok(!whole.get_item(value)?.is_undefined()),
        ValueKind::String => match value.as_str() {
            Some(part) => Ok(whole.as_str().unwrap_or_default().contains(part)),
            None => Err(mismatch("in", value)),
        },
        _ => Err(mismatch("in", whole)),
    }
}

fn both(test: &str, a: &Value, b: &Value) -> Result<(), Error> {
    given(test, a)?;
    given(test, b)
}

/// Text and numbers have no order between them, whatever the interpreter's sort order says.
fn ordered(test: &str, a: &Value, b: &Value) -> Result<(), Error> {
    both(test, a, b)?;
    if a.kind() == b.kind() {
        Ok(())
    } else {
        Err(mismatch(test, b))
    }
}
