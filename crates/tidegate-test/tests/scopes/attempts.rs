//! Attempts of policies that leave something behind, and calls inside them.

use crate::support::{MS, SEC};
use std::fmt;
use tidegate::{
    Scope,
    policy::{Attempt, CallError, Classify, Op, Policy, Verdict},
    scope,
};
use tidegate_test::{Mode, Sweep};
use tokio::{task::yield_now, time::sleep};

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

/// An attempt that leaves behind, in a scope of its own, whatever may outlive it.
async fn leaving(policy: &Policy) -> Result<(), CallError<Failed>> {
    let attempt = async |_: Attempt| {
        let ended = scope("attempt", async |s: &Scope<Failed>| {
            let work = || async {
                yield_now().await;
                sleep(3 * MS).await;
                Ok(())
            };
            drop(s.spawn_with_grace("child", SEC, work()).await);
            drop(s.critical("critical", SEC, work()));
            drop(s.defer("clean-up", SEC, work()));
            sleep(5 * MS).await;
            Ok(())
        });
        ended.await.map_err(|_| Failed)
    };
    policy.call(Op::idempotent().timeout(2 * MS), attempt).await
}

/// Two calls at once, in children, whose attempts time out before their own children have ended.
async fn calls_with_children(policy: Policy) {
    let ended = scope("calls", async |s: &Scope<Failed>| {
        for _ in 0..2 {
            let policy = policy.clone();
            let call = async move { leaving(&policy).await.map_err(|_| Failed) };
            drop(s.spawn("call", call).await);
        }
        Ok(())
    });
    drop(ended.await);
}

/// A call inside another one's attempt, in a child of a scope of that.
async fn calls_in_calls((outer, inner): (Policy, Policy)) {
    let attempt = async |_: Attempt| {
        let ended = scope("outer", async |s: &Scope<Failed>| {
            let inner = inner.clone();
            let call = async move { leaving(&inner).await.map_err(|_| Failed) };
            let child = s.spawn_with_grace("inner", SEC, call).await;
            child.await.map_err(|_| Failed)
        });
        drop(ended.await);
        Err::<(), _>(Failed)
    };
    drop(outer.call(Op::idempotent().timeout(9 * MS), attempt).await);
}

fn service() -> Policy {
    let builder = Policy::named("service").in_flight(1).seed(7);
    builder.build().unwrap()
}

/// Nothing is in flight, nobody waits, and the budget is what was paid in.
fn at_rest(policy: &Policy) -> Result<(), String> {
    let snapshot = policy.snapshot();
    let flow = snapshot.budget_flow;
    let balance = (500 + flow.earned + flow.refunded).saturating_sub(flow.paid);
    match (snapshot.in_flight, snapshot.waiting) {
        (0, 0) if u64::from(snapshot.budget) == balance.min(500) => Ok(()),
        (0, 0) => Err(format!("a balance of {}: {flow:?}", snapshot.budget)),
        (taken, waiting) => Err(format!("{taken} in flight, {waiting} waiting")),
    }
}

fn sweep(name: &'static str) -> Sweep {
    Sweep::new(name).modes([Mode::Drop, Mode::Cancel, Mode::Panic])
}

#[test]
fn the_permits_of_attempts_that_leave_children_behind_come_back() {
    let program = || {
        let policy = service();
        (policy.clone(), calls_with_children(policy))
    };
    let coverage = sweep("calls with children").run(program, at_rest);
    assert!(coverage.points > 20, "{coverage}");
}

#[test]
fn calls_in_calls_give_everything_back_to_both_policies() {
    let program = || {
        let policies = (service(), service());
        (policies.clone(), calls_in_calls(policies))
    };
    let coverage = sweep("calls in calls").run(program, |(outer, inner)| {
        at_rest(outer)?;
        at_rest(inner)
    });
    assert!(coverage.points > 20, "{coverage}");
}
