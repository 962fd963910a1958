//! The answers that no handler has made, in the words of HTTP and of gRPC.

use std::time::Duration;

use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version,
    header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER},
};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// After how many milliseconds gRPC clients may try again, by the proposal A6.
const GRPC_PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
/// `DEADLINE_EXCEEDED`.
const GRPC_LATE: HeaderValue = HeaderValue::from_static("4");
/// `UNAVAILABLE`.
const GRPC_BUSY: HeaderValue = HeaderValue::from_static("14");

/// How a request wants to be refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    grpc: bool,
    /// The connection carries one request after the other, so it can be closed after this one.
    closable: bool,
}

impl Manner {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let kind = request
            .headers()
            .get(CONTENT_TYPE)
            .map(HeaderValue::as_bytes);
        Self {
            grpc: kind.is_some_and(|kind| kind.starts_with(GRPC.as_bytes())),
            closable: request.version() <= Version::HTTP_11,
        }
    }

    /// The time was over: 504, or `DEADLINE_EXCEEDED`.
    pub(super) fn late<B: Default>(self) -> Response<B> {
        if self.grpc {
            return grpc(GRPC_LATE);
        }
        plain(StatusCode::GATEWAY_TIMEOUT)
    }

    /// Too much to do: 503 with `Retry-After`, or `UNAVAILABLE`.
    pub(super) fn busy<B: Default>(self, retry_after: Duration) -> Response<B> {
        let seconds = whole_seconds(retry_after);
        if self.grpc {
            let mut response = grpc(GRPC_BUSY);
            let pushback = HeaderValue::from(seconds.saturating_mul(1_000));
            response.headers_mut().insert(GRPC_PUSHBACK, pushback);
            return response;
        }
        let mut response = plain(StatusCode::SERVICE_UNAVAILABLE);
        let headers: &mut HeaderMap = response.headers_mut();
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        response
    }

    /// This instance is about to go: 503, or `UNAVAILABLE`. Another one may be asked at once.
    pub(super) fn leaving<B: Default>(self) -> Response<B> {
        if self.grpc {
            return grpc(GRPC_BUSY);
        }
        let mut response = plain(StatusCode::SERVICE_UNAVAILABLE);
        response
            .headers_mut()
            .insert(RETRY_AFTER, const { HeaderValue::from_static("0") });
        self.close(&mut response);
        response
    }

    /// Has the connection closed after `response`. HTTP/2 says it to the connection, not in a header.
    pub(super) fn close<B>(self, response: &mut Response<B>) {
        if self.closable {
            response
                .headers_mut()
                .insert(CONNECTION, const { HeaderValue::from_static("close") });
        }
    }
}

/// Rounded up, and at least one: `Retry-After: 0` is an invitation.
fn whole_seconds(delay: Duration) -> u64 {
    let up = u64::from(delay.subsec_nanos() > 0);
    delay.as_secs().saturating_add(up).max(1)
}

fn plain<B: Default>(status: StatusCode) -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = status;
    response
}

/// A status without messages travels in the head.
fn grpc<B: Default>(status: HeaderValue) -> Response<B> {
    let mut response = Response::new(B::default());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, GRPC);
    headers.insert(GRPC_STATUS, status);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_up_and_never_zero() {
        for (millis, seconds) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (2_999, 3)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        }
    }
}
