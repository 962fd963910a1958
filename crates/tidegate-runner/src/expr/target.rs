use super::{
    error::{Cause, EvalError, ExprFault},
    escape::{Position, percent_encode},
    expression::Expr,
    filters::check_url,
    mentions::Mentions,
    scope::Scope,
    text::{Part, append, mentions_of, split, whole_error},
};
use std::sync::Arc;

/// The target of a request: a path with its query, or a whole URL.
#[derive(Debug)]
pub struct Target {
    source: Arc<str>,
    shape: Shape,
    mentions: Mentions,
}

#[derive(Debug)]
enum Shape {
    /// `{{ next | url }}`
    Url(Box<Expr>),
    /// Literals and placeholders. `origin` is `https://host` of a target that names its host, else empty.
    Path {
        origin: String,
        path: Vec<Part>,
        query: Vec<Part>,
    },
}

/// A rendered target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetValue {
    /// Begins with `/`; goes behind the service's base.
    PathAndQuery(String),
    /// A whole http or https URL, whose host the service must allow.
    Url(String),
}

impl Target {
    /// Compiles the part of a request line behind the method: `/users/{{ id }}?q={{ name }}`, `https://host/…`, or a
    /// lone `{{ next | url }}`.
    ///
    /// # Errors
    ///
    /// As [`Text::compile`](super::Text::compile), and: a path that does not begin with `/`, a placeholder in the host,
    /// a fragment, and characters that no URL may hold.
    pub fn compile(source: &str) -> Result<Self, ExprFault> {
        let parts = split(source)?;
        let is_lone = parts.len() == 1;
        let mut path = Vec::new();
        let mut query = Vec::new();
        let mut in_query = false;
        for (part, at) in parts {
            match part {
                Part::Hole(expr) if expr.is_url() => {
                    if !is_lone {
                        let fault =
                            ExprFault::new(at..at + expr.source().len(), "`url` is a whole target");
                        return Err(fault.help("a value between other parts is encoded without it"));
                    }
                    let mentions = expr.mentions().clone();
                    return Ok(Self {
                        source: Arc::from(source),
                        shape: Shape::Url(expr),
                        mentions,
                    });
                }
                Part::Literal(literal) => {
                    check_literal(&literal, at)?;
                    match literal.split_once('?') {
                        Some((before, after)) if !in_query => {
                            in_query = true;
                            if !before.is_empty() {
                                path.push(Part::Literal(before.to_owned()));
                            }
                            query.push(Part::Literal(format!("?{after}")));
                        }
                        _ if in_query => query.push(Part::Literal(literal)),
                        _ => path.push(Part::Literal(literal)),
                    }
                }
                hole @ Part::Hole(_) if in_query => query.push(hole),
                hole @ Part::Hole(_) => path.push(hole),
            }
        }
        let skeleton: String = path
            .iter()
            .map(|part| match part {
                Part::Literal(literal) => literal.as_str(),
                Part::Hole(_) => "*",
            })
            .collect();
        if skeleton.split('/').any(is_dots) {
            return Err(ExprFault::new(
                0..source.len(),
                "`.` and `..` cannot stand in a path",
            ));
        }
        let origin = take_origin(source, &mut path, !query.is_empty())?;
        let mut mentions = mentions_of(&path);
        mentions.merge(&mentions_of(&query));
        Ok(Self {
            source: Arc::from(source),
            shape: Shape::Path {
                origin,
                path,
                query,
            },
            mentions,
        })
    }

    /// The target for a record.
    ///
    /// # Errors
    ///
    /// An expression without a value, and a value that would ask for something else: null, a list, a map, an empty
    /// text, and a segment that comes out as `.` or `..`.
    pub fn render(&self, scope: &Scope) -> Result<TargetValue, EvalError> {
        match &self.shape {
            Shape::Url(expr) => {
                let url = expr.eval(scope)?;
                // `url` may stand in a branch that was not taken: `a if b else c | url`.
                check_url(&url).map_err(|cause| expr.error(scope, cause))?;
                Ok(TargetValue::Url(
                    url.as_str().unwrap_or_default().to_owned(),
                ))
            }
            Shape::Path {
                origin,
                path,
                query,
            } => {
                let mut out = String::with_capacity(self.source.len() + 32);
                out.push_str(origin);
                self.render_path(path, scope, &mut out)?;
                for part in query {
                    match part {
                        Part::Literal(literal) => out.push_str(literal),
                        Part::Hole(expr) => {
                            append(expr, Position::Query, &expr.eval(scope)?, scope, &mut out)?
                        }
                    }
                }
                Ok(if origin.is_empty() {
                    TargetValue::PathAndQuery(out)
                } else {
                    TargetValue::Url(out)
                })
            }
        }
    }

