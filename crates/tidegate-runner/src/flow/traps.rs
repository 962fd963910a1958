//! What people meant where YAML reads something else.
//!
//! The parser says where it stopped; the line says why. Each trap is one that users fall into in their first hour.

use super::{
    brackets::{Bare, bare_value, unclosed},
    fault::Fault,
    tree::Span,
};

/// A map or list as a key: nearly always `{{ … }}` without quotes.
pub(crate) fn complex_key(text: &str, map: &Span, key: &Span) -> Fault {
    let line = Line::of(text, map.start);
    if text[map.start..].starts_with("{{") {
        return braces(&line, map.start);
    }
    let fault = Fault::error("a key must be a text").at(key);
    fault.label("a map or a list stands here as a key")
}

/// Turns the parser's complaint at a byte into a fault that names the cause.
pub(crate) fn explain(text: &str, at: usize, info: &str) -> Fault {
    let at = at.min(text.len());
    let line = Line::of(text, at);
    if info.contains("flow mapping") || info.contains("flow sequence") {
        if let Some(fault) = line.trap().or_else(|| line.bracket_inside(at)) {
            return fault;
        }
        if let Some(open) = unclosed(&text[..at]) {
            let fault = Fault::error(format!("this `{}` never closes", &text[open..=open]));
            return fault.at(&(open..open + 1));
        }
    }
    if info.contains("mapping values are not allowed")
        && let Some(fault) = line.too_deep(text)
    {
        return fault;
    }
    let known = line.trap().or_else(|| {
        // Some mistakes are noticed one line late.
        let before = line.start.checked_sub(1).map(|end| Line::of(text, end))?;
        before.trap()
    });
    known.unwrap_or_else(|| {
        if info.contains("quoted scalar") {
            return Fault::error("a quote that never closes")
                .at(&one_char(text, at))
                .help("close it on the same line");
        }
        // The end of a line shows nothing to point at: its last character does.
        let end = line.start + line.text.trim_end().len();
        let last = text[line.start..end].char_indices().next_back();
        let last = last.map_or(line.start, |(offset, _)| line.start + offset);
        Fault::error("the file cannot be read from here on")
            .at(&one_char(text, at.min(last)))
            .label(info.to_owned())
    })
}

/// The character at a byte; nothing at the end of the text.
fn one_char(text: &str, at: usize) -> Span {
    at..at + text[at..].chars().next().map_or(0, char::len_utf8)
}

/// A line of the file, and what seems to be its key and value.
struct Line<'t> {
    start: usize,
    text: &'t str,
    key: &'t str,
    value: &'t str,
    /// Byte of the value in the file.
    value_at: usize,
}

impl<'t> Line<'t> {
    fn of(text: &'t str, at: usize) -> Line<'t> {
        let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line = text[start..]
            .split('\n')
            .next()
            .unwrap_or_default()
            .trim_end_matches('\r');
        let mut offset = line.len() - line.trim_start().len();
        while line[offset..].starts_with("- ") {
            offset += 2 + line[offset + 2..].len() - line[offset + 2..].trim_start().len();
        }
        let content = &line[offset..];
        let colon = if content.starts_with(['"', '\'', '{', '[']) {
            None
        } else {
            content.find(": ").or_else(|| content.find(":\t"))
        };
        let (key, value_offset) = match colon {
            Some(colon) => (&content[..colon], offset + colon + 1),
            None => ("", offset),
        };
        let value = line[value_offset..].trim_start();
        let value_at = start + line.len() - value.len();
        Line {
            start,
            text: line,
            key,
            value: value.trim_end(),
            value_at,
        }
    }

    fn trap(&self) -> Option<Fault> {
        let indent = &self.text[..self.text.len() - self.text.trim_start().len()];
        if let Some(tab) = indent.find('\t') {
            let at = self.start + tab;
            return Some(
                Fault::error("a tab cannot indent")
                    .at(&(at..at + 1))
                    .help("use two spaces for each level"),
            );
        }
        if !self.key.is_empty() && self.text.contains(":\t") {
            let at = self.start + self.text.find(":\t").unwrap_or_default() + 1;
            return Some(
                Fault::error("a tab before a value")
                    .at(&(at..at + 1))
                    .help("use one space"),
            );
        }
        match self.value.as_bytes().first()? {
            b'{' if self.value.starts_with("{{") => Some(braces(self, self.value_at)),
            b'{' | b'[' => self.braces_in_flow_style(),
            b'\'' | b'"' => self.text_after_quote(),
            b'@' | b'`' | b'%' | b'*' | b'&' | b'!' | b',' | b']' | b'}' => Some(self.bad_start()),
            b'-' if self.value.starts_with("- ") && !self.key.is_empty() => {
                let help = "start the list on the next line, or write  [a, b]";
                Some(
                    Fault::error("a list cannot start behind a key")
                        .at(&self.at(0, 1))
                        .help(help),
                )
            }
            _ => self.colon_inside(),
        }
    }

    /// A key that is indented more than the entry above it, which has a value already.
    fn too_deep(&self, text: &'t str) -> Option<Fault> {
        let above = text[..self.start]
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty())?;
        let indent = |line: &str| line.len() - line.trim_start().len();
        let (own, other) = (indent(self.text), indent(above));
        let above = Line::of(above, 0);
        if own <= other || above.key.is_empty() || above.value.is_empty() || self.key.is_empty() {
            return None;
        }
        let at = self.start + other..self.start + own;
        let fault = Fault::error(format!("`{}` is indented too far", self.key)).at(&at);
        let fault = fault.label(format!("`{}` above has a value already", above.key));
        Some(fault.help(format!("indent both lines by {other} blanks")))
    }

