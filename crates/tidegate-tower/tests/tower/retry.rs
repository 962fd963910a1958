use std::time::Duration;

use http::header::RETRY_AFTER;
use tidegate::policy::{Class, Hedge, HedgeAfter, Op, Policy, Queue, Sent, StopReason, Verdict};
use tidegate_tower::{PolicyLayer, judge_fn};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::{Broken, Ready, Strict, answer, get, judge, policy, post};

#[tokio::test(start_paused = true)]
async fn a_bad_answer_to_an_idempotent_request_is_repeated() {
    let inner = Strict::saying(&[500, 200]);
    let policy = policy().build().unwrap();
    let service = PolicyLayer::http(policy.clone()).layer(inner.clone());
    assert_eq!(service.oneshot(get()).await.unwrap().status(), 200);
    assert_eq!((inner.calls(), policy.snapshot().retries), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_may_have_been_acted_on_is_not_repeated() {
    let inner = Strict::saying(&[500, 200]);
    let service = PolicyLayer::http(policy().build().unwrap()).layer(inner.clone());
    assert_eq!(service.oneshot(post()).await.unwrap().status(), 500);
    assert_eq!(inner.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_op_in_the_extensions_is_used_instead_of_the_method() {
    let inner = Strict::saying(&[500, 200]);
    let service = PolicyLayer::http(policy().build().unwrap()).layer(inner.clone());
    let mut request = post();
    request.extensions_mut().insert(Op::idempotent());
    assert_eq!(service.oneshot(request).await.unwrap().status(), 200);
    assert_eq!(inner.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_was_not_sent_is_repeated_whatever_the_method() {
    let inner = Strict::new(Ready::AtOnce, async |number, _| match number {
        1 => Err(Broken(Sent::No)),
        _ => Ok(answer(200)),
    });
    let service = PolicyLayer::new(policy().build().unwrap(), judge()).layer(inner.clone());
    assert_eq!(service.oneshot(post()).await.unwrap().status(), 200);
    assert_eq!(inner.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_never_undercut() {
    let inner = Strict::new(Ready::AtOnce, async |number, _| {
        let mut response = answer(if number == 1 { 429 } else { 200 });
        response.headers_mut().insert(RETRY_AFTER, 7.into());
        Ok(response)
    });
    let service = PolicyLayer::http(policy().build().unwrap()).layer(inner);
    let start = Instant::now();
    assert_eq!(service.oneshot(get()).await.unwrap().status(), 200);
    assert_eq!(start.elapsed(), Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn a_spent_quota_pauses_the_service_for_all() {
    let inner = Strict::new(Ready::AtOnce, async |number, _| {
        let mut response = answer(200);
        if number == 1 {
            let quota = http::HeaderValue::from_static("\"p\";r=0;t=5");
            response.headers_mut().insert("ratelimit", quota);
        }
        Ok(response)
    });
    let service = PolicyLayer::http(policy().build().unwrap()).layer(inner);
    let start = Instant::now();
    for _ in 0..2 {
        assert!(service.clone().oneshot(get()).await.is_ok());
    }
    assert_eq!(start.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_too_long_is_dropped_and_repeated() {
    let inner = Strict::new(Ready::AtOnce, async |number, _| {
        if number == 1 {
            std::future::pending::<()>().await;
        }
        Ok(answer(200))
    });
    let policy = policy().build().unwrap();
    let service = PolicyLayer::http(policy.clone()).layer(inner.clone());
    let start = Instant::now();
    assert!(service.oneshot(get()).await.is_ok());
    assert_eq!(start.elapsed(), Duration::from_secs(10));
    assert_eq!((policy.snapshot().timeouts, inner.reserved()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_hedge_calls_a_clone_of_its_own() {
    let inner = Strict::new(Ready::AtOnce, async |number, _| {
        let takes = if number == 1 { 5 } else { 1 };
        tokio::time::sleep(Duration::from_secs(takes)).await;
        Ok(answer(200))
    });
    let hedge = Hedge {
        after: HedgeAfter::Fixed(Duration::from_secs(2)),
        ..Hedge::default()
    };
    let service = PolicyLayer::http(policy().hedge(hedge).build().unwrap()).layer(inner.clone());
    let start = Instant::now();
    assert!(service.clone().oneshot(get()).await.is_ok());
    assert_eq!(start.elapsed(), Duration::from_secs(3));
    assert_eq!((inner.calls(), inner.reserved()), (2, 0));
    assert!(service.oneshot(post()).await.is_ok());
    assert_eq!(inner.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_finds_the_queue_full_is_refused() {
    let inner = Strict::taking(Duration::from_secs(1));
    let policy = policy().in_flight(1).queue(Queue::none()).build().unwrap();
    let service = PolicyLayer::http(policy).layer(inner.clone());
    let (first, second) = tokio::join!(service.clone().oneshot(get()), service.oneshot(get()));
    assert!(first.is_ok());
    assert_eq!(second.unwrap_err().why, StopReason::Full { limit: 0 });
    assert_eq!(inner.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_layer_knows_nothing_of_http_unless_its_judge_does() {
    let mut failures = 2;
    let add = service_fn(move |(a, b): (u32, u32)| {
        failures -= 1;
        std::future::ready(if failures == 0 {
            Ok(a + b)
        } else {
            Err(Broken(Sent::Maybe))
        })
    });
    let judge = judge_fn(
        |_: &(u32, u32)| Op::idempotent(),
        |outcome: Result<&u32, &Broken>| match outcome {
            Ok(_) => Verdict::ok(),
            Err(broken) => Verdict::new(Class::Transient, broken.0),
        },
    );
    let policy = Policy::named("sums").build().unwrap();
    // A clone of the closure starts with the count of the one it was cloned from, so it goes behind a buffer of one.
    let shared = std::sync::Arc::new(std::sync::Mutex::new(add));
    let shared = service_fn(move |pair| shared.lock().unwrap().call(pair));
    let sum = PolicyLayer::new(policy, judge)
        .layer(shared)
        .oneshot((19, 23));
    assert_eq!(sum.await.unwrap(), 42);
}