    fn render_path(&self, path: &[Part], scope: &Scope, out: &mut String) -> Result<(), EvalError> {
        let start = out.len();
        for part in path {
            match part {
                Part::Literal(literal) => out.push_str(literal),
                Part::Hole(expr) => {
                    let value = expr.eval(scope)?;
                    if value.is_none() {
                        return Err(self.refuse("null", expr.source(), scope));
                    }
                    if value.as_str() == Some("") {
                        let error = self.refuse("\"\"", expr.source(), scope);
                        let help = format!(
                            "to leave such records out write in the source: where: {} != ''",
                            expr.source()
                        );
                        return Err(EvalError {
                            help: Some(help),
                            ..error
                        });
                    }
                    append(expr, Position::Path, &value, scope, out)?;
                }
            }
        }
        // A segment may be made of several parts, so only the whole shows whether it climbs.
        match out[start..].split('/').find(|segment| is_dots(segment)) {
            Some(segment) => Err(self.refuse(&format!("\"{segment}\""), "", scope)),
            None => Ok(()),
        }
    }

    fn refuse(&self, shown: &str, expression: &str, scope: &Scope) -> EvalError {
        let message = format!("{shown} cannot stand in the path of {}", self.source);
        whole_error(expression, scope, Cause::new(message))
    }

    /// Whether the target names its host, so that the service's base has no part in it.
    pub fn is_whole_url(&self) -> bool {
        match &self.shape {
            Shape::Url(_) => true,
            Shape::Path { origin, .. } => !origin.is_empty(),
        }
    }

    /// Whether the whole target is a value: `{{ next | url }}`.
    pub fn is_lone_url(&self) -> bool {
        matches!(self.shape, Shape::Url(_))
    }

    /// What the expressions mention.
    pub fn mentions(&self) -> &Mentions {
        &self.mentions
    }
}

/// Whether a server or a proxy would take the segment for `.` or `..`, which encoding does not prevent.
fn is_dots(segment: &str) -> bool {
    (1..=6).contains(&segment.len())
        && matches!(segment.as_bytes()[0], b'.' | b'%')
        && matches!(
            segment.to_ascii_lowercase().replace("%2e", ".").as_str(),
            "." | ".."
        )
}

fn check_literal(literal: &str, offset: usize) -> Result<(), ExprFault> {
    let Some((at, c)) = literal
        .char_indices()
        .find(|(_, c)| !c.is_ascii_graphic() || "#\"<>\\^`{|}".contains(*c))
    else {
        return Ok(());
    };
    let at = offset + at..offset + at + c.len_utf8();
    if c == '#' {
        return Err(ExprFault::new(at, "a fragment is never sent")
            .help("write %23 for the character itself"));
    }
    let mut encoded = String::new();
    percent_encode(c.encode_utf8(&mut [0; 4]), &mut encoded);
    Err(
        ExprFault::new(at, format!("`{}` cannot stand in a URL", c.escape_debug()))
            .help(format!("write {encoded}")),
    )
}

/// Cuts `https://host` off the front of the path; what is left begins with `/`.
fn take_origin(source: &str, path: &mut [Part], has_query: bool) -> Result<String, ExprFault> {
    let fault = |message: &str| ExprFault::new(0..source.len(), message);
    let is_constant = path.len() == 1;
    let Some(Part::Literal(first)) = path.first() else {
        let help = "write /{{ … }} behind a base, or a lone {{ … | url }}";
        return Err(fault("a target begins with `/`").help(help));
    };
    if first.starts_with('/') {
        return Ok(String::new());
    }
    let Some(host_at) = ["http://", "https://"]
        .iter()
        .find(|scheme| first.starts_with(**scheme))
        .map(|s| s.len())
    else {
        return Err(fault("a target begins with `/`").help(format!("write /{source}")));
    };
    let (origin, rest) = match first[host_at..].find('/') {
        Some(slash) => first.split_at(host_at + slash),
        None if is_constant => (first.as_str(), "/"),
        None => {
            return Err(
                fault("a placeholder cannot stand in the host").help("end the host with `/`")
            );
        }
    };
    let (origin, rest) = (origin.to_owned(), rest.to_owned());
    let is_host = origin
        .parse::<http::Uri>()
        .is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty()));
    if !is_host || origin.contains('@') || (has_query && origin.contains('?')) {
        return Err(fault("the host of the target is none"));
    }
    path[0] = Part::Literal(rest);
    Ok(origin)
}
