use super::{given, lists::items, mismatch, quoted, refuse};
use crate::expr::path::describe;
use minijinja::{
    Environment, Error,
    value::{Value, ValueKind},
};

/// Longest range that an expression may make.
const MAX_RANGE: usize = 10_000;

pub(super) fn add_to(environment: &mut Environment<'static>) {
    environment.add_function("range", range);
    environment.add_filter("int", int);
    environment.add_filter("float", float);
    environment.add_filter("bool", boolean);
    environment.add_filter("round", round);
    environment.add_filter("abs", abs);
    environment.add_filter("sum", sum);
}

fn range(from: i64, to: Option<i64>, step: Option<i64>) -> Result<Value, Error> {
    let (from, to) = to.map_or((0, from), |to| (from, to));
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err(refuse("the step of `range` cannot be 0"));
    }
    let mut items = Vec::new();
    let mut next = Some(from);
    while let Some(number) = next.filter(|next| if step > 0 { *next < to } else { *next > to }) {
        if items.len() == MAX_RANGE {
            return Err(refuse(format!("`range` is limited to {MAX_RANGE} items")));
        }
        items.push(Value::from(number));
        next = number.checked_add(step);
    }
    Ok(items.into())
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

fn sum(value: &Value) -> Result<Value, Error> {
    let items = items("sum", value)?;
    for (index, item) in items.iter().enumerate() {
        if item.kind() != ValueKind::Number {
            let what = describe(item);
            return Err(refuse(format!(
                "item {index} of `sum` is {what}, not a number"
            )));
        }
    }
    if items.iter().all(Value::is_integer) {
        let mut total = 0_i128;
        for item in &items {
            let next = total.checked_add(i128::try_from(item.clone())?);
            total = next.ok_or_else(|| refuse("`sum` is too large"))?;
        }
        return Ok(i64::try_from(total).map_or_else(|_| Value::from(total), Value::from));
    }
    let mut total = 0.0;
    for item in items {
        total += f64::try_from(item)?;
    }
    Ok(Value::from(total))
}
