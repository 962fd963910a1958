//! A concurrency limit that many tasks want at once.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use tidegate::policy::{Op, Policy};
use tidegate_bench::stages::{TIMEOUT, waiting_attempt};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::Fallible;
use crate::figure::{Figure, Wanted};
use crate::measure::{Quartiles, in_turn, one_thread};
use crate::suite::{Bench, Setting};

const LIMITER: Wanted = Wanted::at_least("policy/limiter_vs_semaphore", "ratio", 1.0);

pub(super) const BENCH: Bench = Bench {
    figures: &[LIMITER],
    peers: false,
    run: limiter,
};

/// How many permits 64 tasks share.
const PERMITS: usize = 16;
const TASKS: usize = 64;

/// 64 tasks that do nothing but take a permit, give others a turn, and give it back: calls per second.
fn limiter(setting: &Setting) -> Fallible<Vec<Figure>> {
    let two_threads = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let on_two = calls_per_second(setting, &two_threads, Rival::Bare)?;
    let on_one = calls_per_second(setting, &one_thread()?, Rival::Bare)?;
    let timed = calls_per_second(setting, &two_threads, Rival::WithTimeout)?;
    let ratios = Quartiles::of_ratios(&on_two);
    let detail = json!({
        "ratio": ratios,
        "policy_per_s": Quartiles::of(on_two.iter().map(|pair| pair.0)),
        "semaphore_per_s": Quartiles::of(on_two.iter().map(|pair| pair.1)),
        "ratio_on_one_thread": Quartiles::of_ratios(&on_one),
        "against_semaphore_with_timeout": {
            "ratio": Quartiles::of_ratios(&timed),
            "semaphore_per_s": Quartiles::of(timed.iter().map(|pair| pair.1)),
        },
        "permits": PERMITS,
        "tasks": TASKS,
    });
    Ok(vec![LIMITER.measured(ratios.median, detail)])
}

/// How a semaphore is used beside a policy.
#[derive(Clone, Copy)]
enum Rival {
    Bare,
    /// Each attempt has a timeout, which a policy's always have.
    WithTimeout,
}

/// Through a policy and through a semaphore, in pairs.
fn calls_per_second(
    setting: &Setting,
    runtime: &Runtime,
    rival: Rival,
) -> Fallible<Vec<(f64, f64)>> {
    let calls = setting.amount(2_000, 500);
    let policy = Policy::named("limiter").in_flight(PERMITS).build()?;
    let semaphore = Arc::new(Semaphore::new(PERMITS));
    let with_policy = || {
        per_second(runtime, calls, || {
            let policy = policy.clone();
            async move {
                for _ in 0..calls {
                    let answer = policy
                        .call(Op::idempotent(), async |_| waiting_attempt().await)
                        .await;
                    assert!(black_box(answer).is_ok(), "no attempt fails");
                }
            }
        })
    };
    let with_semaphore = || {
        per_second(runtime, calls, || {
            let semaphore = Arc::clone(&semaphore);
            async move {
                for _ in 0..calls {
                    let permit = semaphore.acquire().await;
                    let answer = match rival {
                        Rival::Bare => Ok(waiting_attempt().await),
                        Rival::WithTimeout => timeout(TIMEOUT, waiting_attempt()).await,
                    };
                    assert!(
                        black_box(answer).is_ok_and(|attempt| attempt.is_ok()),
                        "no attempt fails"
                    );
                    drop(permit);
                }
            }
        })
    };
    with_policy()?;
    with_semaphore()?;
    in_turn(setting.amount(21, 5), with_policy, with_semaphore)
}

/// Runs `TASKS` tasks that make so many `calls` each.
fn per_second<F>(runtime: &Runtime, calls: usize, task: impl Fn() -> F) -> Fallible<f64>
where
    F: Future<Output = ()> + Send + 'static,
{
    let began = Instant::now();
    runtime.block_on(async {
        let mut tasks: JoinSet<()> = (0..TASKS).map(|_| task()).collect();
        while let Some(ended) = tasks.join_next().await {
            ended?;
        }
        Ok((TASKS * calls) as f64 / began.elapsed().as_secs_f64())
    })
}
