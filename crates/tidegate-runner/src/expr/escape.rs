use super::error::Cause;
use minijinja::value::{Value, ValueKind};

/// Where a text stands, which decides how the values in it are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Anywhere without rules: the value as text.
    Plain,
    /// A segment of a URL's path: percent-encoded, never empty, `.` or `..`.
    Path,
    /// A value in a query: percent-encoded; so are the literal parts.
    Query,
    /// A header's value: visible text on one line.
    Header,
    /// A leaf of a JSON body; whoever writes the body quotes it.
    Json,
    /// A file's name: what could leave its folder is percent-encoded.
    FileName,
}

/// Appends `text` as a name or value of a query: everything but unreserved characters (`A-Z a-z 0-9 - . _ ~`) is
/// percent-encoded, as in [`Position::Query`].
pub fn encode_query(out: &mut String, text: &str) {
    percent_encode(text, out);
}

/// Appends `text` with everything but unreserved characters percent-encoded.
pub(super) fn percent_encode(text: &str, out: &mut String) {
    encode_bytes(text, out, |byte| {
        byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
    });
}

/// Appends `text` with every byte encoded that `plain` refuses. `plain` must refuse all that is not ASCII.
fn encode_bytes(text: &str, out: &mut String, plain: impl Fn(u8) -> bool) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    if text.bytes().all(&plain) {
        out.push_str(text);
        return;
    }
    for byte in text.bytes() {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

impl Position {
    /// Appends a value that stands between literals.
    pub(super) fn append(self, name: &str, value: &Value, out: &mut String) -> Result<(), Cause> {
        let owned;
        let text = match value.as_str() {
            Some(text) => text,
            None => {
                owned = plain_text(name, value)?;
                &owned
            }
        };
        match self {
            Self::Plain | Self::Json => out.push_str(text),
            Self::Path | Self::Query => percent_encode(text, out),
            Self::Header => {
                header_text(name, text)?;
                out.push_str(text);
            }
            Self::FileName => file_name(name, text, out)?,
        }
        Ok(())
    }
}

/// A value other than text, as text: what a reader of the flow file expects, never what the interpreter would print.
pub(super) fn plain_text(name: &str, value: &Value) -> Result<String, Cause> {
    match value.kind() {
        ValueKind::String => Ok(value.as_str().unwrap_or_default().to_owned()),
        ValueKind::Bool => Ok(value.is_true().to_string()),
        ValueKind::Number if value.is_integer() => Ok(value
            .as_i64()
            .map_or_else(|| value.to_string(), |number| number.to_string())),
        ValueKind::Number => {
            let number = f64::try_from(value.clone()).unwrap_or(f64::NAN);
            if number.is_finite() {
                // Whole ones print without `.0`: `2.0` in a path means 2.
                Ok(number.to_string())
            } else {
                Err(Cause::new(format!(
                    "`{name}` is {number}, which is no text"
                )))
            }
        }
        ValueKind::None => Err(
            Cause::new(format!("`{name}` is null, which is no text")).help(format!(
                "say what stands in for it: {{{{ {name} | default('') }}}}"
            )),
        ),
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {
            let what = if value.kind() == ValueKind::Map {
                "map"
            } else {
                "list"
            };
            Err(
                Cause::new(format!("`{name}` is a {what}, which is no text"))
                    .help(format!("for its JSON write {{{{ {name} | tojson }}}}")),
            )
        }
        _ => Err(Cause::new(format!("`{name}` is no text"))),
    }
}

/// Refuses what a header cannot carry. Tabs are allowed (RFC 9110, 5.5); CR and LF would begin another header.
pub(super) fn header_text(name: &str, text: &str) -> Result<(), Cause> {
    match text
        .chars()
        .find(|c| c.is_control() && *c != '\t' || !c.is_ascii())
    {
        None => Ok(()),
        Some(c) => Err(Cause::new(format!(
            "`{name}` holds {}, which cannot stand in a header",
            c.escape_unicode()
        ))),
    }
}

/// Appends a file name that stays one name on every system: separators, control characters, what Windows refuses,
/// a drive's colon and leading dots are percent-encoded, and `%` itself, so that two values never meet in one file.
fn file_name(name: &str, text: &str, out: &mut String) -> Result<(), Cause> {
    if text.is_empty() {
        return Err(Cause::new(format!(
            "`{name}` is \"\", which cannot stand in a file name"
        )));
    }
    let at_start = out.is_empty() || out.ends_with(['/', '\\']);
    let dots = if at_start {
        text.len() - text.trim_start_matches('.').len()
    } else {
        0
    };
    for _ in 0..dots {
        out.push_str("%2E");
    }
    for c in text[dots..].chars() {
        if c.is_control() || r#"/\:%*?"<>|"#.contains(c) {
            encode_bytes(c.encode_utf8(&mut [0; 4]), out, |_| false);
        } else {
            out.push(c);
        }
    }
    Ok(())
}
