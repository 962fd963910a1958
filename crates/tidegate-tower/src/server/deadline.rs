//! The caller's deadline, as the deadline of a scope around the handler.

use std::{
    convert::Infallible,
    mem,
    pin::pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use tidegate::{Opts, Reason, Scope, cancelled, deadline, scope};
use tidegate_http::DeadlineHeader;
use tokio::time::timeout_at;
use tower::{Layer, Service};

use super::refusal::Manner;
use crate::response_future::ResponseFuture;

/// A handler that is told to stop goes on as long as its surroundings do: theirs is the grace that is nearer.
const GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs each request in a scope that ends when its caller no longer waits.
///
/// The time left is read from the request's headers; what the handler opens and calls inside is bound by it as by any
/// [`deadline`](tidegate::deadline()): scopes, policies, and what says in a header of its own how much is left. When it is
/// over, the handler is dropped, what it has started is told to stop and waited for, and the answer is 504, or
/// `DEADLINE_EXCEEDED` to a gRPC request. When the caller goes away, servers drop the future, and the scope with it: what
/// it has started hears of it with [`Reason::OwnerDropped`].
///
/// Told to stop by a shutdown, the handler itself goes on until the grace of the surroundings is over, and what it has
/// started is told. To keep that out of reach as well, put [`AdmissionLayer`](crate::AdmissionLayer) inside.
///
/// The scope ends with the response; its body is the server's.
///
/// | header | default |
/// |---|---|
/// | `grpc-timeout` | read |
/// | `x-envoy-expected-rq-timeout-ms` | read |
///
/// Of several the shortest counts. One that is not of its form is taken as missing.
#[derive(Clone, Debug)]
pub struct DeadlineLayer {
    headers: Vec<DeadlineHeader>,
    at_most: Option<Duration>,
}

impl Default for DeadlineLayer {
    fn default() -> Self {
        Self {
            headers: vec![DeadlineHeader::grpc(), DeadlineHeader::envoy()],
            at_most: None,
        }
    }
}

impl DeadlineLayer {
    /// Believes the usual headers and has no limit of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives no request more time than this, also those that say nothing. Default: no limit.
    #[must_use]
    pub fn at_most(self, limit: Duration) -> Self {
        Self {
            at_most: Some(limit),
            ..self
        }
    }

    /// Reads these headers instead of the usual ones; none for requests from callers who are not to be believed.
    #[must_use]
    pub fn headers(self, headers: impl IntoIterator<Item = DeadlineHeader>) -> Self {
        Self {
            headers: headers.into_iter().collect(),
            ..self
        }
    }

    /// How much time a request has.
    fn left<B>(&self, request: &Request<B>) -> Option<Duration> {
        let stated = self
            .headers
            .iter()
            .filter_map(|h| h.read(request.headers()));
        stated.chain(self.at_most).min()
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline {
            inner,
            rules: self.clone(),
        }
    }
}

/// A handler whose requests have the deadlines of their callers. Made by [`DeadlineLayer`].
///
/// # Cancel safety
///
/// Of the future of `call`: dropping it drops the handler, and tells what it has started.
///
/// # Panics
///
/// The future does when the handler panics, and outside a tokio runtime with time enabled.
#[derive(Clone, Debug)]
pub struct Deadline<S> {
    inner: S,
    rules: DeadlineLayer,
}

impl<S, B, R> Service<Request<B>> for Deadline<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Send + 'static,
    S::Future: Send + 'static,
    B: Send + 'static,
    R: Default + Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<Response<R>, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let manner = Manner::of(&request);
        let opts = match self.rules.left(&request) {
            // The handler would see how late it is at its first await, after it may have done something.
            Some(Duration::ZERO) => {
                return ResponseFuture::new(async move { Ok(manner.late()) });
            }
            Some(left) => Opts::named("request").timeout(left),
            None => Opts::named("request"),
        };
        let next = self.inner.clone();
        let mut ready = mem::replace(&mut self.inner, next);
        ResponseFuture::new(async move {
            let body = async move |_: &Scope<Infallible>| {
                // Called in here, so that all of the handler is inside.
                Ok(in_time(async { ready.call(request).await }).await)
            };
            match scope(opts.grace(GRACE), body).await {
                Ok(Some(answer)) => answer,
                Ok(None) => Ok(manner.late()),
                Err(error) => match error.or_resume_panic().reason() {
                    Some(Reason::Deadline { .. }) => Ok(manner.late()),
                    _ => Ok(manner.leaving()),
                },
            }
        })
    }
}

/// What `work` results in, unless the deadline of the calling scope passes first.
async fn in_time<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let told = tokio::select! {
        // The news first: what the handler makes of it would hide that the time was over.
        biased;
        told = cancelled() => told,
        result = work.as_mut() => return Some(result),
    };
    if let Reason::Deadline { .. } = told {
        return None;
    }
    // What has been told once is not told again, so the deadline must be watched from here.
    match deadline() {
        Some(at) => timeout_at(at, work).await.ok(),
        None => Some(work.await),
    }
}
