//! Everything about the API that changes while it runs.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::answers::Route;
use super::faults::{Fault, Faults, hash};
use super::stats::Stats;

/// How an API that is down behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// It accepts connections and closes them without an answer.
    Close,
    /// It answers 503 to everything.
    Unavailable,
}

/// A limit on the requests per second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) per_second: u32,
    /// Whether a request above the limit is answered 429, or only counted.
    pub(super) strict: bool,
}

/// What to do with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Answer,
    Gone,
    Unavailable,
    /// 429, with these seconds to wait.
    Throttled(u32),
    Unauthorized,
    Hang,
    /// Close the connection without an answer.
    Close,
}

/// Settings that may change, and counts.
#[derive(Debug)]
pub(super) struct Counters {
    faults: Faults,
    retry_after: u32,
    limit: Option<Limit>,
    stats: Stats,
    arrivals: Window,
    /// Requests within the rate limit.
    admitted: Window,
    /// Attempts by the hash of their path: the draw of the next one depends on it.
    attempts: HashMap<u64, u32>,
    /// Requests by path, when they are remembered.
    paths: Option<BTreeMap<String, u64>>,
    down: Option<Down>,
    brown_out: (f64, Duration),
    auth_required: bool,
}

impl Counters {
    pub(super) fn new(
        faults: Faults,
        retry_after: u32,
        limit: Option<Limit>,
        remember: bool,
    ) -> Self {
        Self {
            faults,
            retry_after,
            limit,
            stats: Stats::default(),
            arrivals: Window::default(),
            admitted: Window::default(),
            attempts: HashMap::new(),
            paths: remember.then(BTreeMap::new),
            down: None,
            brown_out: (0.0, Duration::ZERO),
            auth_required: false,
        }
    }

    /// Counts a connection; `false` when it is to be closed at once.
    pub(super) fn connected(&mut self) -> bool {
        self.stats.connections += 1;
        self.down != Some(Down::Close)
    }

    /// Counts a request, and decides what becomes of it and after which delay.
    ///
    /// Every request that has arrived must be given to [`finished`](Self::finished) once.
    pub(super) fn arrived(
        &mut self,
        path: &str,
        route: Route<'_>,
        now: Instant,
    ) -> (Decision, Duration) {
        let within_limit = self.count(path, route, now);
        let decision = self.decide(path, route, within_limit);
        match decision.0 {
            Decision::Answer => self.stats.ok += 1,
            Decision::Gone => self.stats.gone += 1,
            Decision::Unavailable => self.stats.unavailable += 1,
            Decision::Throttled(_) => self.stats.throttled += 1,
            Decision::Unauthorized => self.stats.unauthorized += 1,
            Decision::Hang => self.stats.hung += 1,
            Decision::Close => {}
        }
        decision
    }

    pub(super) fn finished(&mut self) {
        self.stats.open -= 1;
    }

    /// Counts a request; whether it is within the rate limit.
    fn count(&mut self, path: &str, route: Route<'_>, now: Instant) -> bool {
        let stats = &mut self.stats;
        stats.requests += 1;
        stats.open += 1;
        stats.open_max = stats.open_max.max(stats.open);
        stats.first.get_or_insert(now);
        stats.last = Some(now);
        *stats.by_route.entry(route.name()).or_default() += 1;
        if let Some(paths) = &mut self.paths {
            let count = paths.entry(path.to_owned()).or_default();
            stats.repeats += u64::from(*count > 0);
            *count += 1;
        }
        stats.rate_max_1s = stats.rate_max_1s.max(self.arrivals.push(now));

        let Some(limit) = self.limit else { return true };
        let within = self.admitted.count(now) < u64::from(limit.per_second);
        if !within {
            stats.over_limit += 1;
        }
        if within || !limit.strict {
            self.admitted.push(now);
        }
        within
    }

    fn decide(&mut self, path: &str, route: Route<'_>, within_limit: bool) -> (Decision, Duration) {
        if let Some(down) = self.down {
            self.stats.while_down += 1;
            let decision = match down {
                Down::Close => Decision::Close,
                Down::Unavailable => Decision::Unavailable,
            };
            return (decision, Duration::ZERO);
        }
        if self.auth_required {
            return (Decision::Unauthorized, Duration::ZERO);
        }
        if !within_limit && self.limit.is_some_and(|limit| limit.strict) {
            return (Decision::Throttled(1), Duration::ZERO);
        }
        let (more, slower) = self.brown_out;
        let attempt = if self.faults.count_attempts() || more > 0.0 {
            let attempts = self.attempts.entry(hash(path)).or_default();
            *attempts += 1;
            *attempts - 1
        } else {
            0
        };
        let decision = match self.faults.decide(path, route.id(), attempt, more) {
            Fault::None => Decision::Answer,
            Fault::Gone => Decision::Gone,
            Fault::Unavailable => Decision::Unavailable,
            Fault::Throttled => Decision::Throttled(self.retry_after),
            Fault::Hang => Decision::Hang,
        };
        (decision, self.faults.latency(path, attempt) + slower)
    }

    pub(super) fn stats(&self) -> Stats {
        self.stats.clone()
    }

    pub(super) fn paths(&self) -> BTreeMap<String, u64> {
        self.paths.clone().unwrap_or_default()
    }

    pub(super) fn set_down(&mut self, down: Option<Down>) {
        self.down = down;
    }

    pub(super) fn set_brown_out(&mut self, unavailable: f64, latency: Duration) {
        self.brown_out = (unavailable, latency);
    }

    pub(super) fn set_auth_required(&mut self, required: bool) {
        self.auth_required = required;
    }
}

/// The instants of the last second.
#[derive(Debug, Default)]
struct Window {
    times: VecDeque<Instant>,
}

impl Window {
    /// Adds `now`; how many there are within the second that ends with it.
    fn push(&mut self, now: Instant) -> u64 {
        self.times.push_back(now);
        self.count(now)
    }

    fn count(&mut self, now: Instant) -> u64 {
        while self
            .times
            .front()
            .is_some_and(|first| now.duration_since(*first) >= Duration::from_secs(1))
        {
            self.times.pop_front();
        }
        self.times.len() as u64
    }
}
