//! What is sent when a request is sent again.

use http::Request;
use http_body::Body;

/// Makes the request of a further attempt.
///
/// Implemented by closures `Fn(&Req) -> Option<Req>`, for example `|r: &reqwest::Request| r.try_clone()`.
pub trait Replay<Req> {
    /// A second request like this one, or `None` if there can be none, since its body is a stream.
    ///
    /// Asked before the call, and again for each further attempt. A request without a copy is sent once: the call then ends
    /// with [`NotReplayable`](tidegate::policy::StopReason::NotReplayable), unless the inner service did not become ready,
    /// so that the request is still there.
    fn again(&self, request: &Req) -> Option<Req>;
}

impl<Req, F: Fn(&Req) -> Option<Req>> Replay<Req> for F {
    fn again(&self, request: &Req) -> Option<Req> {
        self(request)
    }
}

/// Clones the request, as bodies that are held in memory can be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cloned;

impl<Req: Clone> Replay<Req> for Cloned {
    fn again(&self, request: &Req) -> Option<Req> {
        Some(request.clone())
    }
}

/// Copies an HTTP request if its body is empty: for bodies that are streams, which cannot be cloned.
#[derive(Clone, Copy, Debug, Default)]
pub struct IfEmpty;

impl<B: Body + Default> Replay<Request<B>> for IfEmpty {
    fn again(&self, request: &Request<B>) -> Option<Request<B>> {
        if !request.body().is_end_stream() {
            return None;
        }
        let mut copy = Request::new(B::default());
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.version_mut() = request.version();
        *copy.headers_mut() = request.headers().clone();
        *copy.extensions_mut() = request.extensions().clone();
        Some(copy)
    }
}

/// Sends every request once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Never;

impl<Req> Replay<Req> for Never {
    fn again(&self, _: &Req) -> Option<Req> {
        None
    }
}
