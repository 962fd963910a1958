//! `Retry-After` by vectors: `data/retry_after.json`. The figure `policy/t16` uses this file too.

use http::{
    HeaderMap, HeaderValue,
    header::{DATE, RETRY_AFTER},
};
use serde::Deserialize;
use tidegate_http::retry_after;
use tokio::time::{Duration, Instant};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Book {
    #[serde(rename = "about")]
    _about: String,
    sources: serde_json::Map<String, serde_json::Value>,
    date: String,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    source: String,
    value: String,
    /// Of the answer, where it is not the book's.
    date: Option<String>,
    seconds: Option<u64>,
}

impl Vector {
    fn is_right(&self, date: &str) -> bool {
        let (now, mut headers) = (Instant::now(), HeaderMap::new());
        let date = self.date.as_deref().unwrap_or(date);
        for (name, value) in [(DATE, date), (RETRY_AFTER, &self.value)] {
            let value = HeaderValue::from_bytes(value.as_bytes());
            headers.insert(name, value.expect("no vector has a control character"));
        }
        let expected = self
            .seconds
            .map(|seconds| now + Duration::from_secs(seconds));
        retry_after(&headers, now) == expected
    }
}

fn book() -> Book {
    serde_json::from_str(include_str!("data/retry_after.json")).expect("the vectors can be read")
}

/// How many vectors there are, and those that are read wrongly or come from nowhere.
pub(crate) fn wrong() -> (usize, Vec<String>) {
    let book = book();
    let count = book.vectors.len();
    let is_right =
        |vector: &Vector| book.sources.contains_key(&vector.source) && vector.is_right(&book.date);
    let wrong = book.vectors.iter().filter(|vector| !is_right(vector));
    (
        count,
        wrong
            .map(|vector| format!("{:?} ({})", vector.value, vector.source))
            .collect(),
    )
}

#[test]
fn retry_after_is_read_as_the_vectors_say() {
    let (count, wrong) = wrong();
    assert!(count >= 40, "{count}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_vector_that_is_a_second_off_is_wrong() {
    for vector in book().vectors {
        let off = Vector {
            seconds: vector.seconds.map_or(Some(0), |seconds| Some(seconds + 1)),
            ..vector
        };
        assert!(!off.is_right(&book().date), "{:?}", off.value);
    }
}
