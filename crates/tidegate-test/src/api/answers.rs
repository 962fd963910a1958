//! What the API says.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;

use super::counters::Decision;
use super::faults::hash;

pub(super) type Answer = Response<Full<Bytes>>;

/// The longest body that `/echo` takes.
const MAX_ECHO: usize = 16 << 20;

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'p> {
    /// `/users/{id}`; the id as it stands in the path.
    User(&'p str),
    /// `/orders/{id}`.
    Orders(&'p str),
    Echo,
    Stats,
    Other,
}

impl<'p> Route<'p> {
    pub(super) fn of(path: &'p str) -> Self {
        let is_id = |id: &&str| !id.is_empty() && !id.contains('/');
        if let Some(id) = path.strip_prefix("/users/").filter(is_id) {
            Self::User(id)
        } else if let Some(id) = path.strip_prefix("/orders/").filter(is_id) {
            Self::Orders(id)
        } else if path == "/echo" {
            Self::Echo
        } else if path == "/stats" {
            Self::Stats
        } else {
            Self::Other
        }
    }

    pub(super) fn id(self) -> Option<&'p str> {
        match self {
            Self::User(id) | Self::Orders(id) => Some(id),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::User(_) => "users",
            Self::Orders(_) => "orders",
            Self::Echo => "echo",
            Self::Stats => "stats",
            Self::Other => "other",
        }
    }
}

/// The totals of the orders of `id`, as `/orders/{id}` gives them: 1 to 4, each a multiple of 0.25.
///
/// They depend on nothing but the id, and their sums are exact, so that a test can know what must come out.
#[must_use]
pub fn orders(id: &str) -> Vec<f64> {
    let drawn = hash(id);
    (0..=drawn % 4)
        .map(|index| ((drawn >> (8 + 8 * index)) % 200 + 1) as f64 * 0.25)
        .collect()
}

/// The answer to `request`, when nothing goes wrong.
pub(super) async fn answer(request: Request<Incoming>) -> Answer {
    let route = Route::of(request.uri().path());
    match (route, request.method()) {
        (Route::User(id), &Method::GET | &Method::HEAD) => {
            let id = decoded(id);
            let mut body = String::with_capacity(48 + 2 * id.len());
            body.push_str("{\"id\":");
            push_id(&mut body, &id);
            body.push_str(",\"name\":");
            push_string(&mut body, &format!("User {id}"));
            body.push_str(",\"active\":true}");
            json(StatusCode::OK, body)
        }
        (Route::Orders(id), &Method::GET | &Method::HEAD) => {
            json(StatusCode::OK, orders_json(&decoded(id)))
        }
        (Route::Echo, &Method::POST | &Method::PUT | &Method::PATCH) => echo(request).await,
        (Route::Other, _) => json(StatusCode::NOT_FOUND, r#"{"error":"no such path"}"#),
        _ => json(
            StatusCode::METHOD_NOT_ALLOWED,
            r#"{"error":"method not allowed here"}"#,
        ),
    }
}

/// The answer to a request with which something goes wrong. `None`: no answer at all.
pub(super) fn refusal(decision: Decision) -> Option<Answer> {
    let answer = match decision {
        Decision::Answer | Decision::Hang | Decision::Close => return None,
        Decision::Gone => json(StatusCode::NOT_FOUND, r#"{"error":"no such id"}"#),
        Decision::Unavailable => json(
            StatusCode::SERVICE_UNAVAILABLE,
            r#"{"error":"unavailable, try again"}"#,
        ),
        Decision::Throttled(seconds) => {
            let mut answer = json(
                StatusCode::TOO_MANY_REQUESTS,
                r#"{"error":"too many requests"}"#,
            );
            answer
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(seconds));
            answer
        }
        Decision::Unauthorized => {
            let mut answer = json(StatusCode::UNAUTHORIZED, r#"{"error":"who are you?"}"#);
            answer
                .headers_mut()
                .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            answer
        }
    };
    Some(answer)
}

pub(super) fn json(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// The body back as it came, its type with it, and every header of the request as `echo-…`.
async fn echo(request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_ECHO).collect().await else {
        return json(
            StatusCode::PAYLOAD_TOO_LARGE,
            r#"{"error":"body too long or cut short"}"#,
        );
    };
    let mut answer = Response::new(Full::new(body.to_bytes()));
    let headers = answer.headers_mut();
    for (name, value) in &parts.headers {
        if let Ok(name) = HeaderName::try_from(format!("echo-{name}")) {
            headers.append(name, value.clone());
        }
    }
    if let Some(kind) = parts.headers.get(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, kind.clone());
    }
    answer
}

fn orders_json(id: &str) -> String {
    let mut body = String::from("[");
    for (index, total) in orders(id).into_iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        body.push_str(&format!(
            "{comma}{{\"number\":{},\"total\":{total:?}}}",
            index + 1
        ));
    }
    body.push(']');
    body
}

/// A path segment with its percent signs resolved.
fn decoded(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    let bytes = segment.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digit = |offset: usize| {
            bytes
                .get(at + offset)
                .and_then(|b| (*b as char).to_digit(16))
        };
        match (bytes[at], digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// `id` as a JSON number when it is one in its shortest form, else as a string: `17`, `"017"`, `"a b"`.
fn push_id(out: &mut String, id: &str) {
    match id.parse::<i64>() {
        Ok(number) if number.to_string() == id => out.push_str(id),
        _ => push_string(out, id),
    }
}

fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_decoded_and_escaped() {
        let id = |segment: &str| {
            let mut out = String::new();
            push_id(&mut out, &decoded(segment));
            out
        };
        assert_eq!(id("17"), "17");
        assert_eq!(id("-4"), "-4");
        assert_eq!(id("017"), r#""017""#);
        assert_eq!(id("a%2Fb%20c"), r#""a/b c""#);
        assert_eq!(id("%22%5C%0A"), r#""\"\\\u000a""#);
        assert_eq!(id("%C3%BC"), "\"ü\"");
        assert_eq!(id("100%"), r#""100%""#);
    }

    #[test]
    fn orders_depend_on_the_id_alone() {
        assert_eq!(orders("17"), orders("17"));
        assert!((0..100).all(|id: u32| (1..=4).contains(&orders(&id.to_string()).len())));
        assert!((0..100).any(|id: u32| orders(&id.to_string()) != orders("17")));
    }
}
