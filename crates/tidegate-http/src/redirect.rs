//! Redirects within one origin.
//!
//! Not `tower_http::follow_redirect`: that layer copies the headers, the URI and an extension for each request, resolves
//! `Location` with `url` (which brings Unicode tables and rewrites paths), and its policy cannot name where it stopped.
//! Within one origin only a path is left to resolve.

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, TRANSFER_ENCODING};
use http::uri::{PathAndQuery, Scheme};
use http::{Method, Response, StatusCode, Uri};
use hyper::body::Incoming;

use bytes::Bytes;

use crate::client::Request;
use crate::error::HttpError;

/// What to do with a response.
pub(crate) enum Next {
    /// It is the answer.
    Answer,
    /// It is a redirect; send this.
    Follow(Box<Request>),
}

/// Decides about `response`, the reply to `request`, when `left` more redirects may be followed, or none at all unless
/// `follow`.
pub(crate) fn next(
    request: &Request,
    response: &Response<Incoming>,
    left: usize,
    follow: bool,
) -> Result<Next, HttpError> {
    let status = response.status();
    if !is_redirect(status) || !follow {
        return Ok(Next::Answer);
    }
    let Some(location) = response.headers().get(LOCATION) else {
        return Ok(Next::Answer);
    };
    if left == 0 {
        return Err(HttpError::too_many_redirects(&request.uri));
    }
    let target = location
        .to_str()
        .ok()
        .and_then(|location| resolve(&request.uri, location))
        .ok_or_else(|| HttpError::bad_redirect(&request.uri))?;
    if !may_follow(&request.uri, &target) {
        return Err(HttpError::foreign_redirect(&request.uri, &target));
    }
    let mut request = request.clone();
    if becomes_get(status, &request.method) {
        request.method = Method::GET;
        request.body = Bytes::new();
        for name in [
            CONTENT_TYPE,
            CONTENT_LENGTH,
            CONTENT_ENCODING,
            TRANSFER_ENCODING,
        ] {
            request.headers.remove(name);
        }
    }
    request.uri = target;
    Ok(Next::Follow(Box::new(request)))
}

/// Whether `status` asks for another request; 300 and 304 do not.
pub(crate) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// RFC 9110, 15.4: a 303 is fetched with GET, and by custom a POST after 301 and 302 too.
fn becomes_get(status: StatusCode, method: &Method) -> bool {
    match status {
        StatusCode::SEE_OTHER => method != Method::HEAD,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => method == Method::POST,
        _ => false,
    }
}

/// The same scheme, host and port, or the step from `http` to `https` of the same host on the default ports.
fn may_follow(from: &Uri, to: &Uri) -> bool {
    let same_host = match (from.host(), to.host()) {
        (Some(from), Some(to)) => from.eq_ignore_ascii_case(to),
        _ => false,
    };
    let upgrade =
        port(from) == Some(80) && port(to) == Some(443) && to.scheme() == Some(&Scheme::HTTPS);
    same_host && (upgrade || (from.scheme() == to.scheme() && port(from) == port(to)))
}

fn port(uri: &Uri) -> Option<u16> {
    uri.port_u16().or_else(|| match uri.scheme_str() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    })
}

/// Resolves the reference `location` against `base` (RFC 3986, 5.2). `None` when it is no URI reference.
fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next().unwrap_or_default();
    if has_scheme(location) {
        return location
            .parse()
            .ok()
            .filter(|uri: &Uri| uri.authority().is_some());
    }
    if location.starts_with("//") {
        return format!("{}:{location}", base.scheme_str()?).parse().ok();
    }
    let (path, query) = match location.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (location, None),
    };
    let (path, query) = match path {
        "" => (base.path().to_owned(), query.or(base.query())),
        path if path.starts_with('/') => (remove_dots(path), query),
        path => {
            let folder = base
                .path()
                .rfind('/')
                .map_or("/", |end| &base.path()[..=end]);
            (remove_dots(&format!("{folder}{path}")), query)
        }
    };
    let target = match query {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let mut parts = base.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    Uri::from_parts(parts).ok()
}

/// Whether `location` starts with a scheme and a colon, before any slash or question mark.
fn has_scheme(location: &str) -> bool {
    let Some((scheme, _)) = location.split_once(':') else {
        return false;
    };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// Takes `.` and `..` out of an absolute path (RFC 3986, 5.2.4).
fn remove_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            segment => {
                kept.push(segment);
                continue;
            }
        }
        if last {
            // A dot at the end names a folder, whose path ends in a slash.
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(location: &str, expected: &str) {
        let base = "http://h/b/c/d?q".parse().expect("a valid base");
        let resolved = resolve(&base, location).expect("a valid reference");
        assert_eq!(resolved.to_string(), expected, "{location}");
    }

    #[test]
    fn references_resolve_as_in_rfc_3986() {
        check("http://g/x", "http://g/x");
        check("//g/x", "http://g/x");
        check("/g", "http://h/g");
        check("g", "http://h/b/c/g");
        check("./g/", "http://h/b/c/g/");
        check("g?y", "http://h/b/c/g?y");
        check("?y", "http://h/b/c/d?y");
        check("", "http://h/b/c/d?q");
        check("#s", "http://h/b/c/d?q");
        check("g#s", "http://h/b/c/g");
        check(".", "http://h/b/c/");
        check("..", "http://h/b/");
        check("../g", "http://h/b/g");
        check("../../../g", "http://h/g");
        check("/./g/../x%2F..", "http://h/x%2F..");
        check("g?a:b/../c", "http://h/b/c/g?a:b/../c");
        check("g/a:b", "http://h/b/c/g/a:b");
    }

    #[test]
    fn only_the_origin_and_its_https_twin_may_be_followed() {
        let may = |from: &str, to: &str| {
            may_follow(
                &from.parse().expect("a valid URI"),
                &to.parse().expect("a valid URI"),
            )
        };
        assert!(may("http://h/a", "http://H:80/b"));
        assert!(may("http://h/a", "https://h/b"));
        assert!(!may("https://h/a", "http://h/b"));
        assert!(!may("http://h/a", "http://h.example/b"));
        assert!(!may("http://h/a", "http://h:81/b"));
        assert!(!may("http://h:8080/a", "https://h/b"));
    }

    #[test]
    fn post_becomes_get_where_rfc_9110_says_so() {
        assert!(becomes_get(StatusCode::FOUND, &Method::POST));
        assert!(becomes_get(StatusCode::SEE_OTHER, &Method::PUT));
        assert!(!becomes_get(StatusCode::SEE_OTHER, &Method::HEAD));
        assert!(!becomes_get(StatusCode::FOUND, &Method::PUT));
        assert!(!becomes_get(StatusCode::TEMPORARY_REDIRECT, &Method::POST));
        assert!(!becomes_get(StatusCode::PERMANENT_REDIRECT, &Method::POST));
    }
}
