//! What the API has seen.

use std::collections::BTreeMap;
use std::fmt::Write;

use tokio::time::Instant;

/// What an [`Api`](super::Api) has seen so far. Requests of `/stats` are not counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Requests that arrived, also those that were then refused.
    pub requests: u64,
    /// Requests by the first segment of their path: `users`, `orders`, `echo`; all else is `other`.
    pub by_route: BTreeMap<&'static str, u64>,
    /// Requests of paths that had been asked before. 0 unless the API was told to `remember`.
    pub repeats: u64,
    /// Connections that were accepted.
    pub connections: u64,
    /// Requests being worked on.
    pub open: u64,
    /// The most requests that were worked on at once.
    pub open_max: u64,
    /// Answers 200.
    pub ok: u64,
    /// Answers 429.
    pub throttled: u64,
    /// Answers 503.
    pub unavailable: u64,
    /// Requests that were left without an answer.
    pub hung: u64,
    /// Answers 404 for an id that is gone.
    pub gone: u64,
    /// Answers 401.
    pub unauthorized: u64,
    /// Requests that came while the API was down.
    pub while_down: u64,
    /// The most requests that arrived within any one second.
    pub rate_max_1s: u64,
    /// Requests above the rate limit: those that found as many as are allowed within the second before them.
    pub over_limit: u64,
    /// When the first request arrived.
    pub first: Option<Instant>,
    /// When the latest request arrived.
    pub last: Option<Instant>,
}

impl Stats {
    /// The same as JSON, in one line. `active_s` are the seconds from the first to the latest request.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = String::from("{\"by_route\":{");
        for (index, (route, count)) in self.by_route.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(json, "{comma}\"{route}\":{count}").expect("a String takes what is written");
        }
        json.push('}');
        for (name, count) in [
            ("requests", self.requests),
            ("repeats", self.repeats),
            ("connections", self.connections),
            ("open", self.open),
            ("open_max", self.open_max),
            ("ok", self.ok),
            ("throttled", self.throttled),
            ("unavailable", self.unavailable),
            ("hung", self.hung),
            ("gone", self.gone),
            ("unauthorized", self.unauthorized),
            ("while_down", self.while_down),
            ("rate_max_1s", self.rate_max_1s),
            ("over_limit", self.over_limit),
        ] {
            write!(json, ",\"{name}\":{count}").expect("a String takes what is written");
        }
        let active = match (self.first, self.last) {
            (Some(first), Some(last)) => last.duration_since(first).as_secs_f64(),
            _ => 0.0,
        };
        write!(json, ",\"active_s\":{active:.6}}}").expect("a String takes what is written");
        json
    }
}
