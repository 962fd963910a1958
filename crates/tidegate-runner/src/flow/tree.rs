//! The tree of a YAML file, every scalar with its source text and place.

use std::ops::Range;

/// Bytes of the file.
pub(crate) type Span = Range<usize>;

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes.
    Plain,
    /// `'…'`.
    Single,
    /// `"…"`.
    Double,
    /// `|` or `>`.
    Block,
}

/// A text, number, boolean or null: what it is depends on where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scalar {
    /// The text, without quotes and escapes.
    pub(crate) text: String,
    pub(crate) style: Style,
    /// Quotes included.
    pub(crate) span: Span,
}

/// What a scalar is by itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as JSON writes it.
    Number(serde_json::Number),
    /// All else: `NO`, `012`, `1_000`, `12:30` and `on` too.
    Text,
}

impl Scalar {
    pub(crate) fn kind(&self) -> Kind {
        if self.style != Style::Plain {
            return Kind::Text;
        }
        match self.text.as_str() {
            "" | "~" | "null" => Kind::Null,
            "true" => Kind::Bool(true),
            "false" => Kind::Bool(false),
            text => number(text).map_or(Kind::Text, Kind::Number),
        }
    }

    /// Where a part of `text` stands in the file; the whole scalar where that cannot be told.
    pub(crate) fn locate(&self, part: &Range<usize>, file: &str) -> Span {
        let source = &file[self.span.clone()];
        let exact = match self.style {
            Style::Plain if source == self.text => {
                Some(self.span.start + part.start..self.span.start + part.end)
            }
            Style::Single => unescaped(source, part, |rest| {
                if rest.starts_with("''") {
                    (2, 1)
                } else {
                    one_char(rest)
                }
            }),
            Style::Double => unescaped(source, part, double_escape),
            Style::Plain | Style::Block => None,
        };
        let exact = exact.map(|at| {
            if matches!(self.style, Style::Single | Style::Double) {
                self.span.start + at.start..self.span.start + at.end
            } else {
                at
            }
        });
        exact
            .or_else(|| self.find_part(part, source))
            .unwrap_or_else(|| self.span.clone())
    }

    /// Over several lines: the first place with the same text.
    fn find_part(&self, part: &Range<usize>, source: &str) -> Option<Span> {
        let wanted = self
            .text
            .get(part.clone())
            .filter(|wanted| !wanted.trim().is_empty())?;
        let offset = source.find(wanted)?;
        Some(self.span.start + offset..self.span.start + offset + wanted.len())
    }
}

/// A number in JSON's notation; an integer that no 64 bits hold stays a text.
fn number(text: &str) -> Option<serde_json::Number> {
    let number: serde_json::Number = serde_json::from_str(text).ok()?;
    let whole = !text.contains(['.', 'e', 'E']);
    (!whole || number.is_i64() || number.is_u64()).then_some(number)
}

fn one_char(rest: &str) -> (usize, usize) {
    let len = rest.chars().next().map_or(1, char::len_utf8);
    (len, len)
}

/// Bytes that an escape takes in the file, and in the text.
fn double_escape(rest: &str) -> (usize, usize) {
    if !rest.starts_with('\\') {
        return one_char(rest);
    }
    let digits = match rest.as_bytes().get(1) {
        Some(b'x') => 2,
        Some(b'u') => 4,
        Some(b'U') => 8,
        Some(b'N') => return (2, 2),
        Some(b'_') => return (2, 2),
        Some(b'L' | b'P') => return (2, 3),
        Some(_) => return (2, 1),
        None => return (1, 1),
    };
    let code = rest
        .get(2..2 + digits)
        .and_then(|hex| u32::from_str_radix(hex, 16).ok())
        .and_then(char::from_u32);
    (2 + digits, code.map_or(1, char::len_utf8))
}

/// Maps a part of the text to the quoted source by walking both. None for a scalar over several lines.
fn unescaped(
    source: &str,
    part: &Range<usize>,
    step: impl Fn(&str) -> (usize, usize),
) -> Option<Range<usize>> {
    if source.contains('\n') {
        return None;
    }
    let (mut in_source, mut in_text) = (1, 0);
    let mut start = None;
    while in_source < source.len() {
        if in_text >= part.start && start.is_none() {
            start = Some(in_source);
        }
        if in_text >= part.end {
            break;
        }
        let (read, written) = step(&source[in_source..]);
        in_source += read;
        in_text += written;
    }
    Some(start?..in_source.min(source.len()))
}

/// `key: value` of a map, in the order of the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Map {
    pub(crate) entries: Vec<(Scalar, Node)>,
    /// From the first key, or the brace, to the end.
    pub(crate) span: Span,
}

impl Map {
    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        self.entries
            .iter()
            .find(|(key, _)| key.text == name)
            .map(|(_, value)| value)
    }
}

/// A value of the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Scalar(Scalar),
    List(Vec<Node>, Span),
    Map(Map),
    /// A fault has been reported here; whoever meets it says nothing more.
    Broken(Span),
}

impl Node {
    pub(crate) fn span(&self) -> &Span {
        match self {
            Node::Scalar(scalar) => &scalar.span,
            Node::Map(map) => &map.span,
            Node::List(_, span) | Node::Broken(span) => span,
        }
    }

    /// What it is, with an article.
    pub(crate) fn what(&self) -> &'static str {
        match self {
            Node::Scalar(scalar) => match scalar.kind() {
                Kind::Null => "nothing",
                Kind::Bool(_) => "a boolean",
                Kind::Number(_) => "a number",
                Kind::Text => "a text",
            },
            Node::List(..) => "a list",
            Node::Map(_) => "a map",
            Node::Broken(_) => "something unreadable",
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Node::Scalar(scalar) if scalar.kind() == Kind::Null)
    }
}
