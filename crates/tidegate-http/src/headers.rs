//! What a server says about when to come back, and how much is left.

use std::time::{Duration, SystemTime};

use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderName};
use tokio::time::Instant;

/// The latest time that is told apart: beyond it an `Instant` may not reach.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

// Parsed once: every answer is looked through.
static RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// When the server allows the next request, from `Retry-After`: seconds, or an HTTP date.
///
/// A date is compared with the answer's own `Date`, so that a wrong clock on either side does not matter, or with the
/// wall clock when there is none. What lies in the past means `now`; more than a year means a year. `None` when the
/// header is missing or is neither form.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: Instant) -> Option<Instant> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let delay = match whole_number(value) {
        Some(seconds) => Duration::from_secs(seconds),
        None => until(httpdate::parse_http_date(value).ok()?, headers),
    };
    Some(now + delay.min(FAR))
}

/// How many requests the server still allows, and when it allows more.
///
/// Reads `RateLimit` (`"policy";r=0;t=5`, and the older `limit=9, remaining=0, reset=5`), else
/// `RateLimit-Remaining` or `X-RateLimit-Remaining` with their `-Reset`, which is a delay in seconds or a time in
/// seconds since 1970. Of several policies the one with the least left counts. `None` when nothing readable is there.
#[must_use]
pub fn quota(headers: &HeaderMap, now: Instant) -> Option<(u64, Option<Instant>)> {
    // Most answers say nothing, and each one is asked: one look at the names tells.
    let says = |name: &HeaderName| {
        let name = name.as_str();
        name.starts_with("ratelimit") || name.starts_with("x-rate")
    };
    if !headers.keys().any(says) {
        return None;
    }
    let (remaining, reset) = structured(headers).or_else(|| separate(headers))?;
    let at = reset.map(|reset| now + reset_delay(reset, headers).min(FAR));
    Some((remaining, at))
}

/// The items of all `RateLimit` fields, reduced to the one with the least left.
fn structured(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let fields = headers
        .get_all(&RATE_LIMIT)
        .iter()
        .filter_map(|field| field.to_str().ok());
    let mut least: Option<(u64, Option<u64>)> = None;
    for field in fields {
        let old = old_form(field);
        let items = split(field, ',').filter_map(item).chain(old);
        for (remaining, reset) in items {
            if least.is_none_or(|(least, _)| remaining < least) {
                least = Some((remaining, reset));
            }
        }
    }
    least
}

/// One item, `"policy";r=0;t=5`.
fn item(text: &str) -> Option<(u64, Option<u64>)> {
    let (mut remaining, mut reset) = (None, None);
    for parameter in split(text, ';').skip(1) {
        match parameter.trim().split_once('=') {
            Some(("r", value)) => remaining = whole_number(value),
            Some(("t", value)) => reset = whole_number(value),
            _ => {}
        }
    }
    Some((remaining?, reset))
}

/// The form of the earlier drafts, one policy in the whole field: `limit=9, remaining=0, reset=5`.
fn old_form(field: &str) -> Option<(u64, Option<u64>)> {
    let value = |name: &str| {
        split(field, ',')
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, _)| *key == name)
            .and_then(|(_, value)| whole_number(value))
    };
    Some((value("remaining")?, value("reset")))
}

/// One header for each number.
fn separate(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    static NAMES: [(HeaderName, HeaderName); 3] = [
        (
            HeaderName::from_static("ratelimit-remaining"),
            HeaderName::from_static("ratelimit-reset"),
        ),
        (
            HeaderName::from_static("x-ratelimit-remaining"),
            HeaderName::from_static("x-ratelimit-reset"),
        ),
        (
            HeaderName::from_static("x-rate-limit-remaining"),
            HeaderName::from_static("x-rate-limit-reset"),
        ),
    ];
    let number = |name: &HeaderName| whole_number(headers.get(name)?.to_str().ok()?);
    NAMES
        .iter()
        .find_map(|(remaining, reset)| Some((number(remaining)?, number(reset))))
}

/// A delay in seconds, or a time since 1970 in seconds or milliseconds, told apart by their size.
fn reset_delay(reset: u64, headers: &HeaderMap) -> Duration {
    const EPOCH_SECONDS: u64 = 1_000_000_000;
    const EPOCH_MILLIS: u64 = 1_000_000_000_000;
    let since_1970 = match reset {
        0..EPOCH_SECONDS => return Duration::from_secs(reset),
        EPOCH_SECONDS..EPOCH_MILLIS => Duration::from_secs(reset),
        _ => Duration::from_millis(reset),
    };
    match SystemTime::UNIX_EPOCH.checked_add(since_1970) {
        Some(time) => until(time, headers),
        None => FAR,
    }
}

/// From the moment of the answer to `time`; zero when it has passed.
#[expect(
    clippy::disallowed_methods,
    reason = "the date of a header is one of the real clock; an answer without its own was sent about now"
)]
fn until(time: SystemTime, headers: &HeaderMap) -> Duration {
    let date = headers.get(DATE).and_then(|date| date.to_str().ok());
    let sent = date
        .and_then(|date| httpdate::parse_http_date(date).ok())
        .unwrap_or_else(SystemTime::now);
    time.duration_since(sent).unwrap_or(Duration::ZERO)
}

/// A whole number. A negative one, which some servers send for "at once", is 0; one too large is the largest.
fn whole_number(text: &str) -> Option<u64> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if negative {
        Some(0)
    } else {
        Some(digits.parse().unwrap_or(u64::MAX))
    }
}

/// Splits at `separator` outside of quoted strings.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c: char| {
        let was_escaped = std::mem::replace(&mut escaped, false);
        match c {
            _ if was_escaped => false,
            '\\' if quoted => {
                escaped = true;
                false
            }
            '"' => {
                quoted = !quoted;
                false
            }
            c => c == separator && !quoted,
        }
    })
}
