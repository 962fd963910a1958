//! Policies: a call that is stopped gives back its permit and its place in the queue.

use crate::support::MS;
use std::{
    fmt,
    sync::atomic::{AtomicU32, Ordering::SeqCst},
};
use tidegate::{
    Scope,
    policy::{Attempt, Classify, Op, Policy, Verdict},
    scope,
};
use tidegate_test::{Coverage, Mode, Sweep};
use tokio::time::sleep;

#[derive(Debug)]
struct Failed;

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failed")
    }
}

impl Classify for Failed {
    fn verdict(&self) -> Verdict {
        Verdict::transient()
    }
}

/// Three calls through a gate for one, each of which fails once.
async fn calls(policy: Policy) {
    let ended = scope("calls", async |s: &Scope<Failed>| {
        for _ in 0..3 {
            let policy = policy.clone();
            let call = async move {
                let attempts = AtomicU32::new(0);
                let attempt = |_: Attempt| {
                    let number = attempts.fetch_add(1, SeqCst);
                    async move {
                        sleep(MS).await;
                        if number == 0 { Err(Failed) } else { Ok(()) }
                    }
                };
                policy
                    .call(Op::idempotent(), attempt)
                    .await
                    .map_err(|_| Failed)
            };
            drop(s.spawn("call", call).await);
        }
        Ok(())
    });
    drop(ended.await);
}

fn sweep() -> Coverage {
    let modes = [Mode::Drop, Mode::Cancel, Mode::Panic];
    Sweep::new("calls").modes(modes).run(
        || {
            let policy = Policy::named("service")
                .in_flight(1)
                .seed(7)
                .build()
                .unwrap();
            (policy.clone(), calls(policy))
        },
        |policy| {
            let snapshot = policy.snapshot();
            match (snapshot.in_flight, snapshot.waiting) {
                (0, 0) => Ok(()),
                (taken, waiting) => Err(format!("{taken} in flight, {waiting} waiting")),
            }
        },
    )
}

#[test]
fn every_permit_and_place_comes_back() {
    let coverage = sweep();
    assert!(coverage.points > 6, "{coverage}");
}
