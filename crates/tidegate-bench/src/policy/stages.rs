//! What a call costs that succeeds at once through every stage, over the attempt alone.

use std::hint::black_box;

use serde_json::json;
use tidegate::policy::Policy;
use tidegate_bench::stages::{self, Broken, attempt, calls, waiting_attempt};

use crate::Fallible;
use crate::figure::{Figure, Wanted};
use crate::measure::{Quartiles, nanos_each};
use crate::suite::{Bench, Setting};

const FIVE_STAGES: Wanted = Wanted::at_most("policy/five_stages_ns", "ns", 400.0);

pub(super) const BENCH: Bench = Bench {
    figures: &[FIVE_STAGES],
    peers: false,
    run: five_stages,
};

fn five_stages(setting: &Setting) -> Fallible<Vec<Figure>> {
    let all = stages::all().build()?;
    let five = stages::five().build()?;
    let at_once = over_the_attempt(setting, &all, attempt)?;
    let detail = json!({
        "done_at_once_ns": at_once,
        "waiting_once_ns": over_the_attempt(setting, &all, waiting_attempt)?,
        "without_breaker_health_hedge": {
            "done_at_once_ns": over_the_attempt(setting, &five, attempt)?,
            "waiting_once_ns": over_the_attempt(setting, &five, waiting_attempt)?,
        },
    });
    Ok(vec![FIVE_STAGES.measured(at_once.median, detail)])
}

fn over_the_attempt<Fut>(
    setting: &Setting,
    policy: &Policy,
    attempt: impl Fn() -> Fut,
) -> Fallible<Quartiles>
where
    Fut: Future<Output = Result<(), Broken>>,
{
    let n = 50_000;
    let through = || calls(policy, n, &attempt);
    let alone = || async {
        for _ in 0..n {
            assert!(black_box(attempt().await).is_ok(), "no attempt fails");
        }
    };
    Ok(Quartiles::of_differences(&nanos_each(
        setting, n, through, alone,
    )?))
}
