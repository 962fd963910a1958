//! Figures of policies.

use std::fmt;
use std::future::{pending, poll_fn};
use std::hint::black_box;
use std::mem;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use serde_json::json;
use tidegate::policy::{Classify, Op, Outage, Policy, Queue, Retry, Verdict};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, yield_now};

use crate::Fallible;
use crate::figure::{Figure, Wanted};
use crate::measure::{Quartiles, difference, in_turn, nanos_each, one_thread};
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

/// An attempt that is not done at its first poll, as every request is: its timeout becomes a timer.
async fn waiting_attempt() -> Result<(), Broken> {
    let mut asked = false;
    poll_fn(|cx| {
        if mem::replace(&mut asked, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    attempt().await
}

/// A call that succeeds at once through retry, health, permit, token and timeout, over the attempt alone.
fn five_stages(setting: &Setting) -> Fallible<Vec<Figure>> {
    // A rate that this loop cannot reach; each call still takes a token.
    let policy = Policy::named("all")
        .in_flight(64)
        .rate(1e9)
        .burst(1_000_000)
        .attempt_timeout(Duration::from_secs(2))
        .retry(Retry::default())
        .outage(Outage::default())
        .build()?;
    let at_once = over_the_attempt(setting, &policy, async || attempt().await)?;
    let waiting = over_the_attempt(setting, &policy, async || waiting_attempt().await)?;
    let detail = json!({ "done_at_once_ns": at_once, "waiting_once_ns": waiting });
    Ok(vec![FIVE_STAGES.measured(at_once.median, detail)])
}

fn over_the_attempt(
    setting: &Setting,
    policy: &Policy,
    attempt: impl AsyncFn() -> Result<(), Broken>,
) -> Fallible<Quartiles> {
    let n = 50_000;
    let through = || async {
        for _ in 0..n {
            let answer = policy
                .call(Op::idempotent(), async |_| attempt().await)
                .await;
            assert!(black_box(answer).is_ok(), "no attempt fails");
        }
    };
    let alone = || async {
        for _ in 0..n {
            assert!(black_box(attempt().await).is_ok(), "no attempt fails");
        }
    };
    Ok(Quartiles::of_differences(&nanos_each(
        setting, n, through, alone,
    )?))
}

/// A call that is refused since the only permit is taken and nobody may wait, over an attempt alone.
fn rejection(setting: &Setting) -> Fallible<Vec<Figure>> {
    let n = 50_000;
    let policy = Policy::named("full")
        .in_flight(1)
        .queue(Queue::none())
        .build()?;
    let refused = || async {
        let holding = policy.clone();
        let holder = tokio::spawn(async move {
            let never = async |_| pending::<Result<(), Broken>>().await;
            holding.call(Op::idempotent(), never).await
        });
        while policy.snapshot().in_flight == 0 {
            yield_now().await;
        }
        for _ in 0..n {
            let refused = policy
                .call(Op::idempotent(), async |_| attempt().await)
                .await;
            assert!(black_box(refused).is_err(), "the only permit is taken");
        }
        holder.abort();
        assert!(holder.await.is_err(), "it never ends by itself");
    };
    let alone = || async {
        for _ in 0..n {
            assert!(black_box(attempt().await).is_ok(), "no attempt fails");
        }
    };
    difference(setting, REJECTION, n, refused, alone)
}

/// How many permits 64 tasks share.
const PERMITS: usize = 16;
const TASKS: usize = 64;

/// 64 tasks that do nothing but take a permit, give others a turn, and give it back: calls per second.
fn limiter(setting: &Setting) -> Fallible<Vec<Figure>> {
    let two_threads = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let on_two = calls_per_second(setting, &two_threads)?;
    let on_one = calls_per_second(setting, &one_thread()?)?;
    let ratios = Quartiles::of_ratios(&on_two);
    let detail = json!({
        "ratio": ratios,
        "policy_per_s": Quartiles::of(on_two.iter().map(|pair| pair.0)),
        "semaphore_per_s": Quartiles::of(on_two.iter().map(|pair| pair.1)),
        "ratio_on_one_thread": Quartiles::of_ratios(&on_one),
        "permits": PERMITS,
        "tasks": TASKS,
    });
    Ok(vec![LIMITER.measured(ratios.median, detail)])
}

/// Through a policy and through a semaphore, in pairs.
fn calls_per_second(setting: &Setting, runtime: &Runtime) -> Fallible<Vec<(f64, f64)>> {
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
                    assert!(
                        black_box(waiting_attempt().await).is_ok(),
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
