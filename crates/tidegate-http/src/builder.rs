//! The client's configuration.

use std::path::PathBuf;
use std::time::Duration;

use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::client::Client;
use crate::connect::{Connector, tls_config};
use crate::deadline::DeadlineHeader;

/// An idle connection older than this is closed.
const POOL_IDLE: Duration = Duration::from_secs(90);
/// The most bytes that status line and headers of an answer may take, roughly: hyper looks after each read.
const MAX_HEAD: usize = 64 * 1024;

/// Configures a [`Client`]. Made by [`Client::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    max_body: usize,
    redirects: usize,
    idle_per_host: usize,
    extra_ca: Option<PathBuf>,
    deadline_header: Option<DeadlineHeader>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            max_body: 8 << 20,
            redirects: 5,
            idle_per_host: 64,
            extra_ca: None,
            deadline_header: None,
        }
    }
}

impl Builder {
    /// Accepts bodies of at most `bytes` bytes, counted after decompression. Default: 8 MiB.
    ///
    /// A longer one is an error as soon as it is known to be longer; the rest is not read.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Follows at most `count` redirects of one request, within the same origin. Default: 5.
    ///
    /// With 0 a redirect is an answer like any other.
    pub fn redirects(mut self, count: usize) -> Self {
        self.redirects = count;
        self
    }

    /// Keeps at most `count` idle connections to each host, each for at most 90 s. Default: 64.
    ///
    /// Fewer than there are requests in flight means that connections are opened and closed all the time.
    pub fn idle_per_host(mut self, count: usize) -> Self {
        self.idle_per_host = count;
        self
    }

    /// Trusts the certificates in the PEM file at `path`, beside the usual roots. Default: none.
    pub fn extra_ca(mut self, path: impl Into<PathBuf>) -> Self {
        self.extra_ca = Some(path.into());
        self
    }

    /// Says in this header how much time remains until the [`deadline`](tidegate::deadline()) of the code that sends.
    /// Default: it is not said.
    ///
    /// A redirect carries what remains when it is followed.
    pub fn deadline_header(mut self, header: DeadlineHeader) -> Self {
        self.deadline_header = Some(header);
        self
    }

    /// Makes the client. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`BadClient`] when the file of [`extra_ca`](Self::extra_ca) cannot be read or holds no usable certificate.
    pub fn build(self) -> Result<Client, BadClient> {
        let connector = Connector::new(tls_config(self.extra_ca.as_deref())?);
        let pool = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(self.idle_per_host)
            .http1_max_buf_size(MAX_HEAD)
            // Sending again is the policy's decision, even when nothing was sent: it pays the rate each time.
            .retry_canceled_requests(false)
            .build(connector);
        Ok(Client::new(
            pool,
            self.max_body,
            self.redirects,
            self.deadline_header,
        ))
    }
}

/// A client cannot be made from this configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadClient {
    /// The file of further certificates cannot be used.
    #[error("cannot trust the certificates in {}: {cause}", path.display())]
    ExtraCa {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
}
