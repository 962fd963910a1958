//! What it costs to be refused, over an attempt alone.

use std::future::pending;
use std::hint::black_box;

use serde_json::json;
use tidegate::policy::{Breaker, Op, Policy, Queue};
use tidegate_bench::stages::{Broken, attempt};
use tokio::task::yield_now;

use crate::Fallible;
use crate::figure::{Figure, Wanted};
use crate::measure::{Quartiles, nanos_each};
use crate::suite::{Bench, Setting};

const REJECTION: Wanted = Wanted::at_most("policy/rejection_ns", "ns", 100.0);

pub(super) const BENCH: Bench = Bench {
    figures: &[REJECTION],
    peers: false,
    run: rejection,
};

const CALLS: usize = 50_000;

/// The dearest of the ways to be refused.
fn rejection(setting: &Setting) -> Fallible<Vec<Figure>> {
    let full = limiter_full(setting)?;
    let open = breaker_open(setting)?;
    let detail = json!({ "limiter_full_ns": full, "breaker_open_ns": open });
    Ok(vec![
        REJECTION.measured(full.median.max(open.median), detail),
    ])
}

/// The only permit is taken, and nobody may wait.
fn limiter_full(setting: &Setting) -> Fallible<Quartiles> {
    let policy = Policy::named("full")
        .in_flight(1)
        .queue(Queue::none())
        .build()?;
    over_the_attempt(setting, || async {
        let holding = policy.clone();
        let holder = tokio::spawn(async move {
            let never = async |_| pending::<Result<(), Broken>>().await;
            holding.call(Op::idempotent(), never).await
        });
        while policy.snapshot().in_flight == 0 {
            yield_now().await;
        }
        refused(&policy).await;
        holder.abort();
        assert!(holder.await.is_err(), "it never ends by itself");
    })
}

fn breaker_open(setting: &Setting) -> Fallible<Quartiles> {
    let policy = Policy::named("open").breaker(Breaker::default()).build()?;
    policy.open_breaker(None);
    over_the_attempt(setting, || refused(&policy))
}

async fn refused(policy: &Policy) {
    for _ in 0..CALLS {
        let refused = policy
            .call(Op::idempotent(), async |_| attempt().await)
            .await;
        assert!(black_box(refused).is_err(), "nobody gets through");
    }
}

fn over_the_attempt<F: Future>(setting: &Setting, refused: impl Fn() -> F) -> Fallible<Quartiles> {
    let alone = || async {
        for _ in 0..CALLS {
            assert!(black_box(attempt().await).is_ok(), "no attempt fails");
        }
    };
    Ok(Quartiles::of_differences(&nanos_each(
        setting, CALLS, refused, alone,
    )?))
}
