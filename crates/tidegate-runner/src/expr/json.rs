//! JSON to values and back, without losing digits.

use super::error::{Cause, EvalError};
use minijinja::value::{Value, ValueKind};
use std::{borrow::Cow, fmt, io::Write as _};

/// Longest key in bytes of JSON.
pub const MAX_KEY_BYTES: usize = 1024;

/// The longest run of digits that always fits an `i64`.
const SAFE_DIGITS: usize = 18;

/// Bytes that are no JSON: what is wrong with them, and where. That they are none is for the caller to say.
#[derive(Debug)]
pub struct JsonError {
    message: String,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for JsonError {}

/// A value that cannot be a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyError {
    message: String,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for KeyError {}

/// Parses one JSON value; a byte order mark in front is dropped.
///
/// Whole numbers beyond `i64` and `u64` become text, exactly as written: as floats they would be other numbers.
/// Of two fields of the same name in a map the last one counts.
///
/// # Errors
///
/// Anything that is no JSON, invalid UTF-8, numbers beyond `f64`, and more than 128 levels.
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let bytes = match has_long_number(bytes) {
        true => Cow::Owned(quote_big_integers(bytes)),
        false => Cow::Borrowed(bytes),
    };
    serde_json::from_slice(&bytes).map_err(|error| JsonError {
        message: error.to_string(),
    })
}

/// Whether a run of digits may be too long for a machine's integer. It need not be a number: this is the quick look.
fn has_long_number(bytes: &[u8]) -> bool {
    let mut at = SAFE_DIGITS;
    // Looks at every 19th byte only, as long as it is no digit.
    while at < bytes.len() {
        if bytes[at].is_ascii_digit() {
            let before = bytes[..at]
                .iter()
                .rev()
                .take_while(|b| b.is_ascii_digit())
                .count();
            let after = bytes[at..]
                .iter()
                .take_while(|b| b.is_ascii_digit())
                .count();
            if before + after > SAFE_DIGITS {
                return true;
            }
            at += after;
        }
        at += SAFE_DIGITS + 1;
    }
    false
}

/// The same JSON with every integer that no machine integer holds between quotes.
fn quote_big_integers(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 16);
    let mut rest = bytes;
    while let Some(&first) = rest.first() {
        let length = match first {
            b'"' => string_length(rest),
            b'-' | b'0'..=b'9' => rest
                .iter()
                .take_while(|b| b"+-.eE0123456789".contains(b))
                .count(),
            _ => 1,
        };
        let (token, after) = rest.split_at(length);
        if is_big_integer(token) {
            out.push(b'"');
            out.extend_from_slice(token);
            out.push(b'"');
        } else {
            out.extend_from_slice(token);
        }
        rest = after;
    }
    out
}

/// The length of the string literal at the start, quotes included; all of it if it never ends.
fn string_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn is_big_integer(token: &[u8]) -> bool {
    let digits = token.strip_prefix(b"-").unwrap_or(token);
    let is_integer =
        digits.len() > SAFE_DIGITS && digits[0] != b'0' && digits.iter().all(u8::is_ascii_digit);
    let Some(text) = is_integer
        .then(|| std::str::from_utf8(token).ok())
        .flatten()
    else {
        return false;
    };
    text.parse::<i64>().is_err() && text.parse::<u64>().is_err()
}

/// Appends a value as JSON, without spaces.
///
/// # Errors
///
/// Undefined values, NaN and infinity, bytes, and maps with keys that are neither text, number nor boolean.
pub fn to_json(value: &Value, out: &mut Vec<u8>) -> Result<(), EvalError> {
    write(value, out).map_err(|cause| EvalError::new(cause.message))
}