    fn at(&self, from: usize, len: usize) -> Span {
        self.value_at + from..self.value_at + from + len
    }

    /// `{ api: GET /x/{{ id }} }`.
    fn braces_in_flow_style(&self) -> Option<Fault> {
        let inside = self.value.find("{{")?;
        // Quoted, they are no trap.
        if self.value[..inside].matches('"').count() % 2 == 1
            || self.value[..inside].matches('\'').count() % 2 == 1
        {
            return None;
        }
        let fault = Fault::error("`{{` inside `{ … }` must be quoted")
            .at(&self.at(inside, 2))
            .label("YAML reads `{` as the start of a map");
        let inner = self
            .value
            .strip_prefix('{')
            .and_then(|inner| inner.strip_suffix('}'))
            .map(str::trim);
        let entry = inner
            .filter(|inner| !inner.contains(", "))
            .and_then(|inner| inner.split_once(": "));
        Some(match entry {
            Some((key, value)) if !value.contains('"') => {
                fault.help(format!("{{ {key}: \"{value}\" }}"))
            }
            _ => fault.help("quote that text, or give each key a line of its own"),
        })
    }

    /// `{ over: friends | default([]) }`, if the parser stopped in such a value.
    fn bracket_inside(&self, stopped: usize) -> Option<Fault> {
        let Bare { at, bracket } = bare_value(self.value)?;
        if !(self.value_at + at.start..=self.value_at + at.end).contains(&stopped) {
            return None;
        }
        let shown = &self.value[bracket..=bracket];
        let what = if shown == "[" { "a list" } else { "a map" };
        let fault = Fault::error(format!(
            "a value with `{shown}` must be quoted inside `{{ … }}` and `[ … ]`"
        ));
        let fault = fault
            .at(&self.at(bracket, 1))
            .label(format!("YAML reads this as the start of {what}"));
        let bare = &self.value[at.clone()];
        let quoted = match bare.contains('"') {
            false => format!("\"{bare}\""),
            true => format!("'{}'", bare.replace('\'', "''")),
        };
        let (before, after) = (&self.value[..at.start], &self.value[at.end..]);
        Some(fault.help(format!("{}{before}{quoted}{after}", self.prefix())))
    }

    /// `'x' ~ y`.
    fn text_after_quote(&self) -> Option<Fault> {
        let quote = self.value.chars().next()?;
        let close = self.value[1..].find(quote)? + 1;
        let rest = self.value[close + 1..].trim_start();
        if rest.is_empty() || rest.starts_with('#') || rest.starts_with(':') {
            return None;
        }
        let other = if quote == '"' { '\'' } else { '"' };
        let fault = Fault::error("a value that starts with a quote ends with it")
            .at(&self.at(close + 1, self.value.len() - close - 1));
        let fault = fault.label("YAML reads the value as ended before this");
        Some(match self.value.contains(other) {
            false => fault.help(format!("{}{other}{}{other}", self.prefix(), self.value)),
            true => fault.help("start the value on the next line, after  >-"),
        })
    }

    fn bad_start(&self) -> Fault {
        let first = &self.value[..1];
        let fault = Fault::error(format!("a value cannot start with `{first}`")).at(&self.at(0, 1));
        match self.value.contains('"') {
            false => fault.help(format!("{}\"{}\"", self.prefix(), self.value)),
            true => fault.help("quote the value"),
        }
    }

    /// `GET /x?q=a: b`.
    fn colon_inside(&self) -> Option<Fault> {
        let colon = self
            .value
            .find(": ")
            .or_else(|| self.value.ends_with(':').then(|| self.value.len() - 1))?;
        if self.key.is_empty() {
            return None;
        }
        let fault = Fault::error("`: ` inside a value must be quoted")
            .at(&self.at(colon, 1))
            .label("YAML reads this as a key and its value");
        let fault = match self.value.contains('"') {
            false => fault.help(format!("{}\"{}\"", self.prefix(), self.value)),
            true => fault.help(format!(
                "{}'{}'",
                self.prefix(),
                self.value.replace('\'', "''")
            )),
        };
        let parameters = self.value.find('?').is_some_and(|mark| mark < colon);
        Some(if parameters {
            fault.help("or put the parameters under  query:")
        } else {
            fault
        })
    }

    /// The key as a help repeats it.
    fn prefix(&self) -> String {
        if self.key.is_empty() {
            String::new()
        } else {
            format!("{}: ", self.key)
        }
    }
}

fn braces(line: &Line<'_>, at: usize) -> Fault {
    let fault = Fault::error("`{{` at the start of a value must be quoted")
        .at(&(at..at + 2))
        .label("YAML reads `{` as the start of a map");
    let whole = line.value_at == at && !line.value.contains('"');
    match whole {
        true => fault.help(format!("{}\"{}\"", line.prefix(), line.value)),
        false => fault.help("put the value into quotes"),
    }
}
