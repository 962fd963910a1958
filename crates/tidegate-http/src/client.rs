//! One request, one answer.

use std::fmt;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use http::uri::{Authority, Scheme};
use http::{Method, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy;

use crate::body;
use crate::builder::{BadClient, Builder};
use crate::connect::Connector;
use crate::deadline::DeadlineHeader;
use crate::error::HttpError;
use crate::redirect::{self, Next};

type Pool = legacy::Client<Connector, Full<Bytes>>;

/// Sends requests over a pool of HTTP/1.1 connections. Clones share the pool.
///
/// Needs a tokio runtime with I/O and time enabled. Connections are driven by tasks on that runtime, which end when
/// their connection does: at the latest 90 s after the last use, or when all clones are dropped.
#[derive(Clone)]
pub struct Client {
    pool: Pool,
    max_body: usize,
    redirects: usize,
    deadline_header: Option<DeadlineHeader>,
}

/// A request to send. `Host` and `Content-Length` are set from the other parts.
#[derive(Clone, Debug)]
pub struct Request {
    /// What to do.
    pub method: Method,
    /// Where: absolute, `http` or `https`.
    pub uri: Uri,
    /// Headers, sent as they are. Without an `Accept-Encoding` gzip is asked for.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
}

impl Request {
    /// A request without headers and body.
    #[must_use]
    pub fn new(method: Method, uri: Uri) -> Self {
        Self {
            method,
            uri,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// A `GET` of `uri`.
    #[must_use]
    pub fn get(uri: Uri) -> Self {
        Self::new(Method::GET, uri)
    }
}

/// A complete answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers. Of a decompressed body, `Content-Encoding` and `Content-Length` are removed.
    pub headers: HeaderMap,
    /// The body, decompressed.
    pub body: Bytes,
}

impl Client {
    /// Starts a configuration with the documented defaults.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(
        pool: Pool,
        max_body: usize,
        redirects: usize,
        deadline_header: Option<DeadlineHeader>,
    ) -> Self {
        Self {
            pool,
            max_body,
            redirects,
            deadline_header,
        }
    }

    /// Makes a client with the defaults of [`Builder`].
    ///
    /// # Errors
    ///
    /// As [`Builder::build`]; none with the defaults.
    pub fn with_defaults() -> Result<Self, BadClient> {
        Self::builder().build()
    }

    /// Sends `request` and waits for the whole answer.
    ///
    /// Redirects within the same origin are followed, `http` to `https` on the default ports included; each is one more
    /// request to the server. One that leads elsewhere is an error: the headers may hold a secret.
    /// Every status is an answer, also 404 and 503.
    ///
    /// There is no time limit for the answer, only 10 s for a new connection: put a timeout around the call.
    ///
    /// # Cancel safety
    ///
    /// Nothing is sent before the first poll. Dropping the future later closes its connection, unless the answer had
    /// arrived in full: the server may have received the request, may act on it, and may notice only when it answers.
    /// A connection that was still being opened may stay in the pool for the next request.
    ///
    /// # Errors
    ///
    /// [`HttpError`]; its verdict says whether the request can have reached the server.
    pub async fn send(&self, request: Request) -> Result<Answer, HttpError> {
        self.send_again(&request).await
    }

    /// As [`send`](Self::send), for a request that may be sent again: it is not taken, and its parts are copied once.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn send_again(&self, request: &Request) -> Result<Answer, HttpError> {
        check(&request.uri)?;
        let mut left = self.redirects;
        let mut redirected: Option<Request> = None;
        loop {
            let request = redirected.as_ref().unwrap_or(request);
            let response = self.exchange(request).await?;
            match redirect::next(request, &response, left, self.redirects > 0)? {
                Next::Answer => return body::answer(response, self.max_body, &request.uri).await,
                Next::Follow(next) => redirected = Some(*next),
            }
            left = left.saturating_sub(1);
            body::drain(response.into_body()).await;
        }
    }

    async fn exchange(&self, request: &Request) -> Result<Response<Incoming>, HttpError> {
        let mut out = http::Request::new(Full::new(request.body.clone()));
        *out.method_mut() = request.method.clone();
        *out.uri_mut() = request.uri.clone();
        *out.headers_mut() = request.headers.clone();
        out.headers_mut()
            .entry(ACCEPT_ENCODING)
            .or_insert(const { HeaderValue::from_static("gzip") });
        if let (Some(header), Some(left)) = (&self.deadline_header, tidegate::remaining()) {
            header.write(out.headers_mut(), left);
        }
        self.pool
            .request(out)
            .await
            .map_err(|error| HttpError::exchange(error, &request.uri))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("max_body", &self.max_body)
            .field("redirects", &self.redirects)
            .finish_non_exhaustive()
    }
}

fn check(uri: &Uri) -> Result<(), HttpError> {
    let known = uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS);
    let has_host = |authority: &Authority| {
        let authority = authority.as_str();
        !authority.is_empty() && !authority.starts_with(':') && !authority.ends_with('@')
    };
    if known && uri.authority().is_some_and(has_host) {
        Ok(())
    } else {
        Err(HttpError::bad_uri())
    }
}
