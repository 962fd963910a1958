//! How the API is to misbehave.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::counters::{Counters, Limit};
use super::faults::Faults;
use super::server::Api;

/// Configures an [`Api`]. Made by [`Api::builder`]; by default nothing goes wrong and nothing is slow.
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    faults: Faults,
    retry_after: u32,
    rate: Option<u32>,
    strict: bool,
    remember: bool,
    address: SocketAddr,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            faults: Faults::default(),
            retry_after: 1,
            rate: None,
            strict: false,
            remember: false,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        }
    }
}

impl Builder {
    /// The seed of all decisions. The same seed, paths and numbers of attempts: the same faults. Default: 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.faults.seed = seed;
        self
    }

    /// Answers after a delay between `min` and `max`. Default: at once.
    pub fn latency(mut self, min: Duration, max: Duration) -> Self {
        self.faults.latency = (min, max);
        self
    }

    /// Answers 503 to this share of the requests, 0 to 1.
    pub fn unavailable(mut self, share: f64) -> Self {
        self.faults.unavailable = share;
        self
    }

    /// Answers 429 to this share of the requests, 0 to 1, with a `Retry-After` of so many seconds.
    pub fn throttled(mut self, share: f64, retry_after_secs: u32) -> Self {
        self.faults.throttled = share;
        self.retry_after = retry_after_secs;
        self
    }

    /// Never answers this share of the requests, 0 to 1.
    pub fn hangs(mut self, share: f64) -> Self {
        self.faults.hangs = share;
        self
    }

    /// Answers 404, on every path and for ever, for this share of the ids, 0 to 1.
    pub fn gone(mut self, share: f64) -> Self {
        self.faults.gone = share;
        self
    }

    /// Counts the requests above `per_second` within one second.
    pub fn rate_limit(mut self, per_second: u32) -> Self {
        self.rate = Some(per_second);
        self
    }

    /// Whether requests above the [`rate_limit`](Self::rate_limit) are answered 429. Those do not count towards it.
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// Whether to count the requests of each path. Costs memory for each path.
    pub fn remember(mut self, remember: bool) -> Self {
        self.remember = remember;
        self
    }

    /// Where to listen. Default: port 0, which is any free one, of 127.0.0.1.
    ///
    /// The API has no protection of any kind: give an address that is not loopback only in a private network.
    pub fn bind(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Listens on this port of 127.0.0.1.
    pub fn port(self, port: u16) -> Self {
        self.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    /// Starts the API as tasks of the current runtime. Connections are accepted when this returns.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future starts nothing.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for shares that are not between 0 and 1 or are together above 1, and for a latency whose least
    /// is above its most; else what the operating system says about listening there.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
    pub async fn start(self) -> io::Result<Api> {
        let counters = self.check()?;
        Api::start(self.address, counters).await
    }

    /// Starts the API on a thread of its own with a runtime of its own, and waits until connections are accepted.
    ///
    /// So it can serve a client in the same process without either slowing the other's runtime.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), and when there can be no thread.
    pub fn spawn_thread(self) -> io::Result<Api> {
        let counters = self.check()?;
        Api::spawn_thread(self.address, counters)
    }

    fn check(&self) -> io::Result<Counters> {
        let invalid = |message| Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        let Faults {
            unavailable,
            throttled,
            hangs,
            gone,
            latency: (min, max),
            ..
        } = self.faults;
        let shares = [unavailable, throttled, hangs, gone];
        if !shares.iter().all(|share| (0.0..=1.0).contains(share))
            || unavailable + throttled + hangs > 1.0
        {
            return invalid(
                "shares must be between 0 and 1, and 503, 429 and hanging together at most 1",
            );
        }
        if min > max {
            return invalid("the least latency must not be above the most");
        }
        let limit = self.rate.map(|per_second| Limit {
            per_second,
            strict: self.strict,
        });
        Ok(Counters::new(
            self.faults,
            self.retry_after,
            limit,
            self.remember,
        ))
    }
}
