//! Why a request has no answer.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use http::Uri;
use hyper_util::client::legacy;
use tidegate::policy::{Class, Sent};

use crate::body::is_over_limit;
use crate::connect::{CONNECT_TIMEOUT, ConnectTimedOut, NoAddress};

pub(crate) type BoxError = Box<dyn StdError + Send + Sync>;

/// A request that has no usable answer.
///
/// The message is one line: the host and the cause. It holds no path, no query and no header value, which may be secret.
#[derive(thiserror::Error)]
#[error("{}", self.0.message)]
pub struct HttpError(Box<Inner>);

struct Inner {
    kind: Kind,
    class: Class,
    sent: Sent,
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Request,
    Connect,
    Tls,
    Closed,
    Lost,
    BadAnswer,
    BodyTooLarge,
    Redirect,
}

impl HttpError {
    /// No connection could be opened: DNS, TCP, TLS or the time for all of them. Nothing was sent.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        matches!(self.0.kind, Kind::Connect | Kind::Tls)
    }

    /// The server cannot be trusted, or speaks no TLS that the client does. A part of [`is_connect`](Self::is_connect).
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.kind == Kind::Tls
    }

    /// The connection, which had been idle, was closed before the request was written to it. Nothing was sent.
    #[must_use]
    pub fn is_closed_idle(&self) -> bool {
        self.0.kind == Kind::Closed
    }

    /// The connection broke after the request was on its way: the server may have acted on it.
    #[must_use]
    pub fn is_connection_lost(&self) -> bool {
        self.0.kind == Kind::Lost
    }

    /// What the server sent is not HTTP/1.1, is too long a head, or is not the gzip it claims to be.
    #[must_use]
    pub fn is_bad_answer(&self) -> bool {
        self.0.kind == Kind::BadAnswer
    }

    /// The body is longer than [`Builder::max_body`](crate::Builder::max_body).
    #[must_use]
    pub fn is_body_too_large(&self) -> bool {
        self.0.kind == Kind::BodyTooLarge
    }

    /// A redirect leads to another origin, to no valid place, or to one redirect too many.
    #[must_use]
    pub fn is_redirect(&self) -> bool {
        self.0.kind == Kind::Redirect
    }

    /// The request itself cannot be sent, for instance since its URI is not absolute.
    #[must_use]
    pub fn is_bad_request(&self) -> bool {
        self.0.kind == Kind::Request
    }

    pub(crate) fn class(&self) -> Class {
        self.0.class
    }

    pub(crate) fn sent(&self) -> Sent {
        self.0.sent
    }
}

/// One constructor for each way to fail.
impl HttpError {
    fn new(kind: Kind, class: Class, sent: Sent, message: String) -> Self {
        Self(Box::new(Inner {
            kind,
            class,
            sent,
            message,
        }))
    }

    pub(crate) fn bad_uri() -> Self {
        let message = "request needs an absolute URI that starts with http:// or https://".into();
        Self::new(Kind::Request, Class::Fatal, Sent::No, message)
    }

    pub(crate) fn body_too_large(max_body: usize, uri: &Uri) -> Self {
        let message = format!("body from {} is longer than {max_body} bytes", host(uri));
        Self::new(Kind::BodyTooLarge, Class::Fatal, Sent::Answered, message)
    }

    pub(crate) fn too_many_redirects(uri: &Uri) -> Self {
        let message = format!("too many redirects at {}", host(uri));
        Self::new(Kind::Redirect, Class::Fatal, Sent::Answered, message)
    }

    pub(crate) fn bad_redirect(uri: &Uri) -> Self {
        let message = format!("redirect of {} does not name a valid place", host(uri));
        Self::new(Kind::Redirect, Class::Fatal, Sent::Answered, message)
    }

    pub(crate) fn foreign_redirect(from: &Uri, to: &Uri) -> Self {
        let origin = |uri: &Uri| format!("{}://{}", uri.scheme_str().unwrap_or("?"), host(uri));
        let message = format!(
            "{} redirects to {}, which is another origin and not followed",
            origin(from),
            origin(to)
        );
        Self::new(Kind::Redirect, Class::Fatal, Sent::Answered, message)
    }

    /// The request was given to the pool, and no head of an answer came back.
    pub(crate) fn exchange(error: legacy::Error, uri: &Uri) -> Self {
        if error.is_connect() {
            return Self::connect(&error, uri);
        }
        let host = host(uri);
        let Some(cause) = find::<hyper::Error>(&error) else {
            let message = format!("request to {host} cannot be sent: {}", root(&error));
            return Self::new(Kind::Request, Class::Fatal, Sent::No, message);
        };
        // hyper hands a request back as cancelled, and only then, when its connection ended before it was written.
        // Closed: a new connection ended before it could take a request.
        if cause.is_canceled() || cause.is_closed() {
            let message = format!("connection to {host} closed before the request was sent");
            return Self::new(Kind::Closed, Class::NeverSent, Sent::No, message);
        }
        if cause.is_user() {
            let message = format!("request to {host} cannot be sent: {cause}");
            return Self::new(Kind::Request, Class::Fatal, Sent::Maybe, message);
        }
        Self::broken(cause, &host, "before it answered")
    }

