//! Figures of policies.

use std::fmt;
use std::future::pending;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tidegate::policy::{BadPolicy, Classify, Op, Outage, Policy, Retry, Verdict};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, yield_now};

use crate::Fallible;
use crate::figure::{Figure, Wanted};
use crate::measure::{Quartiles, difference, in_turn};
use crate::suite::{Bench, Setting};

const FIVE_STAGES: Wanted = Wanted::at_most("policy/five_stages_ns", "ns", 400.0);
const REJECTION: Wanted = Wanted::at_most("policy/rejection_ns", "ns", 100.0);
const LIMITER: Wanted = Wanted::at_least("policy/limiter_vs_semaphore", "ratio", 1.0);

pub(crate) const BENCHES: &[Bench] = &[
    Bench {
        figures: &[FIVE_STAGES],
        peers: false,
        run: five_stages,
    },
    Bench {
        figures: &[REJECTION],
        peers: false,
        run: rejection,
    },
    Bench {
        figures: &[LIMITER],
        peers: false,
        run: limiter,
    },
];

/// The error that no attempt here has.
#[derive(Debug)]
struct Broken;

impl Classify for Broken {
    fn verdict(&self) -> Verdict {
        Verdict::transient()
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}

async fn attempt() -> Result<(), Broken> {
    black_box(Ok(()))
}

/// A call that succeeds at once through retry, health, permit, token and timeout, over the attempt alone.
fn five_stages(setting: &Setting) -> Fallible<Vec<Figure>> {
    let n = 50_000;
    // A rate that this loop cannot reach; each call still takes a token.
    let policy = Policy::named("all")
        .in_flight(64)
        .rate(1e9)
        .burst(1_000_000)
        .attempt_timeout(Duration::from_secs(2))
        .retry(Retry::default())
        .outage(Outage::default())
        .build()?;
    let through = || async {
        for _ in 0..n {
            // It succeeds, and to look at that is not what is measured.
            drop(
                policy
                    .call(Op::idempotent(), async |_| attempt().await)
                    .await,
            );
        }
    };
    let alone = || async {
        for _ in 0..n {
            drop(attempt().await);
        }
    };
    difference(setting, FIVE_STAGES, n, through, alone)
}

/// A call that is refused since the only permit is taken and nobody may wait, over an attempt alone.
fn rejection(setting: &Setting) -> Fallible<Vec<Figure>> {
    let n = 50_000;
    let full = || async {
        let policy = full_with(1)?;
        let holder = tokio::spawn({
            let policy = policy.clone();
            async move {
                policy
                    .call(Op::idempotent(), async |_| {
                        pending::<Result<(), Broken>>().await
                    })
                    .await
            }
        });
        while policy.snapshot().in_flight == 0 {
            yield_now().await;
        }
        for _ in 0..n {
            let refused = policy
                .call(Op::idempotent(), async |_| attempt().await)
                .await;
            assert!(black_box(refused).is_err(), "the permit is taken");
        }
        holder.abort();
        Ok::<_, BadPolicy>(())
    };
    let alone = || async {
        for _ in 0..n {
            drop(attempt().await);
        }
    };
    difference(setting, REJECTION, n, full, alone)
}

fn full_with(in_flight: usize) -> Result<Policy, BadPolicy> {
    Policy::named("full")
        .in_flight(in_flight)
        .max_waiting(0)
        .build()
}

/// How many permits 64 tasks share.
const PERMITS: usize = 16;
const TASKS: usize = 64;

/// 64 tasks that do nothing but take a permit, give others a turn, and give it back: calls per second.
fn limiter(setting: &Setting) -> Fallible<Vec<Figure>> {
    let calls = setting.amount(2_000, 500);
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let policy = Policy::named("limiter").in_flight(PERMITS).build()?;
    let semaphore = Arc::new(Semaphore::new(PERMITS));
    let with_policy = || {
        per_second(&runtime, calls, || {
            let policy = policy.clone();
            async move {
                for _ in 0..calls {
                    let held = async |_| {
                        yield_now().await;
                        attempt().await
                    };
                    drop(policy.call(Op::idempotent(), held).await);
                }
            }
        })
    };
    let with_semaphore = || {
        per_second(&runtime, calls, || {
            let semaphore = Arc::clone(&semaphore);
            async move {
                for _ in 0..calls {
                    let permit = semaphore.acquire().await;
                    yield_now().await;
                    drop((attempt().await, permit));
                }
            }
        })
    };
    with_policy()?;
    with_semaphore()?;
    let pairs = in_turn(setting.amount(21, 5), with_policy, with_semaphore)?;
    let ratios = Quartiles::of_ratios(&pairs);
    let detail = json!({
        "ratio": ratios,
        "policy_per_s": Quartiles::of(pairs.iter().map(|pair| pair.0)),
        "semaphore_per_s": Quartiles::of(pairs.iter().map(|pair| pair.1)),
        "permits": PERMITS,
        "tasks": TASKS,
    });
    Ok(vec![LIMITER.measured(ratios.median, detail)])
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
