//! From an answer to its class and its value.

use crate::{
    expr::{Globals, json},
    plan::{AsBody, Classify, Match},
};
use minijinja::{
    Value,
    value::{Enumerator, Object},
};
use std::sync::Arc;
use tidegate::policy::{Class, Sent, Verdict};
use tidegate_http::Answer;

/// The bytes of a body that an error or a dead letter shows.
const HEAD: usize = 500;

/// The class of an answer by the step's rules, then the service's, then the default table.
pub(super) enum Judged {
    /// As the policy sees it.
    Verdict(Verdict),
    /// The run ends.
    Stop,
}

/// Judges an answer.
pub(super) fn judge(answer: &Answer, rules: [Option<&Classify>; 2]) -> Judged {
    let by_default = answer.verdict();
    // The body is read as a value at most once, and only for a rule that is an expression.
    let mut parsed: Option<(Value, Value)> = None;
    for rules in rules.into_iter().flatten() {
        let mut matches = |rule: &Option<Match>| match rule {
            None => false,
            Some(Match::Status(statuses)) => statuses.contains(&answer.status.as_u16()),
            Some(Match::When(expression)) => {
                let (headers, body) = parsed.get_or_insert_with(|| {
                    (
                        headers_value(answer.headers.clone()),
                        value(answer, AsBody::Auto).unwrap_or(Value::UNDEFINED),
                    )
                });
                expression.eval_answer(answer.status.as_u16(), headers.clone(), body.clone())
            }
        };
        let class = if matches(&rules.stop) {
            return Judged::Stop;
        } else if matches(&rules.fatal) {
            Class::Fatal
        } else if matches(&rules.throttled) {
            Class::Throttled
        } else if matches(&rules.transient) {
            Class::Transient
        } else if matches(&rules.ok) {
            Class::Ok
        } else {
            continue;
        };
        return Judged::Verdict(Verdict {
            class,
            sent: Sent::Answered,
            retry_at: by_default.retry_at,
        });
    }
    Judged::Verdict(by_default)
}

/// The body as a value.
///
/// # Errors
/// One line that says what the body is not.
pub(super) fn value(answer: &Answer, wanted: AsBody) -> Result<Value, String> {
    let body = &answer.body;
    let as_json = || json::parse(body).map_err(|error| format!("the answer is not JSON: {error}"));
    let as_text = || match std::str::from_utf8(body) {
        Ok(text) => Ok(Value::from(text)),
        Err(error) => Err(format!(
            "the answer is not UTF-8 text (byte {}); read it with `as: bytes`",
            error.valid_up_to()
        )),
    };
    match wanted {
        AsBody::Bytes => Ok(Value::from_bytes(body.to_vec())),
        _ if body.is_empty() => Ok(Value::from(())),
        AsBody::Json => as_json(),
        AsBody::Text => as_text(),
        AsBody::Auto if says_json(answer) => as_json(),
        AsBody::Auto => as_text(),
    }
}

/// JSON if the content type says so; with no type, or text, if it begins like an object or a list.
fn says_json(answer: &Answer) -> bool {
    let kind = answer
        .headers
        .get(http::header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if kind == Some("application/json") {
        return true;
    }
    let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim());
    match kind {
        Some(kind) if kind.eq_ignore_ascii_case("application/json") => true,
        Some(kind)
            if kind.len() > 5
                && kind.as_bytes()[kind.len() - 5..].eq_ignore_ascii_case(b"+json") =>
        {
            true
        }
        None => begins_like_json(&answer.body),
        Some(kind) if kind.len() >= 5 && kind.as_bytes()[..5].eq_ignore_ascii_case(b"text/") => {
            begins_like_json(&answer.body)
        }
        Some(_) => false,
    }
}

fn begins_like_json(body: &[u8]) -> bool {
    matches!(
        body.iter().find(|byte| !byte.is_ascii_whitespace()),
        Some(b'{' | b'[')
    )
}

/// The head of a body, for people. Secrets are hidden before it is cut, so that none is cut in two.
pub(super) fn head(body: &[u8], globals: &Globals) -> Option<String> {
    let some = &body[..body.len().min(2 * HEAD)];
    let text = String::from_utf8_lossy(some);
    let shown = globals.redact(text.trim_end_matches('\u{fffd}'));
    let end = shown
        .char_indices()
        .map(|(start, c)| start + c.len_utf8())
        .take_while(|end| *end <= HEAD)
        .last()?;
    Some(shown[..end].to_owned())
}

/// The headers as an object with lower-case names, read when asked.
pub(super) fn headers_value(headers: http::HeaderMap) -> Value {
    Value::from_object(Headers(headers))
}

#[derive(Debug)]
struct Headers(http::HeaderMap);

impl Object for Headers {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let value = self.0.get(key.as_str()?)?;
        Some(Value::from(String::from_utf8_lossy(value.as_bytes())))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(
            self.0
                .keys()
                .map(|name| Value::from(name.as_str()))
                .collect(),
        )
    }
}
