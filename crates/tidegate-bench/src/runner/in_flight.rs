//! The most requests that are open at the server at once.

use std::time::Duration;

use serde_json::json;
use tidegate_test::Api;

use super::launch;
use crate::Fallible;
use crate::figure::{Figure, Wanted};
use crate::job::{Flow, Job};
use crate::suite::{Bench, Setting};

const IN_FLIGHT_MAX: Wanted = Wanted::at_most("runner/in_flight_max", "requests", 64.0);

pub(super) const BENCHES: &[Bench] = &[Bench {
    figures: &[IN_FLIGHT_MAX],
    peers: false,
    run: in_flight_max,
}];

/// Long enough that requests pile up at the server; far from the flow's timeout.
const LATENCY: Duration = Duration::from_millis(5);

fn in_flight_max(setting: &Setting) -> Fallible<Vec<Figure>> {
    let job = Job::of(setting.amount(10_000, 1_000))?;
    let api = Api::builder().latency(LATENCY, LATENCY).spawn_thread()?;
    let usage = launch::run_all(setting, &job, &Flow::of(&api.base_url()))?;
    let stats = api.stats();
    let detail = json!({
        "requests": stats.requests,
        "connections": stats.connections,
        "requests_per_s": stats.requests as f64 / usage.wall.as_secs_f64(),
        // 64 requests that take 5 ms each.
        "most_requests_per_s": 64.0 / LATENCY.as_secs_f64(),
    });
    Ok(vec![IN_FLIGHT_MAX.measured(stats.open_max as f64, detail)])
}