    /// The head of an answer is there, and its body cannot be read.
    pub(crate) fn body(error: BoxError, max_body: usize, uri: &Uri) -> Self {
        if is_over_limit(&error) {
            return Self::body_too_large(max_body, uri);
        }
        let host = host(uri);
        match find::<hyper::Error>(&*error) {
            Some(cause) => Self::broken(cause, &host, "in the middle of its answer"),
            None => {
                let message = format!("body from {host} is not valid gzip: {}", root(&*error));
                Self::new(Kind::BadAnswer, Class::Transient, Sent::Maybe, message)
            }
        }
    }

    fn broken(cause: &hyper::Error, host: &str, when: &str) -> Self {
        if cause.is_parse() {
            let message = format!("answer from {host} is not HTTP/1.1: {}", root(cause));
            return Self::new(Kind::BadAnswer, Class::Transient, Sent::Maybe, message);
        }
        let message = match find::<io::Error>(cause).map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionReset) => format!("connection reset by {host} {when}"),
            Some(io::ErrorKind::UnexpectedEof) | None => {
                format!("connection closed by {host} {when}")
            }
            Some(_) => format!("connection to {host} lost {when}: {}", root(cause)),
        };
        Self::new(Kind::Lost, Class::Transient, Sent::Maybe, message)
    }

    fn connect(error: &legacy::Error, uri: &Uri) -> Self {
        let host = host(uri);
        let never_sent = |message| Self::new(Kind::Connect, Class::NeverSent, Sent::No, message);
        if find::<ConnectTimedOut>(error).is_some() {
            return never_sent(format!(
                "no connection to {host} within {} s",
                CONNECT_TIMEOUT.as_secs()
            ));
        }
        if let Some(cause) = find::<rustls::Error>(error) {
            return Self::tls(cause, &host);
        }
        if let Some(cause) = find::<NoAddress>(error) {
            return never_sent(format!("no address for {host}: {cause}"));
        }
        never_sent(match find::<io::Error>(error).map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => format!("connection refused by {host}"),
            Some(io::ErrorKind::TimedOut) => {
                format!(
                    "no connection to {host} within {} s",
                    CONNECT_TIMEOUT.as_secs()
                )
            }
            _ => format!("no connection to {host}: {}", root(error)),
        })
    }

    fn tls(cause: &rustls::Error, host: &str) -> Self {
        use rustls::Error::{
            InvalidCertificate, InvalidMessage, NoApplicationProtocol, PeerIncompatible,
        };
        // What the server is will not change by asking again; an alert may be its passing trouble.
        let (class, message) = match cause {
            InvalidCertificate(why) => (
                Class::Fatal,
                format!("certificate of {host} is not trusted: {why}"),
            ),
            InvalidMessage(_) => (Class::Fatal, format!("{host} does not speak TLS: {cause}")),
            PeerIncompatible(_) | NoApplicationProtocol => (
                Class::Fatal,
                format!("{host} speaks no common TLS: {cause}"),
            ),
            _ => (Class::NeverSent, format!("TLS with {host} failed: {cause}")),
        };
        Self::new(Kind::Tls, class, Sent::No, message)
    }
}

impl fmt::Debug for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpError")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .finish_non_exhaustive()
    }
}

/// Host and port as they stand in `uri`, without user and password.
fn host(uri: &Uri) -> String {
    let host = uri.host().unwrap_or("?");
    match uri.port_u16() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// The first `E` among `error` and its causes, looking into what an `io::Error` wraps.
fn find<'e, E: StdError + 'static>(error: &'e (dyn StdError + 'static)) -> Option<&'e E> {
    causes(error).find_map(|cause| cause.downcast_ref::<E>())
}

/// The last cause: the one that says what happened.
fn root<'e>(error: &'e (dyn StdError + 'static)) -> &'e (dyn StdError + 'static) {
    causes(error).last().unwrap_or(error)
}

fn causes<'e>(
    error: &'e (dyn StdError + 'static),
) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'e (dyn StdError + 'static) = *error;
        // `io::Error` shows the cause of what it wraps, and so skips the wrapped error itself.
        match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(wrapped) => Some(wrapped as &(dyn StdError + 'static)),
            None => error.source(),
        }
    })
}
