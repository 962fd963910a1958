use super::{error::EvalError, json};
use minijinja::value::{Value, ValueKind};
use std::borrow::Cow;

/// A value as a CSV field or an SQL column holds it.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Real(f64),
    /// Text, whole numbers beyond `i64`, and lists and maps as JSON.
    Text(Cow<'a, str>),
    /// Bytes.
    Bytes(Cow<'a, [u8]>),
}

/// Turns a value into a cell: lists and maps become JSON text, integers beyond `i64` become text.
///
/// # Errors
///
/// Undefined values, and NaN and infinity, which no cell can carry.
pub fn to_cell(value: &Value) -> Result<Scalar<'_>, EvalError> {
    Ok(match value.kind() {
        ValueKind::None => Scalar::Null,
        ValueKind::Bool => Scalar::Bool(value.is_true()),
        ValueKind::Number if value.is_integer() => match value.as_i64() {
            Some(number) => Scalar::Int(number),
            None => Scalar::Text(value.to_string().into()),
        },
        ValueKind::Number => {
            let number = f64::try_from(value.clone()).unwrap_or(f64::NAN);
            if !number.is_finite() {
                let message = format!("the number {number} cannot be written");
                return Err(EvalError::new(message));
            }
            Scalar::Real(number)
        }
        ValueKind::String => Scalar::Text(value.as_str().unwrap_or_default().into()),
        ValueKind::Bytes => Scalar::Bytes(value.as_bytes().unwrap_or_default().into()),
        _ => {
            let mut out = Vec::new();
            json::to_json(value, &mut out)?;
            Scalar::Text(String::from_utf8_lossy(&out).into_owned().into())
        }
    })
}