pub(super) fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), Cause> {
    match value.kind() {
        ValueKind::None => out.extend_from_slice(b"null"),
        ValueKind::Bool => out.extend_from_slice(if value.is_true() { b"true" } else { b"false" }),
        ValueKind::Number if value.is_integer() => write_integer(value, out),
        ValueKind::Number => match f64::try_from(value.clone())
            .ok()
            .and_then(serde_json::Number::from_f64)
        {
            Some(number) => out.extend_from_slice(number.to_string().as_bytes()),
            None => {
                return Err(Cause::new(
                    "a number that is infinite or not a number cannot be JSON",
                ));
            }
        },
        ValueKind::String => write_string(value.as_str().unwrap_or_default(), out),
        ValueKind::Seq | ValueKind::Iterable => write_list(value, out)?,
        ValueKind::Map => write_map(value, out)?,
        ValueKind::Bytes => return Err(Cause::new("bytes cannot be JSON")),
        ValueKind::Undefined => return Err(Cause::new("an undefined value cannot be JSON")),
        _ => return Err(Cause::new("the value cannot be JSON")),
    }
    Ok(())
}

/// Appends an integer of any size.
pub(super) fn write_integer(value: &Value, out: &mut Vec<u8>) {
    match value.as_i64() {
        Some(number) => write!(out, "{number}"),
        None => write!(out, "{value}"),
    }
    .expect("a number can always be written to memory");
}

pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a text can always be written to memory");
}

fn write_list(value: &Value, out: &mut Vec<u8>) -> Result<(), Cause> {
    out.push(b'[');
    for (index, item) in items(value)?.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(&item, out)?;
    }
    out.push(b']');
    Ok(())
}

fn write_map(value: &Value, out: &mut Vec<u8>) -> Result<(), Cause> {
    let pairs = value.as_object().and_then(|map| map.try_iter_pairs());
    let pairs =
        pairs.ok_or_else(|| Cause::new("the value cannot be listed, so it cannot be JSON"))?;
    out.push(b'{');
    for (index, (key, item)) in pairs.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match key.kind() {
            ValueKind::String => write_string(key.as_str().unwrap_or_default(), out),
            ValueKind::Number | ValueKind::Bool => write_string(&key.to_string(), out),
            _ => {
                return Err(Cause::new(
                    "a map with a key that is no text cannot be JSON",
                ));
            }
        }
        out.push(b':');
        write(&item, out)?;
    }
    out.push(b'}');
    Ok(())
}

fn items(value: &Value) -> Result<impl Iterator<Item = Value> + use<>, Cause> {
    value
        .try_iter()
        .map_err(|_| Cause::new("the value cannot be listed, so it cannot be JSON"))
}

/// The canonical JSON of a key: a text, an integer, a boolean, or a list of those.
///
/// # Errors
///
/// Null, floats, maps, lists in lists, and keys longer than [`MAX_KEY_BYTES`].
pub fn key_json(value: &Value) -> Result<String, KeyError> {
    let mut out = Vec::new();
    match value.kind() {
        ValueKind::Seq => {
            out.push(b'[');
            for (index, part) in value.try_iter().into_iter().flatten().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_key_part(&part, &mut out)?;
            }
            out.push(b']');
        }
        _ => write_key_part(value, &mut out)?,
    }
    if out.len() > MAX_KEY_BYTES {
        let message = format!("the key has {} bytes, more than {MAX_KEY_BYTES}", out.len());
        return Err(KeyError { message });
    }
    Ok(String::from_utf8(out).expect("JSON of texts, integers and booleans is UTF-8"))
}

fn write_key_part(value: &Value, out: &mut Vec<u8>) -> Result<(), KeyError> {
    let refused = match value.kind() {
        ValueKind::String | ValueKind::Bool => None,
        ValueKind::Number if value.is_integer() => None,
        ValueKind::None => Some("null"),
        ValueKind::Number => Some("a number with a fraction"),
        ValueKind::Map => Some("a map"),
        ValueKind::Seq => Some("a list in a list"),
        _ => Some("no plain value"),
    };
    match refused {
        Some(what) => Err(KeyError {
            message: format!("the key is {what}; a key is a text, an integer or a boolean"),
        }),
        None => write(value, out).map_err(|cause| KeyError {
            message: cause.message,
        }),
    }
}
