//! Calls inside the attempts of other calls: who repeats, and who pays.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use tidegate::{
    Scope,
    policy::{
        Attempt, Budget, CallError, Hedge, HedgeAfter, Op, Outage, Policy, PolicyBuilder,
        StopReason, Verdict,
    },
    scope,
};
use tokio::time::{sleep, timeout};

use crate::support::{Answer, Failed, attempts, call_with, ms, policy, secs};

const TRANSIENT: Answer = Err(Failed(Verdict::transient()));

/// The attempts that reach the bottom of a nest.
#[derive(Clone, Default)]
struct Bottom(Arc<AtomicU32>);

impl Bottom {
    /// Answers the attempts with `answers` in order; the last one repeats.
    fn answer(&self, answers: &[Answer]) -> Answer {
        let at = self.0.fetch_add(1, SeqCst) as usize;
        answers[at.min(answers.len() - 1)]
    }

    async fn call(&self, policy: &Policy, op: Op, answers: &[Answer]) -> Outcome {
        policy.call(op, async |_| self.answer(answers)).await
    }

    fn requests(&self) -> u32 {
        self.0.load(SeqCst)
    }
}

type Outcome = Result<u32, CallError<Failed>>;

/// As a client in the middle hands on an error of the service below it.
fn handed_on(outcome: Outcome) -> Answer {
    outcome.map_err(|error| error.last.unwrap_or(Failed(Verdict::timeout())))
}

fn built(builder: PolicyBuilder) -> Policy {
    builder.build().unwrap()
}

fn why(outcome: Outcome) -> StopReason {
    outcome.unwrap_err().why
}

#[tokio::test(start_paused = true)]
async fn three_layers_of_three_attempts_make_three_requests_in_an_outage() {
    let [top, middle, low] = [(); 3].map(|()| built(policy()));
    let bottom = Bottom::default();
    let outcome = top
        .call(Op::idempotent(), async |_| {
            let outcome = middle.call(Op::idempotent(), async |_| {
                handed_on(bottom.call(&low, Op::idempotent(), &[TRANSIENT]).await)
            });
            handed_on(outcome.await)
        })
        .await;
    assert_eq!(bottom.requests(), 3);
    // The innermost has used them all up, so those above make none.
    assert_eq!(why(outcome), StopReason::AttemptsExhausted { attempts: 1 });
    let retries = [&top, &middle, &low].map(|policy| policy.snapshot().retries);
    assert_eq!(retries, [0, 0, 2]);
    let budgets = [&top, &middle, &low].map(|policy| policy.snapshot().budget);
    assert_eq!(budgets, [500 - 28, 500, 500]);
}

#[tokio::test(start_paused = true)]
async fn many_calls_in_an_outage_send_hardly_more_than_one_request_each() {
    let [top, middle, low] = [(); 3].map(|()| built(policy()));
    let bottom = Bottom::default();
    let run = async |calls: u32| {
        for _ in 0..calls {
            let outcome = top.call(Op::idempotent(), async |_| {
                let outcome = middle.call(Op::idempotent(), async |_| {
                    handed_on(bottom.call(&low, Op::idempotent(), &[TRANSIENT]).await)
                });
                handed_on(outcome.await)
            });
            outcome.await.unwrap_err();
        }
        bottom.requests()
    };
    // The first calls empty the budget of the outermost policy: 35 repetitions.
    assert_eq!(run(100).await, 135);
    assert_eq!(run(100).await, 235);
}

#[tokio::test(start_paused = true)]
async fn an_inner_call_of_the_same_policy_leaves_repeating_to_the_outer_one() {
    let policy = built(policy());
    let bottom = Bottom::default();
    let outcome = policy
        .call(Op::idempotent(), async |_| {
            let clone = policy.clone();
            let inner = bottom.call(&clone, Op::idempotent(), &[TRANSIENT]);
            let error = inner.await.unwrap_err();
            assert_eq!(
                (error.why, error.attempts.len()),
                (StopReason::LeftToOuter, 1)
            );
            Answer::Err(error.last.unwrap())
        })
        .await;
    assert_eq!(why(outcome), StopReason::AttemptsExhausted { attempts: 3 });
    assert_eq!(bottom.requests(), 3);
    // Paid once each.
    assert_eq!(policy.snapshot().budget, 500 - 28);
}

