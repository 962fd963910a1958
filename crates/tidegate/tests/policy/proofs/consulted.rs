//! Every stage that is set decides, and no other one says that it did.

use std::time::Duration;

use futures_util::future::join_all;
use tidegate::policy::{
    Attempt, Breaker, Consulted, Hedge, HedgeAfter, Op, Outage, Policy, PolicyBuilder, Verdict,
};
use tokio::time::{Instant, sleep};

use super::Failed;

const MS: Duration = Duration::from_millis(1);

/// One stage: what sets it, what makes it decide, and how it says so.
struct Stage {
    name: &'static str,
    set: fn(PolicyBuilder) -> PolicyBuilder,
    /// Whether it is there in every policy.
    is_always_set: bool,
    calls: Calls,
    consulted: fn(&Consulted) -> u64,
}

/// What goes through the policy.
#[derive(Clone, Copy)]
enum Calls {
    One,
    OneWithDeadline,
    /// More at once than there are permits.
    Many,
    OneThatFailsOnce,
    OneWithFallback,
}

fn stages() -> Vec<Stage> {
    let stage = |name, calls, consulted| Stage {
        name,
        set: |policy| policy,
        is_always_set: true,
        calls,
        consulted,
    };
    let set = |name, set, consulted| Stage {
        set,
        is_always_set: false,
        ..stage(name, Calls::One, consulted)
    };
    vec![
        stage("fallback", Calls::OneWithFallback, |it| it.fallback),
        stage("deadline", Calls::OneWithDeadline, |it| it.deadline),
        stage("retry", Calls::OneThatFailsOnce, |it| it.retry),
        stage("budget", Calls::OneThatFailsOnce, |it| it.budget),
        stage("queue", Calls::Many, |it| it.queue),
        stage("pause", Calls::One, |it| it.pause),
        stage("permit", Calls::One, |it| it.permit),
        stage("timeout", Calls::One, |it| it.timeout),
        set("hedge", |policy| policy.hedge(after_1_ms()), |it| it.hedge),
        set(
            "breaker",
            |policy| policy.breaker(Breaker::default()),
            |it| it.breaker,
        ),
        set(
            "health",
            |policy| policy.outage(Outage::default()),
            |it| it.health,
        ),
        set("rate", |policy| policy.rate(100.0), |it| it.rate),
    ]
}

fn after_1_ms() -> Hedge {
    Hedge {
        after: HedgeAfter::Fixed(MS),
        ..Hedge::default()
    }
}

fn plain() -> PolicyBuilder {
    Policy::named("stages").seed(1).in_flight(2)
}

impl Calls {
    async fn go_through(self, policy: &Policy) {
        let op = Op::idempotent();
        let once = async |_| {
            sleep(3 * MS).await;
            Ok::<_, Failed>(())
        };
        match self {
            Self::One => drop(policy.call(op, once).await),
            Self::OneWithDeadline => {
                let op = op.deadline(Instant::now() + 10 * MS);
                drop(policy.call(op, once).await);
            }
            Self::Many => drop(join_all((0..3).map(|_| policy.call(op, once))).await),
            Self::OneThatFailsOnce => {
                let fails_once = async |attempt: Attempt| match attempt.number {
                    1 => Err(Failed(Verdict::transient())),
                    _ => Ok(()),
                };
                drop(policy.call(op, fails_once).await);
            }
            Self::OneWithFallback => {
                let fails = async |_| Err(Failed(Verdict::fatal()));
                drop(policy.call_or(op, fails, MS, async |_| Ok(())).await);
            }
        }
    }
}

/// The stages that were set and did not decide, or decided and were not set; the number of all.
pub(crate) async fn silent() -> (usize, Vec<String>) {
    let mut faults = Vec::new();
    for stage in stages() {
        let policy = (stage.set)(plain())
            .build()
            .expect("each stage can be set alone");
        stage.calls.go_through(&policy).await;
        if (stage.consulted)(&policy.snapshot().consulted) == 0 {
            faults.push(format!("{} was not consulted", stage.name));
        }
        // Without it, or with nothing that it decides about.
        let policy = plain().build().expect("the plain policy is allowed");
        let others = match stage.calls {
            Calls::One => stage.calls,
            _ => Calls::One,
        };
        if stage.is_always_set && matches!(stage.calls, Calls::One) {
            continue;
        }
        others.go_through(&policy).await;
        if (stage.consulted)(&policy.snapshot().consulted) > 0 {
            faults.push(format!("{} is not set and was consulted", stage.name));
        }
    }
    (stages().len(), faults)
}

#[tokio::test(start_paused = true)]
async fn every_stage_that_is_set_decides() {
    let (count, faults) = silent().await;
    assert!(faults.is_empty(), "{faults:#?}");
    assert_eq!(count, 12);
}

#[tokio::test(start_paused = true)]
async fn the_stages_of_an_attempt_decide_about_every_one() {
    let policy = plain()
        .rate(1_000.0)
        .breaker(Breaker::default())
        .outage(Outage::default())
        .hedge(after_1_ms())
        .build()
        .unwrap();
    for calls in [Calls::Many, Calls::OneThatFailsOnce, Calls::OneWithDeadline] {
        calls.go_through(&policy).await;
    }
    let snapshot = policy.snapshot();
    let Consulted {
        breaker,
        health,
        pause,
        permit,
        rate,
        timeout,
        ..
    } = snapshot.consulted;
    assert!(snapshot.requests > 6, "{}", snapshot.requests);
    assert_eq!(
        [breaker, health, pause, permit, rate, timeout],
        [snapshot.requests; 6]
    );
}

/// A new stage belongs into the table.
#[test]
fn no_stage_is_missing_from_the_table() {
    let said = format!("{:?}", Consulted::default());
    let mut names: Vec<_> = said.split(['{', ',']).skip(1).collect();
    names.retain(|field| field.contains(": 0"));
    assert_eq!(names.len(), stages().len(), "{said}");
    assert!(
        stages().iter().all(|stage| said.contains(stage.name)),
        "{said}"
    );
}
