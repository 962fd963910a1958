use super::{
    error::{Cause, EvalError, ExprFault},
    escape::{Position, header_text, percent_encode},
    expression::Expr,
    mentions::Mentions,
    scope::{Names, Scope},
    tokens::placeholder_end,
};
use minijinja::value::Value;
use std::sync::Arc;

/// A text in which `{{ expression }}` may stand, escaped for its position.
#[derive(Debug)]
pub struct Text {
    parts: Vec<Part>,
    position: Position,
    mentions: Mentions,
}

#[derive(Debug)]
pub(super) enum Part {
    Literal(String),
    Hole(Box<Expr>),
}

impl Text {
    /// Compiles a text.
    ///
    /// # Errors
    ///
    /// A placeholder that does not end or whose expression is at fault, statements (`{%`), and for
    /// [`Position::Header`] a character that no header can carry.
    pub fn compile(source: &str, position: Position) -> Result<Self, ExprFault> {
        let mut parts = Vec::new();
        for (part, at) in split(source)? {
            match part {
                Part::Literal(literal) => {
                    if position == Position::Header
                        && let Err(cause) = header_text(source, &literal)
                    {
                        return Err(ExprFault::new(at..at + literal.len(), cause.message));
                    }
                    parts.push(Part::Literal(literal));
                }
                Part::Hole(expr) if expr.is_url() => {
                    let end = at + expr.source().len();
                    return Err(ExprFault::new(
                        at..end,
                        "`url` stands only in a target, and there alone",
                    ));
                }
                hole @ Part::Hole(_) => parts.push(hole),
            }
        }
        if position == Position::Query {
            for part in &mut parts {
                if let Part::Literal(literal) = part {
                    let mut encoded = String::new();
                    percent_encode(literal, &mut encoded);
                    *literal = encoded;
                }
            }
        }
        let mentions = mentions_of(&parts);
        Ok(Self {
            parts,
            position,
            mentions,
        })
    }

    /// The value: that of the expression, with its type, if the text is a lone placeholder; else the rendered text.
    ///
    /// # Errors
    ///
    /// As [`render`](Self::render).
    pub fn value(&self, scope: &Scope) -> Result<Value, EvalError> {
        match self.parts.as_slice() {
            [Part::Hole(expr)] => expr.eval(scope),
            _ => self.render(scope).map(Value::from),
        }
    }

    /// The text, with every value escaped for the position.
    ///
    /// # Errors
    ///
    /// An expression without a value; null, a list or a map; a value that the position cannot carry.
    pub fn render(&self, scope: &Scope) -> Result<String, EvalError> {
        let mut out = String::new();
        self.render_into(scope, &mut out)?;
        Ok(out)
    }

    /// As [`render`](Self::render); a lone placeholder whose value is null gives none, which leaves the entry out.
    ///
    /// # Errors
    ///
    /// As [`render`](Self::render).
    pub fn render_optional(&self, scope: &Scope) -> Result<Option<String>, EvalError> {
        if let [Part::Hole(expr)] = self.parts.as_slice() {
            let value = expr.eval(scope)?;
            if value.is_none() {
                return Ok(None);
            }
            let mut out = String::new();
            append(expr, self.position, &value, scope, &mut out)?;
            return Ok(Some(out));
        }
        self.render(scope).map(Some)
    }

    fn render_into(&self, scope: &Scope, out: &mut String) -> Result<(), EvalError> {
        for part in &self.parts {
            match part {
                Part::Literal(literal) => out.push_str(literal),
                Part::Hole(expr) => append(expr, self.position, &expr.eval(scope)?, scope, out)?,
            }
        }
        Ok(())
    }

    /// Whether the text is the same for every record.
    pub fn is_constant(&self) -> bool {
        self.parts.iter().all(|part| match part {
            Part::Literal(_) => true,
            Part::Hole(expr) => expr.is_constant(),
        })
    }

    /// What the expressions mention.
    pub fn mentions(&self) -> &Mentions {
        &self.mentions
    }

    /// An error of the value as a whole.
    pub(super) fn error(&self, scope: &Scope, cause: Cause) -> EvalError {
        match self.parts.as_slice() {
            [Part::Hole(expr)] => expr.error(scope, cause),
            _ => whole_error("", scope, cause),
        }
    }
}

/// Appends the value of `expr`, escaped for `position`.
pub(super) fn append(
    expr: &Expr,
    position: Position,
    value: &Value,
    scope: &Scope,
    out: &mut String,
) -> Result<(), EvalError> {
    position
        .append(expr.source(), value, out)
        .map_err(|cause| expr.error(scope, cause))
}

pub(super) fn mentions_of(parts: &[Part]) -> Mentions {
    let mut mentions = Mentions::default();
    for part in parts {
        if let Part::Hole(expr) = part {
            mentions.merge(expr.mentions());
        }
    }
    mentions
}

/// Cuts a text at its placeholders. With each part comes where it begins: a literal's first byte, an expression's first.
pub(super) fn split(source: &str) -> Result<Vec<(Part, usize)>, ExprFault> {
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(brace) = next_mark(source, at)? {
        if brace > at {
            parts.push((Part::Literal(source[at..brace].to_owned()), at));
        }
        let inside = brace + 2;
        if source[inside..].starts_with('-') {
            return Err(
                ExprFault::new(brace..inside + 1, "`{{-` does not trim here")
                    .help("write {{ and a blank"),
            );
        }
        let end = placeholder_end(source, inside)?;
        let raw = &source[inside..end];
        let start = inside + (raw.len() - raw.trim_start().len());
        let expr = Expr::compile_any(raw.trim()).map_err(|fault| fault.moved_by(start))?;
        parts.push((Part::Hole(Box::new(expr)), start));
        at = end + 2;
    }
    if at < source.len() {
        parts.push((Part::Literal(source[at..].to_owned()), at));
    }
    Ok(parts)
}

/// The next `{{`; statements and comments are refused, for nobody means them as text.
fn next_mark(source: &str, from: usize) -> Result<Option<usize>, ExprFault> {
    let mut at = from;
    while let Some(found) = source[at..].find('{').map(|found| at + found) {
        match source.as_bytes().get(found + 1) {
            Some(b'{') => return Ok(Some(found)),
            Some(b'%') => {
                return Err(
                    ExprFault::new(found..found + 2, "there are no statements in a text")
                        .help("choose inside a placeholder: {{ a if condition else b }}"),
                );
            }
            Some(b'#') => {
                return Err(
                    ExprFault::new(found..found + 2, "there are no comments in a text")
                        .help("for the characters themselves write {{ '{#' }}"),
                );
            }
            _ => at = found + 1,
        }
    }
    Ok(None)
}

/// An error that is not the fault of one expression, or of `expression` in its place.
pub(super) fn whole_error(expression: &str, scope: &Scope, cause: Cause) -> EvalError {
    let message = scope.redact(&cause.message).into_owned();
    EvalError::of(
        &Arc::from(expression),
        Cause {
            message,
            help: cause.help,
        },
    )
}