#[tokio::test(start_paused = true)]
async fn the_same_policy_is_found_through_other_policies_in_between() {
    let (outer, between) = (built(policy()), built(policy()));
    let bottom = Bottom::default();
    let outcome = outer.call(Op::idempotent(), async |_| {
        let outcome = between.call(Op::unsafe_to_repeat(), async |_| {
            let inner = bottom.call(&outer, Op::idempotent(), &[TRANSIENT]).await;
            assert_eq!(inner.as_ref().unwrap_err().why, StopReason::LeftToOuter);
            handed_on(inner)
        });
        handed_on(outcome.await)
    });
    outcome.await.unwrap_err();
    assert_eq!(bottom.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_would_not_be_repeated_anyway_is_not_left_to_the_outer_call() {
    let policy = built(policy());
    let bottom = Bottom::default();
    let outcome = policy.call(Op::idempotent(), async |_| {
        let fatal = [Err(Failed(Verdict::fatal()))];
        let inner = bottom.call(&policy, Op::idempotent(), &fatal).await;
        assert_eq!(why(inner), StopReason::NotRetriable);
        Answer::Ok(1)
    });
    assert_eq!(outcome.await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn inside_a_call_that_may_not_be_repeated_the_inner_one_repeats() {
    let (outer, other) = (built(policy()), built(policy()));
    for inner in [&other, &outer] {
        let bottom = Bottom::default();
        let outcome = outer.call(Op::unsafe_to_repeat(), async |_| {
            handed_on(
                bottom
                    .call(inner, Op::idempotent(), &[TRANSIENT, Ok(2)])
                    .await,
            )
        });
        assert_eq!(outcome.await.unwrap(), 2);
        assert_eq!(bottom.requests(), 2);
    }
    // The outermost paid and had it back; and its call succeeded at the first try, as did those of `other` never.
    assert_eq!(
        (outer.snapshot().budget, other.snapshot().budget),
        (500, 500)
    );
}

#[tokio::test(start_paused = true)]
async fn an_inner_call_that_is_not_idempotent_repeats_what_was_never_sent() {
    let (outer, inner) = (built(policy()), built(policy()));
    let bottom = Bottom::default();
    let answers = [
        Err(Failed(Verdict::never_sent())),
        Err(Failed(Verdict::transient())),
    ];
    let outcome = outer.call(Op::unsafe_to_repeat(), async |_| {
        let outcome = bottom.call(&inner, Op::unsafe_to_repeat(), &answers).await;
        assert_eq!(outcome.as_ref().unwrap_err().why, StopReason::NotReplayable);
        handed_on(outcome)
    });
    assert_eq!(why(outcome.await), StopReason::NotReplayable);
    assert_eq!(bottom.requests(), 2);
    assert_eq!(outer.snapshot().budget, 500 - 14);
}

#[tokio::test(start_paused = true)]
async fn attempts_of_the_inner_calls_are_missing_to_the_outer_one() {
    let (outer, inner) = (built(attempts(4)), built(policy()));
    let bottom = Bottom::default();
    // The first inner call repeats twice, so one attempt is left for the outer call, and none for the second inner call.
    let outcome = outer.call(Op::idempotent(), async |_| {
        handed_on(bottom.call(&inner, Op::idempotent(), &[TRANSIENT]).await)
    });
    let error = outcome.await.unwrap_err();
    assert_eq!(error.why, StopReason::AttemptsExhausted { attempts: 2 });
    assert_eq!(bottom.requests(), 4);
    assert_eq!((outer.snapshot().retries, inner.snapshot().retries), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn the_inner_policy_keeps_its_own_bound() {
    let (outer, inner) = (built(attempts(9)), built(attempts(2)));
    let bottom = Bottom::default();
    let outcome = outer.call(Op::unsafe_to_repeat(), async |_| {
        let outcome = bottom.call(&inner, Op::idempotent(), &[TRANSIENT]).await;
        assert_eq!(why(outcome), StopReason::AttemptsExhausted { attempts: 2 });
        Answer::Ok(1)
    });
    outcome.await.unwrap();
}

/// One call inside another, made in a child of a scope that the outer attempt has opened.
async fn in_a_child(outer: &Policy, inner: &Policy, bottom: &Bottom) -> Outcome {
    let attempt = async |_: Attempt| {
        let ended = scope("attempt", async |s: &Scope<Infallible>| {
            let (inner, bottom) = (inner.clone(), bottom.clone());
            let call = async move { Ok(bottom.call(&inner, Op::idempotent(), &[TRANSIENT]).await) };
            Ok(s.spawn("call", call).await.await.unwrap())
        });
        handed_on(ended.await.unwrap())
    };
    outer.call(Op::idempotent(), attempt).await
}

#[tokio::test(start_paused = true)]
async fn a_call_in_a_child_of_the_attempt_spends_the_outermost_attempts() {
    let (outer, inner, bottom) = (built(policy()), built(policy()), Bottom::default());
    in_a_child(&outer, &inner, &bottom).await.unwrap_err();
    assert_eq!(bottom.requests(), 3);
    assert_eq!(
        (outer.snapshot().budget, inner.snapshot().budget),
        (500 - 28, 500)
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_of_the_same_policy_in_a_child_leaves_repeating_to_the_outer_one() {
    let (policy, bottom) = (built(policy()), Bottom::default());
    in_a_child(&policy, &policy, &bottom).await.unwrap_err();
    assert_eq!(bottom.requests(), 3);
    assert_eq!(policy.snapshot().calls.stopped.left_to_outer, 3);
}

#[tokio::test(start_paused = true)]
async fn calls_in_children_of_children_find_the_outermost() {
    let [top, middle, low] = [(); 3].map(|()| built(policy()));
    let bottom = Bottom::default();
    let attempt = async |_: Attempt| {
        let ended = scope("top", async |s: &Scope<Infallible>| {
            let (middle, low, bottom) = (middle.clone(), low.clone(), bottom.clone());
            let child = async move { Ok(in_a_child(&middle, &low, &bottom).await) };
            Ok(s.spawn("child", child).await.await.unwrap())
        });
        handed_on(ended.await.unwrap())
    };
    top.call(Op::idempotent(), attempt).await.unwrap_err();
    assert_eq!(bottom.requests(), 3);
    let budgets = [&top, &middle, &low].map(|policy| policy.snapshot().budget);
    assert_eq!(budgets, [500 - 28, 500, 500]);
}

#[tokio::test(start_paused = true)]
async fn inner_calls_side_by_side_share_what_the_outermost_has() {
    let (outer, inner) = (built(attempts(6)), built(policy()));
    let bottom = Bottom::default();
    let outcome = outer.call(Op::unsafe_to_repeat(), async |_| {
        let call = || bottom.call(&inner, Op::idempotent(), &[TRANSIENT]);
        let (a, b, c, d) = tokio::join!(call(), call(), call(), call());
        for outcome in [a, b, c, d] {
            assert!(matches!(why(outcome), StopReason::AttemptsExhausted { .. }));
        }
        TRANSIENT
    });
    outcome.await.unwrap_err();
    assert_eq!(bottom.requests(), 4 + 5);
    assert_eq!(outer.snapshot().budget, 500 - 5 * 14);
}

#[tokio::test(start_paused = true)]
async fn an_inner_call_without_the_outermosts_tokens_stops() {
    let budget = Budget {
        tokens: 20,
        ..Budget::default()
    };
    let (outer, inner) = (built(policy().budget(budget)), built(policy()));
    let bottom = Bottom::default();
    let outcome = outer.call(Op::unsafe_to_repeat(), async |_| {
        handed_on({
            let outcome = bottom.call(&inner, Op::idempotent(), &[TRANSIENT]).await;
            assert_eq!(
                outcome.as_ref().unwrap_err().why,
                StopReason::BudgetExhausted
            );
            outcome
        })
    });
    outcome.await.unwrap_err();
    assert_eq!(bottom.requests(), 2);
    assert_eq!((outer.snapshot().budget, inner.snapshot().budget), (6, 500));
}

#[tokio::test(start_paused = true)]
async fn a_throttled_inner_attempt_is_repeated_at_the_outermosts_price() {
    let (outer, inner) = (built(policy()), built(policy()));
    let bottom = Bottom::default();
    let outcome = outer.call(Op::unsafe_to_repeat(), async |_| {
        let throttled = Err(Failed(Verdict::throttled()));
        handed_on(bottom.call(&inner, Op::idempotent(), &[throttled]).await)
    });
    outcome.await.unwrap_err();
    assert_eq!(outer.snapshot().budget, 500 - 2 * 5);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_inside_another_gives_the_outermost_its_tokens_back() {
    let (outer, inner) = (built(policy()), built(policy()));
    for after in [0, 20, 200, 2_000] {
        let outcome = outer.call(Op::unsafe_to_repeat(), async |_| {
            let attempt = async |attempt: Attempt| {
                if attempt.number > 1 {
                    sleep(secs(10)).await;
                }
                TRANSIENT
            };
            let call = inner.call(Op::idempotent(), attempt);
            tokio::time::timeout(ms(after), call).await.unwrap_err();
            Answer::Ok(1)
        });
        outcome.await.unwrap();
        assert_eq!(outer.snapshot().budget, 500, "dropped after {after} ms");
    }
    let flow = outer.snapshot().budget_flow;
    assert_eq!(flow.paid, flow.refunded);
    assert!(flow.paid > 0);
}

#[tokio::test(start_paused = true)]
async fn attempts_that_an_outage_of_the_outer_service_makes_void_are_not_counted() {
    let outage = Outage {
        failures: 1,
        ..Outage::default()
    };
    let (outer, inner) = (built(policy().outage(outage)), built(policy()));
    let bottom = Bottom::default();
    let overload = Err(Failed(Verdict::overload()));
    // Void: the first, and each probe. What counts comes after them.
    let answers = [overload, overload, overload, overload, TRANSIENT, Ok(5)];
    let outcome = outer.call(Op::idempotent(), async |attempt: Attempt| {
        if attempt.number < 5 {
            return bottom.answer(&answers);
        }
        handed_on(bottom.call(&inner, Op::idempotent(), &answers).await)
    });
    assert_eq!(outcome.await.unwrap(), 5);
    assert_eq!(bottom.requests(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_outlives_its_attempt_still_spends_what_the_outermost_has() {
    let (outer, inner) = (built(policy()), built(policy()));
    let bottom = Bottom::default();
    let attempt = async |_: Attempt| -> Answer {
        let ended = scope("attempt", async |s: &Scope<Infallible>| {
            let (inner, bottom) = (inner.clone(), bottom.clone());
            let late = async move {
                sleep(secs(2)).await;
                drop(bottom.call(&inner, Op::idempotent(), &[TRANSIENT]).await);
                Ok(())
            };
            drop(s.try_spawn_with_grace("late", secs(60), late).unwrap());
            std::future::pending::<Result<(), _>>().await
        });
        drop(ended.await);
        Ok(1)
    };
    let call = outer.call(Op::idempotent().timeout(secs(1)), attempt);
    call.await.unwrap_err();
    sleep(secs(60)).await;
    // The outer call had made its second attempt when the first child took what was left for its own.
    let retries = [&outer, &inner].map(|policy| policy.snapshot().retries);
    assert_eq!(retries, [1, 1]);
    assert_eq!(bottom.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn calls_one_after_the_other_are_not_nested() {
    let policy = built(policy());
    for _ in 0..2 {
        let outcome = call_with(&policy, Op::idempotent(), &[TRANSIENT, Ok(1)]).await;
        assert_eq!(outcome.unwrap(), 1);
    }
    assert_eq!(policy.snapshot().retries, 2);
}

#[tokio::test(start_paused = true)]
async fn calls_inside_an_attempt_and_inside_its_hedge_share_what_the_outermost_has() {
    let hedge = Hedge {
        after: HedgeAfter::Fixed(ms(1)),
        ..Hedge::default()
    };
    let (outer, inner) = (built(policy().hedge(hedge)), built(policy()));
    let bottom = Bottom::default();
    let outcome = outer.call(Op::idempotent(), async |_| {
        sleep(ms(5)).await;
        handed_on(bottom.call(&inner, Op::idempotent(), &[TRANSIENT]).await)
    });
    outcome.await.unwrap_err();
    assert_eq!(outer.snapshot().hedge.unwrap().sent, 1);
    // Two attempts at once, and two further ones between them.
    assert_eq!(bottom.requests(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_the_outer_call_can_send_once_is_not_left_to_it() {
    let policy = built(policy());
    let bottom = Bottom::default();
    let outcome = policy
        .call(Op::idempotent().send_once(), async |_| {
            let inner = bottom.call(&policy, Op::idempotent(), &[TRANSIENT, Ok(2)]);
            handed_on(inner.await)
        })
        .await;
    assert_eq!((outcome.unwrap(), bottom.requests()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_the_budget_cannot_pay_is_not_used_up() {
    let poor = Budget {
        tokens: 14,
        ..Budget::default()
    };
    let (top, low) = (built(attempts(2).budget(poor)), built(policy()));
    let bottom = Bottom::default();
    call_with(&top, Op::idempotent(), &[TRANSIENT])
        .await
        .unwrap_err();
    let inner = Mutex::new(None);
    let outcome = top
        .call(Op::idempotent(), async |_| {
            let error = bottom
                .call(&low, Op::idempotent(), &[TRANSIENT])
                .await
                .unwrap_err();
            *inner.lock().unwrap() = Some(error.why);
            TRANSIENT
        })
        .await;
    assert_eq!(
        inner.into_inner().unwrap(),
        Some(StopReason::BudgetExhausted)
    );
    assert_eq!(why(outcome), StopReason::BudgetExhausted);
}

#[tokio::test(start_paused = true)]
async fn a_price_goes_back_to_whoever_paid_it_wherever_the_call_is_by_then() {
    let (top, low) = (built(policy()), built(policy()));
    call_with(&low, Op::idempotent(), &[TRANSIENT])
        .await
        .unwrap_err();
    let before = low.snapshot().budget;
    let outcome = top
        .call(Op::idempotent(), async |_| {
            let low = low.clone();
            let mut inner = Box::pin(async move {
                let rejected = Err(Failed(Verdict::rejected()));
                call_with(&low, Op::idempotent(), &[TRANSIENT, rejected]).await
            });
            // It fails, and waits out its back-off.
            assert!(timeout(Duration::ZERO, &mut inner).await.is_err());
            Ok::<_, Failed>(inner)
        })
        .await;
    // Its own success has paid in one.
    assert_eq!(top.snapshot().budget, 500 - 14 + 1);
    assert_eq!(why(outcome.unwrap().await), StopReason::NotRetriable);
    assert_eq!(
        (top.snapshot().budget, low.snapshot().budget),
        (500, before)
    );
}
