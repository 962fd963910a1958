use std::{fmt, ops::Range, sync::Arc};

/// A fault in the source of an expression or text, found before anything runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExprFault {
    /// Bytes of the source that are at fault.
    pub at: Range<usize>,
    /// What is wrong: a lower-case fragment.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl ExprFault {
    pub(crate) fn new(at: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
            help: None,
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same fault in a source in which this one begins at `offset`.
    pub(crate) fn moved_by(mut self, offset: usize) -> Self {
        self.at = self.at.start + offset..self.at.end + offset;
        self
    }
}

impl fmt::Display for ExprFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ExprFault {}

/// An expression or text that has no usable value for this record.
///
/// Its [`Display`](fmt::Display) is the message: one line, without values of `env`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvalError {
    /// What is wrong: a fragment that begins with the name at fault.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// The expression as the flow file writes it; empty where no single one is at fault.
    pub expression: Arc<str>,
}

impl EvalError {
    /// An error that no single expression has made.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
            expression: Arc::from(""),
        }
    }

    pub(crate) fn of(expression: &Arc<str>, cause: Cause) -> Self {
        Self {
            message: cause.message,
            help: cause.help,
            expression: Arc::clone(expression),
        }
    }
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for EvalError {}

/// Why a value cannot be used, before it is known which expression made it.
#[derive(Debug)]
pub(crate) struct Cause {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Cause {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// The names of `known` that somebody may have meant by `wrong`, best first, at most three.
pub(crate) fn near<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut close: Vec<(usize, &str)> = known
        .into_iter()
        .map(|name| (distance(wrong, name), name))
        .filter(|(distance, name)| *distance <= 1 + wrong.len().max(name.len()) / 4)
        .collect();
    close.sort();
    close.into_iter().map(|(_, name)| name).take(3).collect()
}

/// The field that somebody meant who wrote `user-id`, which is a difference: its name stands in `source`, without
/// quotes, and is made of `name` and other words.
pub(crate) fn dashed<'a>(
    source: &str,
    name: &str,
    fields: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let mut fields = fields.into_iter();
    fields.find(|field| {
        let mut words = field.split(['-', ' ']);
        let mut places = source.match_indices(field);
        *field != name
            && words.any(|word| word == name)
            && places.any(|(at, _)| !source[..at].ends_with(['\'', '"']))
    })
}

/// Levenshtein distance over bytes, without case.
fn distance(a: &str, b: &str) -> usize {
    let b = b.as_bytes();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(!x.eq_ignore_ascii_case(y));
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
