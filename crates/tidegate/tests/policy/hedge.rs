use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use tidegate::policy::{
    Attempt, Budget, Class, Health, Hedge, HedgeAfter, Op, Outage, Policy, Retry, StopReason,
    Verdict,
};
use tokio::{
    task::yield_now,
    time::{Instant, sleep},
};

use crate::support::{Answer, Failed, fail_times, ms, policy, secs};

/// A policy that hedges what takes longer than 10 ms.
fn hedging() -> tidegate::policy::PolicyBuilder {
    policy().hedge(Hedge {
        after: HedgeAfter::Fixed(ms(10)),
        ..Hedge::default()
    })
}

/// Calls once: the first attempt takes `first` and ends as said, the hedge takes `hedge`.
async fn call(
    policy: &Policy,
    op: Op,
    first: (u64, Answer),
    hedge: (u64, Answer),
) -> Result<u32, tidegate::policy::CallError<Failed>> {
    policy
        .call(op, move |attempt: Attempt| {
            let (takes, answer) = if attempt.is_hedge { hedge } else { first };
            async move {
                sleep(ms(takes)).await;
                answer
            }
        })
        .await
}

fn once() -> Retry {
    Retry {
        max_attempts: 1,
        ..Retry::default()
    }
}

fn failing(verdict: Verdict) -> Answer {
    Err(Failed(verdict))
}

#[tokio::test(start_paused = true)]
async fn what_takes_long_is_hedged_and_the_faster_one_is_the_answer() {
    let policy = hedging().build().unwrap();
    let start = Instant::now();
    let answer = call(&policy, Op::idempotent(), (500, Ok(1)), (5, Ok(2))).await;
    assert_eq!((answer.unwrap(), start.elapsed()), (2, ms(15)));
    let snapshot = policy.snapshot();
    let hedge = snapshot.hedge.unwrap();
    assert_eq!((hedge.sent, hedge.won, snapshot.requests), (1, 1, 2));
    assert_eq!((snapshot.in_flight, snapshot.calls.succeeded), (0, 1));
    assert_eq!(snapshot.wasted, ms(15));
}

#[tokio::test(start_paused = true)]
async fn the_first_attempt_may_still_be_the_answer() {
    let policy = hedging().build().unwrap();
    let answer = call(&policy, Op::idempotent(), (20, Ok(1)), (500, Ok(2))).await;
    assert_eq!(answer.unwrap(), 1);
    let snapshot = policy.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.hedge.unwrap().won), (0, 0));
    assert_eq!(snapshot.wasted, ms(10));
}

