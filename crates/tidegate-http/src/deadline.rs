//! How a deadline crosses to another process: as the time that remains, so that no two clocks need agree.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The most digits that gRPC allows in a timeout.
const GRPC_MOST: u128 = 99_999_999;

/// The units of gRPC, finest first, in nanoseconds.
const GRPC_UNITS: [(char, u128); 6] = [
    ('n', 1),
    ('u', 1_000),
    ('m', 1_000_000),
    ('S', 1_000_000_000),
    ('M', 60_000_000_000),
    ('H', 3_600_000_000_000),
];

/// A header that says how much time a request has left, and how it says it.
///
/// # Examples
///
/// ```
/// use http::HeaderMap;
/// use std::time::Duration;
/// use tidegate_http::DeadlineHeader;
///
/// let mut headers = HeaderMap::new();
/// DeadlineHeader::grpc().write(&mut headers, Duration::from_millis(1_500));
/// assert_eq!(headers["grpc-timeout"], "1500000u");
/// assert_eq!(DeadlineHeader::grpc().read(&headers), Some(Duration::from_millis(1_500)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadlineHeader {
    name: HeaderName,
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Grpc,
    Millis,
}

impl DeadlineHeader {
    /// `grpc-timeout`, as in the gRPC protocol over HTTP/2: up to eight digits and a unit.
    #[must_use]
    pub const fn grpc() -> Self {
        Self {
            name: HeaderName::from_static("grpc-timeout"),
            format: Format::Grpc,
        }
    }

    /// `x-envoy-expected-rq-timeout-ms`: what Envoy tells the services behind it.
    #[must_use]
    pub const fn envoy() -> Self {
        Self::millis(HeaderName::from_static("x-envoy-expected-rq-timeout-ms"))
    }

    /// A header of this name, in whole milliseconds.
    #[must_use]
    pub const fn millis(name: HeaderName) -> Self {
        Self {
            name,
            format: Format::Millis,
        }
    }

    /// The time left that `headers` state. `None` when the header is missing or is not of the form.
    #[must_use]
    pub fn read(&self, headers: &HeaderMap) -> Option<Duration> {
        let value = headers.get(&self.name)?.to_str().ok()?.trim();
        match self.format {
            Format::Grpc => read_grpc(value),
            Format::Millis => Some(Duration::from_millis(digits(value)?)),
        }
    }

    /// States that `left` remains, rounded down, but never less than one unit: some read 0 as "for ever".
    ///
    /// A shorter time that stands there already stays.
    pub fn write(&self, headers: &mut HeaderMap, left: Duration) {
        if self.read(headers).is_some_and(|stated| stated <= left) {
            return;
        }
        let text = match self.format {
            Format::Grpc => write_grpc(left),
            Format::Millis => left.as_millis().max(1).to_string(),
        };
        let value = HeaderValue::try_from(text).expect("digits and letters are a header value");
        headers.insert(self.name.clone(), value);
    }
}

fn read_grpc(value: &str) -> Option<Duration> {
    let (unit_at, unit) = value.char_indices().last()?;
    let count = value.get(..unit_at).filter(|count| count.len() <= 8)?;
    let count = digits(count)?;
    match unit {
        'n' => Some(Duration::from_nanos(count)),
        'u' => Some(Duration::from_micros(count)),
        'm' => Some(Duration::from_millis(count)),
        'S' => Some(Duration::from_secs(count)),
        'M' => Some(Duration::from_secs(count * 60)),
        'H' => Some(Duration::from_secs(count * 3_600)),
        _ => None,
    }
}

/// In the finest unit in which eight digits are enough.
fn write_grpc(left: Duration) -> String {
    let nanos = left.as_nanos().max(1);
    let (unit, count) = GRPC_UNITS
        .iter()
        .map(|(unit, size)| (unit, nanos / size))
        .find(|(_, count)| *count <= GRPC_MOST)
        .unwrap_or((&'H', GRPC_MOST));
    format!("{count}{unit}")
}

fn digits(text: &str) -> Option<u64> {
    let all = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &DeadlineHeader, value: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(value).expect("a header value");
        headers.insert(header.name.clone(), value);
        header.read(&headers)
    }

    fn written(header: &DeadlineHeader, left: Duration) -> String {
        let mut headers = HeaderMap::new();
        header.write(&mut headers, left);
        let value = headers[&header.name].to_str().expect("ASCII");
        value.to_owned()
    }

    #[test]
    fn every_unit_of_grpc_is_read() {
        let read = |value| read(&DeadlineHeader::grpc(), value);
        assert_eq!(read("7n"), Some(Duration::from_nanos(7)));
        assert_eq!(read("7u"), Some(Duration::from_micros(7)));
        assert_eq!(read("7m"), Some(Duration::from_millis(7)));
        assert_eq!(read("7S"), Some(Duration::from_secs(7)));
        assert_eq!(read("7M"), Some(Duration::from_secs(420)));
        assert_eq!(
            read("99999999H"),
            Some(Duration::from_secs(359_999_996_400))
        );
    }

    #[test]
    fn what_is_not_of_the_form_is_not_read() {
        for value in [
            "",
            "7",
            "S",
            "-1S",
            "+1S",
            "1.5S",
            "123456789S",
            "7s",
            "7 S",
            "7ü",
        ] {
            assert_eq!(read(&DeadlineHeader::grpc(), value), None, "{value}");
        }
        for value in ["", "7m", "-1", "+1", "1.5", "99999999999999999999"] {
            assert_eq!(read(&DeadlineHeader::envoy(), value), None, "{value}");
        }
    }

    #[test]
    fn grpc_is_written_in_the_finest_unit_that_fits_and_never_longer_than_what_is_left() {
        let written = |left| written(&DeadlineHeader::grpc(), left);
        assert_eq!(written(Duration::ZERO), "1n");
        assert_eq!(written(Duration::from_nanos(99_999_999)), "99999999n");
        assert_eq!(written(Duration::from_nanos(100_000_999)), "100000u");
        assert_eq!(written(Duration::from_secs(30)), "30000000u");
        assert_eq!(written(Duration::from_secs(3_600)), "3600000m");
        assert_eq!(written(Duration::from_secs(400_000_000_000)), "99999999H");
    }

    #[test]
    fn milliseconds_are_rounded_down_and_never_zero() {
        let written = |left| written(&DeadlineHeader::envoy(), left);
        assert_eq!(written(Duration::from_micros(2_999)), "2");
        assert_eq!(written(Duration::from_micros(1)), "1");
    }

    #[test]
    fn a_shorter_time_that_is_there_stays() {
        let header = DeadlineHeader::envoy();
        let mut headers = HeaderMap::new();
        header.write(&mut headers, Duration::from_secs(1));
        header.write(&mut headers, Duration::from_secs(2));
        assert_eq!(header.read(&headers), Some(Duration::from_secs(1)));
        header.write(&mut headers, Duration::from_millis(5));
        assert_eq!(header.read(&headers), Some(Duration::from_millis(5)));
    }
}
