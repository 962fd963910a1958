use std::time::Duration;

use tidegate::policy::{Class, Sent, StopReason};
use tidegate_tower::PolicyLayer;
use tower::{Layer, Service, ServiceExt};

use crate::support::{Broken, Ready, Strict, answer, get, judge, policy, post};

fn ok(ready: Ready) -> Strict {
    Strict::new(ready, async |_, _| Ok(answer(200)))
}

#[tokio::test(start_paused = true)]
async fn every_attempt_calls_the_clone_that_it_made_ready() {
    let inner = Strict::saying(&[503, 500, 200]);
    let policy = policy().build().unwrap();
    let service = PolicyLayer::new(policy, judge()).layer(inner.clone());
    assert_eq!(service.oneshot(get()).await.unwrap().status(), 200);
    assert_eq!((inner.calls(), inner.polled(), inner.reserved()), (3, 3, 0));
}

#[tokio::test(start_paused = true)]
async fn readiness_takes_nothing_of_the_inner_service() {
    let inner = ok(Ready::OneAtATime);
    let policy = policy().build().unwrap();
    let mut service = PolicyLayer::new(policy.clone(), judge()).layer(inner.clone());
    service.ready().await.unwrap();
    assert_eq!((inner.polled(), inner.reserved()), (0, 0));

    let unpolled = service.call(get());
    assert_eq!((inner.polled(), policy.snapshot().in_flight), (0, 0));
    drop((unpolled, service));
    assert_eq!(policy.snapshot().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_never_becomes_ready_is_timed_out_as_not_sent() {
    let inner = ok(Ready::Never);
    let policy = policy().build().unwrap();
    let service = PolicyLayer::new(policy.clone(), judge()).layer(inner.clone());

    // Not idempotent, and yet repeated: nothing has left.
    let error = service.oneshot(post()).await.unwrap_err();
    assert_eq!(error.why, StopReason::AttemptsExhausted { attempts: 3 });
    assert_eq!(error.last, None);
    let classes: Vec<Class> = error.attempts.iter().map(|log| log.class).collect();
    assert_eq!(classes, [Class::NeverSent; 3]);
    assert!(
        error
            .attempts
            .iter()
            .all(|log| log.took == Duration::from_secs(10))
    );
    assert_eq!((inner.calls(), policy.snapshot().in_flight), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_before_readiness_says_nothing_of_the_service() {
    let inner = ok(Ready::Never);
    let policy = policy().build().unwrap();
    let service = PolicyLayer::new(policy, judge()).layer(inner);
    let mut request = get();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(1);
    let op = tidegate::policy::Op::idempotent().deadline(deadline);
    request.extensions_mut().insert(op);

    let error = service.oneshot(request).await.unwrap_err();
    assert_eq!(error.why, StopReason::DeadlineTooClose);
    assert_eq!(error.attempts[0].class, Class::Timeout);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_is_one_of_an_attempt_that_was_not_sent() {
    let inner = ok(Ready::Fails);
    let policy = policy().build().unwrap();
    let service = PolicyLayer::new(policy, judge()).layer(inner.clone());
    let error = service.oneshot(post()).await.unwrap_err();
    assert_eq!(error.why, StopReason::AttemptsExhausted { attempts: 3 });
    assert_eq!(error.last, Some(Broken(Sent::Maybe)));
    assert_eq!((inner.polled(), inner.calls()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_ready_for_one_at_a_time_serves_all_in_turn() {
    let inner = Strict::new(Ready::OneAtATime, async |_, _| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(answer(200))
    });
    let policy = policy().in_flight(1).build().unwrap();
    let service = PolicyLayer::new(policy, judge()).layer(inner.clone());
    let calls = [(); 3].map(|()| service.clone().oneshot(get()));
    let [a, b, c] = calls;
    let (a, b, c) = tokio::join!(a, b, c);
    assert!([a, b, c].iter().all(Result::is_ok));
    assert_eq!((inner.calls(), inner.reserved()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_request_at_the_gate_holds_nothing_of_the_inner_service() {
    let inner = Strict::taking(Duration::from_secs(1));
    let policy = policy().in_flight(1).build().unwrap();
    let service = PolicyLayer::new(policy.clone(), judge()).layer(inner.clone());
    let first = service.clone().oneshot(get());
    let second = service.oneshot(get());
    let look = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        (inner.reserved(), policy.snapshot().waiting)
    };
    let (first, second, seen) = tokio::join!(first, second, look);
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(seen, (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_gives_everything_back() {
    let inner = Strict::taking(Duration::from_secs(5));
    let policy = policy().in_flight(1).build().unwrap();
    let service = PolicyLayer::new(policy.clone(), judge()).layer(inner.clone());
    let call = service.clone().oneshot(get());
    assert!(
        tokio::time::timeout(Duration::from_secs(1), call)
            .await
            .is_err()
    );
    assert_eq!((inner.reserved(), policy.snapshot().in_flight), (0, 0));
    assert!(service.oneshot(get()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn clones_and_services_of_the_same_policy_share_its_limits() {
    let policy = policy().in_flight(1).build().unwrap();
    let layer = PolicyLayer::new(policy.clone(), judge());
    let one = layer.layer(Strict::taking(Duration::from_secs(1)));
    let two = layer.layer(Strict::taking(Duration::from_secs(1)));
    let start = tokio::time::Instant::now();
    let (a, b, c) = tokio::join!(
        one.clone().oneshot(get()),
        one.oneshot(get()),
        two.oneshot(get())
    );
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    assert_eq!(start.elapsed(), Duration::from_secs(3));
    assert_eq!(policy.snapshot().in_flight_max, 1);
}
