use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use tidegate_http::{quota, retry_after};
use tokio::time::Instant;

const DATE: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
const YEAR: u64 = 365 * 24 * 60 * 60;

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            let name: HeaderName = name.parse().expect("a name");
            (name, HeaderValue::from_str(value).expect("a value"))
        })
        .collect()
}

/// The seconds from now to what `Retry-After` says.
fn seconds(pairs: &[(&str, &str)]) -> Option<u64> {
    let now = Instant::now();
    retry_after(&headers(pairs), now).map(|at| (at - now).as_secs())
}

#[test]
fn retry_after_is_nothing_when_it_is_missing() {
    assert_eq!(seconds(&[]), None);
    assert_eq!(seconds(&[DATE]), None);
}

#[test]
fn retry_after_is_a_date_against_the_clock_when_the_answer_has_none() {
    let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
    let seconds = seconds(&[("retry-after", &soon)]);
    assert!(
        seconds.is_some_and(|seconds| (90..=100).contains(&seconds)),
        "{seconds:?}"
    );
}

#[track_caller]
fn check_quota(pairs: &[(&str, &str)], expected: Option<(u64, Option<u64>)>) {
    let now = Instant::now();
    let quota = quota(&headers(pairs), now);
    let quota = quota.map(|(left, reset)| (left, reset.map(|at| (at - now).as_secs())));
    assert_eq!(quota, expected, "{pairs:?}");
}

#[test]
fn quota_is_read_from_the_structured_field() {
    let check = |value, expected| check_quota(&[("ratelimit", value)], expected);
    check(r#""default";r=0;t=5"#, Some((0, Some(5))));
    check(r#""default"; r=50 ; t=30"#, Some((50, Some(30))));
    check(r#""default";r=3"#, Some((3, None)));
    check(
        r#""hour";r=900;t=3000, "second";r=2;t=1"#,
        Some((2, Some(1))),
    );
    check(r#""odd;r=9,\"";r=1;t=2;pk=:cGs=:"#, Some((1, Some(2))));
    check("limit=100, remaining=4, reset=50", Some((4, Some(50))));
    check(r#""default";t=5"#, None);
    check("nonsense", None);
}

#[test]
fn quota_is_read_from_separate_headers() {
    check_quota(
        &[("ratelimit-remaining", "0"), ("ratelimit-reset", "5")],
        Some((0, Some(5))),
    );
    check_quota(&[("x-ratelimit-remaining", "12")], Some((12, None)));
    check_quota(&[("x-ratelimit-remaining", "many")], None);
    check_quota(&[("x-ratelimit-reset", "5")], None);
    check_quota(&[], None);
}

#[test]
fn a_reset_is_a_delay_or_a_time_since_1970() {
    // 784111777 s, the moment of DATE, is too long ago to be told from a delay: ask one of this century.
    let date = ("date", "Wed, 01 Jan 2025 00:00:00 GMT");
    for (reset, expected) in [
        ("60", 60),
        ("1735689660", 60),
        ("1735689660000", 60),
        ("1735689000", 0),
        ("99999999999999999999", YEAR),
    ] {
        let pairs = [
            date,
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", reset),
        ];
        check_quota(&pairs, Some((0, Some(expected))));
    }
}
