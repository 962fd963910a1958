//! The words of an expression with their places, and where a placeholder ends.
//!
//! The interpreter keeps its own parser to itself, and only the words are needed to know which paths an expression
//! mentions: an expression binds no names, so a name at the start of a path is always one that the scope looks up.

use super::error::ExprFault;
use std::ops::Range;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) at: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A name or a word of the language.
    Word,
    Integer,
    Float,
    /// A text between quotes; its content, if it holds no escapes.
    Text(Option<String>),
    Symbol,
}

impl Token {
    /// The token as it is written.
    pub(super) fn of<'a>(&self, source: &'a str) -> &'a str {
        &source[self.at.clone()]
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self.kind, Kind::Integer | Kind::Float)
    }
}

/// Symbols of two characters; a single character is a symbol of its own.
const PAIRS: [&str; 6] = ["==", "!=", "<=", ">=", "//", "**"];
const SINGLES: &str = "()[]{}.,:|~+-*/%<>=";

pub(super) fn tokens(source: &str) -> Result<Vec<Token>, ExprFault> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(token) = next(source, at)? {
        at = token.at.end;
        tokens.push(token);
    }
    Ok(tokens)
}

/// Where the `}}` stands that ends a placeholder whose expression begins at `start`.
pub(super) fn placeholder_end(source: &str, start: usize) -> Result<usize, ExprFault> {
    let mut at = start;
    let mut open_braces = 0_usize;
    loop {
        let blank = source[at..].len() - source[at..].trim_start().len();
        if open_braces == 0 && source[at + blank..].starts_with("}}") {
            return Ok(at + blank);
        }
        let Some(token) = next(source, at)? else {
            return Err(ExprFault::new(start - 2..start, "this `{{` has no `}}`")
                .help("for the characters themselves write {{ '{{' }}"));
        };
        match token.of(source) {
            "{" => open_braces += 1,
            "}" => open_braces = open_braces.saturating_sub(1),
            _ => {}
        }
        at = token.at.end;
    }
}

fn next(source: &str, from: usize) -> Result<Option<Token>, ExprFault> {
    let rest = source[from..].trim_start();
    let start = source.len() - rest.len();
    let Some(first) = rest.chars().next() else {
        return Ok(None);
    };
    let (kind, length) = match first {
        'a'..='z' | 'A'..='Z' | '_' => (
            Kind::Word,
            prefix(rest, |c| c.is_ascii_alphanumeric() || c == '_'),
        ),
        '0'..='9' => number(rest),
        '\'' | '"' => text(rest, first).ok_or_else(|| {
            ExprFault::new(
                start..source.len(),
                format!("this text has no closing {first}"),
            )
        })?,
        _ if PAIRS.iter().any(|pair| rest.starts_with(pair)) => (Kind::Symbol, 2),
        _ if SINGLES.contains(first) => (Kind::Symbol, 1),
        _ => {
            let fault = ExprFault::new(
                start..start + first.len_utf8(),
                format!("`{first}` is no part of an expression"),
            );
            return Err(if first.is_alphabetic() {
                fault.help("a field whose name is not plain ASCII is written record['NAME']")
            } else {
                fault
            });
        }
    };
    Ok(Some(Token {
        kind,
        at: start..start + length,
    }))
}

fn prefix(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

fn number(rest: &str) -> (Kind, usize) {
    let digits = |text: &str| prefix(text, |c| c.is_ascii_alphanumeric() || c == '_');
    let whole = prefix(rest, |c| c.is_ascii_digit() || c == '_');
    let has_fraction = rest[whole..].starts_with('.')
        && rest[whole + 1..].starts_with(|c: char| c.is_ascii_digit());
    let mut length = if has_fraction {
        whole + 1 + digits(&rest[whole + 1..])
    } else {
        digits(rest)
    };
    let is_float = has_fraction || (rest[..length].contains(['e', 'E']) && !rest.starts_with("0x"));
    // `1e-3`: the sign belongs to the number.
    if is_float && rest[..length].ends_with(['e', 'E']) && rest[length..].starts_with(['+', '-']) {
        length += 1 + digits(&rest[length + 1..]);
    }
    (if is_float { Kind::Float } else { Kind::Integer }, length)
}

fn text(rest: &str, quote: char) -> Option<(Kind, usize)> {
    let mut escaped = false;
    let mut has_escapes = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => (escaped, has_escapes) = (true, true),
            _ if c == quote => {
                let content = (!has_escapes).then(|| rest[1..at].to_owned());
                return Some((Kind::Text(content), at + 1));
            }
            _ => {}
        }
    }
    None
}