#[tokio::test(start_paused = true)]
async fn what_is_fast_is_not_hedged() {
    let policy = hedging().build().unwrap();
    call(&policy, Op::idempotent(), (9, Ok(1)), (0, Ok(2)))
        .await
        .unwrap();
    let snapshot = policy.snapshot();
    assert_eq!(
        (snapshot.hedge.unwrap().sent, snapshot.consulted.hedge),
        (0, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_not_idempotent_is_not_hedged() {
    let policy = hedging().build().unwrap();
    let answer = call(&policy, Op::unsafe_to_repeat(), (100, Ok(1)), (0, Ok(2))).await;
    assert_eq!(answer.unwrap(), 1);
    assert_eq!(policy.snapshot().requests, 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_one_waits_for_the_other() {
    let policy = hedging().build().unwrap();
    let broken = failing(Verdict::transient());
    let answer = call(&policy, Op::idempotent(), (20, broken), (50, Ok(2))).await;
    assert_eq!(answer.unwrap(), 2);
    let answer = call(&policy, Op::idempotent(), (100, Ok(1)), (5, broken)).await;
    assert_eq!(answer.unwrap(), 1);
    assert_eq!(policy.snapshot().retries, 2, "the hedges");
}

#[tokio::test(start_paused = true)]
async fn a_failure_before_the_hedge_is_sent_is_retried_as_usual() {
    let policy = hedging().build().unwrap();
    let serve = async |attempt: Attempt| match attempt.number {
        1 => failing(Verdict::transient()),
        _ => Ok(attempt.number),
    };
    assert_eq!(policy.call(Op::idempotent(), serve).await.unwrap(), 2);
    assert_eq!(policy.snapshot().hedge.unwrap().sent, 0);
}

#[tokio::test(start_paused = true)]
async fn a_fatal_failure_of_either_ends_both() {
    let policy = hedging().build().unwrap();
    let fatal = failing(Verdict::fatal());
    for (first, hedge) in [((20, fatal), (500, Ok(2))), ((500, Ok(1)), (10, fatal))] {
        let start = Instant::now();
        let error = call(&policy, Op::idempotent(), first, hedge)
            .await
            .unwrap_err();
        assert_eq!(
            (error.why, start.elapsed()),
            (StopReason::NotRetriable, ms(20))
        );
        assert_eq!(policy.snapshot().in_flight, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn two_failures_are_one_try_and_both_are_listed() {
    let policy = hedging().retry(once()).build().unwrap();
    let broken = failing(Verdict::transient());
    let error = call(&policy, Op::idempotent(), (20, broken), (50, broken))
        .await
        .unwrap_err();
    assert_eq!(error.why, StopReason::AttemptsExhausted { attempts: 1 });
    let listed: Vec<_> = error
        .attempts
        .iter()
        .map(|attempt| (attempt.number, attempt.is_hedge, attempt.class))
        .collect();
    assert_eq!(
        listed,
        [(1, false, Class::Transient), (2, true, Class::Transient)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_hedge_waits_for_a_permit_behind_all_others() {
    let policy = hedging().in_flight(1).build().unwrap();
    let hedges = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&hedges);
    let first = tokio::spawn(policy.call(Op::idempotent(), move |attempt: Attempt| {
        let seen = Arc::clone(&seen);
        async move {
            seen.fetch_add(u32::from(attempt.is_hedge), Ordering::Relaxed);
            sleep(ms(100)).await;
            Ok::<_, Failed>(1)
        }
    }));
    sleep(ms(50)).await;
    let second = tokio::spawn(policy.call(Op::unsafe_to_repeat(), async |_| -> Answer { Ok(2) }));
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(hedges.load(Ordering::Relaxed), 0);
    let snapshot = policy.snapshot();
    assert_eq!((snapshot.waiting, snapshot.in_flight), (0, 0));
    assert_eq!(
        snapshot.hedge.unwrap().tokens,
        10.0,
        "paid for and not sent"
    );
}

#[tokio::test(start_paused = true)]
async fn hedges_are_paid_by_successes() {
    let policy = hedging().build().unwrap();
    for _ in 0..100 {
        call(&policy, Op::idempotent(), (20, Ok(1)), (500, Ok(2)))
            .await
            .unwrap();
    }
    let hedge = policy.snapshot().hedge.unwrap();
    // Ten at first, and one more for each twenty successes.
    assert_eq!((hedge.sent, hedge.refused), (14, 86));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_hedged_while_the_retry_budget_is_below_half() {
    let policy = hedging()
        .budget(Budget {
            tokens: 20,
            retry_cost: 10,
            ..Budget::default()
        })
        .retry(Retry {
            max_attempts: 3,
            ..Retry::default()
        })
        .build()
        .unwrap();
    let broken = failing(Verdict::transient());
    call(&policy, Op::idempotent(), (0, broken), (0, broken))
        .await
        .unwrap_err();
    assert_eq!(policy.snapshot().budget, 0);
    call(&policy, Op::idempotent(), (20, Ok(1)), (0, Ok(2)))
        .await
        .unwrap();
    let hedge = policy.snapshot().hedge.unwrap();
    assert_eq!((hedge.sent, hedge.refused), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn the_delay_is_learned_from_answers_and_not_from_fast_failures() {
    let policy = policy().hedge(Hedge::default()).build().unwrap();
    fail_times(&policy, 100, Verdict::fatal()).await;
    for n in 0..100 {
        call(&policy, Op::unsafe_to_repeat(), (n, Ok(1)), (0, Ok(2)))
            .await
            .unwrap();
    }
    sleep(ms(200)).await;
    call(&policy, Op::idempotent(), (0, Ok(1)), (0, Ok(2)))
        .await
        .unwrap();
    let delay = policy.snapshot().hedge.unwrap().delay.unwrap();
    assert!(delay > ms(85) && delay < ms(105), "{delay:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_drops_both_and_gives_both_permits_back() {
    let policy = hedging().build().unwrap();
    let task = tokio::spawn({
        let policy = policy.clone();
        async move { call(&policy, Op::idempotent(), (500, Ok(1)), (500, Ok(2))).await }
    });
    sleep(ms(50)).await;
    assert_eq!(policy.snapshot().in_flight, 2);
    task.abort();
    assert!(task.await.is_err());
    yield_now().await;
    let snapshot = policy.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.calls.dropped), (0, 1));
    assert_eq!(snapshot.wasted, ms(90));
}

#[tokio::test(start_paused = true)]
async fn the_attempt_timeout_holds_for_each_of_the_two() {
    let policy = hedging()
        .attempt_timeout(ms(100))
        .retry(once())
        .build()
        .unwrap();
    let start = Instant::now();
    let error = call(&policy, Op::idempotent(), (9000, Ok(1)), (9000, Ok(2)))
        .await
        .unwrap_err();
    assert_eq!(start.elapsed(), ms(110));
    assert_eq!((error.attempts.len(), error.last), (2, None));
    assert_eq!(policy.snapshot().timeouts, 2);
}

#[tokio::test(start_paused = true)]
async fn a_hedged_repetition_that_the_hedge_saves_gets_its_price_back() {
    let policy = hedging().build().unwrap();
    let serve = async |attempt: Attempt| match attempt.number {
        1 => failing(Verdict::transient()),
        2 => {
            sleep(secs(5)).await;
            Ok(2)
        }
        n => Ok(n),
    };
    assert_eq!(policy.call(Op::idempotent(), serve).await.unwrap(), 3);
    assert_eq!(policy.snapshot().budget, 500);
}

#[tokio::test(start_paused = true)]
async fn what_can_be_sent_once_is_not_hedged() {
    let policy = hedging().build().unwrap();
    let op = Op::idempotent().send_once();
    let answer = call(&policy, op, (50, Ok(1)), (1, Ok(2))).await;
    assert_eq!(answer.unwrap(), 1);
    assert_eq!(policy.snapshot().requests, 1);
}

#[tokio::test(start_paused = true)]
async fn the_error_of_a_hedge_that_failed_first_is_the_last_one_of_a_call_that_timed_out() {
    let policy = hedging()
        .retry(once())
        .attempt_timeout(ms(100))
        .build()
        .unwrap();
    let broken = failing(Verdict::transient());
    let error = call(&policy, Op::idempotent(), (9000, Ok(1)), (5, broken))
        .await
        .unwrap_err();
    assert_eq!(error.last, Some(Failed(Verdict::transient())));
    assert_eq!(error.attempts.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_delay_that_only_the_hedge_was_told_is_not_undercut() {
    let policy = hedging().build().unwrap();
    let start = Instant::now();
    let asked = Verdict::throttled().retry_at(start + secs(30));
    let serve = async |attempt: Attempt| match (attempt.number, attempt.is_hedge) {
        (_, true) => failing(asked),
        (1, false) => {
            sleep(ms(50)).await;
            failing(Verdict::transient())
        }
        (n, false) => Ok(n),
    };
    assert_eq!(policy.call(Op::idempotent(), serve).await.unwrap(), 3);
    assert!(start.elapsed() >= secs(30), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn one_hedged_request_that_nobody_can_serve_counts_once_for_the_health() {
    let policy = hedging()
        .outage(Outage {
            failures: 2,
            ..Outage::default()
        })
        .retry(once())
        .build()
        .unwrap();
    let broken = failing(Verdict::transient());
    for (first, hedge) in [((20, broken), (50, broken)), ((90, broken), (5, broken))] {
        call(&policy, Op::idempotent(), first, hedge)
            .await
            .unwrap_err();
        assert_eq!(policy.snapshot().health, Health::Up);
        call(&policy, Op::idempotent(), (0, Ok(1)), (0, Ok(1)))
            .await
            .unwrap();
    }
    assert_eq!(policy.snapshot().hedge.unwrap().sent, 2);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_in_the_queue_is_not_sent_once_the_service_is_down() {
    let policy = hedging()
        .in_flight(2)
        .outage(Outage {
            failures: 1,
            ..Outage::default()
        })
        .build()
        .unwrap();
    let slow = tokio::spawn({
        let policy = policy.clone();
        async move { call(&policy, Op::idempotent(), (400, Ok(1)), (0, Ok(2))).await }
    });
    let breaks = tokio::spawn({
        let policy = policy.clone();
        let never_sent = failing(Verdict::never_sent());
        async move {
            call(
                &policy,
                Op::unsafe_to_repeat().send_once(),
                (50, never_sent),
                (0, Ok(2)),
            )
            .await
        }
    });
    sleep(ms(51)).await;
    breaks.abort();
    assert!(matches!(policy.snapshot().health, Health::Down { .. }));
    assert_eq!(slow.await.unwrap().unwrap(), 1);
    let hedge = policy.snapshot().hedge.unwrap();
    assert_eq!((hedge.sent, hedge.refused, hedge.tokens), (0, 1, 10.0));
}

#[tokio::test(start_paused = true)]
async fn a_repetition_has_waited_since_both_attempts_before_it_ended() {
    let policy = hedging()
        .retry(Retry {
            base: ms(1),
            ..Retry {
                max_attempts: 2,
                ..Retry::default()
            }
        })
        .build()
        .unwrap();
    let serve = async |attempt: Attempt| {
        let takes = if attempt.is_hedge { 500 } else { 20 };
        sleep(ms(if attempt.number > 2 { 0 } else { takes })).await;
        failing(Verdict::transient())
    };
    let error = policy.call(Op::idempotent(), serve).await.unwrap_err();
    let last = error.attempts.last().unwrap();
    assert!(last.number == 3 && last.waited <= ms(1), "{last:?}");
}
