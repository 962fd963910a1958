//! Counts what a call takes from the allocator, and prints one line of JSON: allocations per call.
//!
//! A program of its own, since the allocator that counts would slow down every other figure.

#![forbid(unsafe_code)]

use std::alloc::System;
use std::error::Error;
use std::io::{self, Write};

use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tidegate::policy::Policy;
use tidegate_bench::stages::{self, Broken, attempt, calls, waiting_attempt};
use tokio::runtime::Builder;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CALLS: usize = 10_000;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let all = stages::all().build()?;
    let five = stages::five().build()?;
    let line = runtime.block_on(async {
        json!({
            "done_at_once": per_call(&all, attempt).await,
            "waiting_once": per_call(&all, waiting_attempt).await,
            "done_at_once_without_breaker_health_hedge": per_call(&five, attempt).await,
            "waiting_once_without_breaker_health_hedge": per_call(&five, waiting_attempt).await,
        })
    });
    Ok(writeln!(io::stdout(), "{line}")?)
}

async fn per_call<Fut>(policy: &Policy, attempt: impl Fn() -> Fut) -> f64
where
    Fut: Future<Output = Result<(), Broken>>,
{
    // What is made once and kept is not a cost of a call.
    calls(policy, CALLS, &attempt).await;
    let counted = Region::new(ALLOCATOR);
    calls(policy, CALLS, &attempt).await;
    let change = counted.change();
    (change.allocations + change.reallocations) as f64 / CALLS as f64
}
