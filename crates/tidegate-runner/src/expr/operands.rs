//! The operands of `and`, `or`, `not` and the condition of an `if`.
//!
//! These bind weaker than everything else, so an operand is all that stands between two of them, or between one of
//! them and the bracket, comma or colon that ends its part of the expression.

use super::tokens::{Kind, Token};
use std::ops::Range;

const COMPARISONS: [&str; 6] = ["==", "!=", "<", ">", "<=", ">="];

/// The tokens of every operand that is asked for true or false, but of comparisons, which are always one of the two.
///
/// `words` are the places of `and`, `or`, `not` before an operand, `if` and `else`; an inner operand comes before the
/// one around it.
pub(super) fn asked(source: &str, tokens: &[Token], words: &[usize]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut around = Vec::new();
    let mut operand = Operand::at(0);
    for (at, token) in tokens.iter().enumerate() {
        let text = token.of(source);
        if words.contains(&at) {
            operand.is_asked |= matches!(text, "and" | "or");
            operand.end(at, &mut found);
            operand = Operand::at(at + 1);
            operand.is_asked = text != "else";
        } else if token.kind == Kind::Symbol {
            match text {
                "(" | "[" | "{" => {
                    around.push(std::mem::replace(&mut operand, Operand::at(at + 1)))
                }
                ")" | "]" | "}" => {
                    operand.end(at, &mut found);
                    operand = around.pop().unwrap_or(Operand::at(at + 1));
                }
                "," | ":" | "=" => {
                    operand.end(at, &mut found);
                    operand = Operand::at(at + 1);
                }
                _ => operand.is_comparison |= COMPARISONS.contains(&text),
            }
        }
    }
    operand.end(tokens.len(), &mut found);
    found
}

/// What is known of an operand before its end.
struct Operand {
    start: usize,
    is_asked: bool,
    is_comparison: bool,
}

impl Operand {
    fn at(start: usize) -> Self {
        Self {
            start,
            is_asked: false,
            is_comparison: false,
        }
    }

    fn end(&self, end: usize, found: &mut Vec<Range<usize>>) {
        if self.is_asked && !self.is_comparison && self.start < end {
            found.push(self.start..end);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::expr::analysis::Analysis;

    fn asked(source: &str) -> Vec<&str> {
        let analysis = Analysis::of(source).expect("the source is an expression");
        let tokens = &analysis.tokens;
        let text = |range: &std::ops::Range<usize>| {
            &source[tokens[range.start].at.start..tokens[range.end - 1].at.end]
        };
        analysis.asked.iter().map(text).collect()
    }

    #[test]
    fn operands_end_at_the_next_word_or_bracket() {
        assert_eq!(
            asked("a and b.c | lower or not d"),
            ["a", "b.c | lower", "d"]
        );
        assert_eq!(asked("x if a and b else c"), ["a", "b"]);
        assert_eq!(asked("x if not a else y if b else c"), ["a", "b"]);
        assert_eq!(asked("[a and b, c] | join(d or e)"), ["a", "b", "d", "e"]);
        assert_eq!(asked("{'k': not a}"), ["a"]);
        assert_eq!(asked("a | default(not b, c)"), ["b"]);
    }

    #[test]
    fn a_bracket_is_an_operand_too() {
        assert_eq!(asked("(a or b) and c"), ["a", "b", "(a or b)", "c"]);
    }

    #[test]
    fn what_asks_for_nothing_has_no_operands() {
        for source in [
            "a",
            "a ~ b",
            "a > 1 and b == 2",
            "not a < b",
            "a not in b",
            "a is not none",
        ] {
            assert_eq!(asked(source), [""; 0], "{source}");
        }
    }
}
