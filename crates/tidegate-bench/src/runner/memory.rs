//! Peak resident memory, with few rows and with many.

use serde_json::json;
use tidegate_test::Api;

use super::launch;
use crate::Fallible;
use crate::figure::{Figure, Wanted};
use crate::job::{Flow, Job, Steps};
use crate::suite::{Bench, Setting};

const FEW: Wanted = Wanted::at_most("runner/rss_10k_mib", "MiB", 30.0);
const MANY: Wanted = Wanted::at_most("runner/rss_1m_mib", "MiB", 30.0);

pub(super) const BENCHES: &[Bench] = &[
    Bench {
        figures: &[FEW],
        peers: false,
        run: |setting| peak(setting, FEW, 10_000),
    },
    Bench {
        figures: &[MANY],
        peers: false,
        run: |setting| peak(setting, MANY, setting.amount(1_000_000, 100_000)),
    },
];

fn peak(setting: &Setting, wanted: Wanted, rows: u64) -> Fallible<Vec<Figure>> {
    let job = Job::of(rows)?;
    let api = Api::builder().spawn_thread()?;
    let base = api.base_url();
    let flow = Flow {
        steps: Steps::User,
        ..Flow::of(&base)
    };
    let usage = launch::run_all(setting, &job, &flow)?;
    let detail = json!({
        "rows": rows,
        "requests": api.stats().requests,
        "seconds": usage.wall.as_secs_f64(),
    });
    Ok(vec![wanted.measured(usage.peak_mib(), detail)])
}
