//! Brackets inside `{ … }` and `[ … ]`, which YAML reads as its own unless they are quoted.

use std::ops::Range;

/// A value without quotes that holds a bracket.
#[derive(Debug, PartialEq)]
pub(super) struct Bare {
    /// The value as its author means it.
    pub(super) at: Range<usize>,
    /// Its first `[` or `{`.
    pub(super) bracket: usize,
}

/// The first such value among the entries of a flow map or list, which may have begun on an earlier line.
pub(super) fn bare_value(text: &str) -> Option<Bare> {
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        at = match first {
            '"' | '\'' => end_of_quoted(text, at),
            '{' | '[' | '}' | ']' | ',' => at + 1,
            _ if first.is_whitespace() => at + first.len_utf8(),
            _ => {
                let plain = Plain::of(text, at);
                if let Some(bracket) = plain.bracket {
                    let end = at + text[at..plain.end].trim_end().len();
                    return plain.is_balanced.then_some(Bare {
                        at: at..end,
                        bracket,
                    });
                }
                // The `:` behind a key, if one stands there.
                plain.end + usize::from(text[plain.end..].starts_with(':'))
            }
        };
    }
    None
}

/// The last bracket that is open at the end of a text.
pub(super) fn unclosed(text: &str) -> Option<usize> {
    let mut closed = 0_usize;
    for (at, c) in text.char_indices().rev() {
        match c {
            ']' | '}' => closed += 1,
            '[' | '{' if closed == 0 => return Some(at),
            '[' | '{' => closed -= 1,
            _ => {}
        }
    }
    None
}

/// A key or value without quotes, up to what ends it outside of all brackets.
struct Plain {
    end: usize,
    bracket: Option<usize>,
    is_balanced: bool,
}

impl Plain {
    fn of(text: &str, start: usize) -> Plain {
        let mut depth = 0_usize;
        let mut bracket = None;
        let mut at = start;
        while let Some(c) = text[at..].chars().next() {
            match c {
                '[' | '{' | '(' => {
                    depth += 1;
                    if c != '(' {
                        bracket = bracket.or(Some(at));
                    }
                }
                ']' | '}' | ')' if depth > 0 => depth -= 1,
                // An apostrophe in plain words is no quote; in an expression's brackets it is one.
                '"' | '\'' if depth > 0 => {
                    at = end_of_quoted(text, at);
                    continue;
                }
                ',' | ']' | '}' if depth == 0 => break,
                ':' if depth == 0 && text[at + 1..].starts_with([' ', '\t']) => break,
                _ => {}
            }
            at += c.len_utf8();
        }
        Plain {
            end: at,
            bracket,
            is_balanced: depth == 0,
        }
    }
}

/// Behind the quote that closes the one at `start`; the end of the text if none does.
fn end_of_quoted(text: &str, start: usize) -> usize {
    let quote = &text[start..=start];
    text[start + 1..]
        .find(quote)
        .map_or(text.len(), |close| start + 1 + close + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(text: &str) -> Option<&str> {
        bare_value(text).map(|found| &text[found.at])
    }

    #[test]
    fn a_value_ends_outside_of_its_own_brackets() {
        assert_eq!(
            bare("{ over: a.b | default([]), max: 50 }"),
            Some("a.b | default([])")
        );
        assert_eq!(bare("[a[0], b]"), Some("a[0]"));
        assert_eq!(
            bare("{ a: 1, b: x | default([1, ','], true) }"),
            Some("x | default([1, ','], true)")
        );
        assert_eq!(
            bare("friends | default({}),"),
            Some("friends | default({})")
        );
    }

    #[test]
    fn brackets_of_yaml_and_quoted_ones_are_none() {
        for text in [
            "{ a: [1, 2], b: { c: d } }",
            "{ a: \"x[0]\", b: 'y[0]' }",
            "{ a: don't, b: [c] }",
            "{ a: b[",
        ] {
            assert_eq!(bare(text), None, "{text}");
        }
    }
}
