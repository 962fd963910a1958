use http::Request;
use http_body::Body as _;
use http_body_util::Empty;
use tidegate::policy::{Op, Sent, StopReason};
use tidegate_tower::{IfEmpty, Never, PolicyLayer, Replay};
use tower::{Layer, ServiceExt};

use crate::support::{Body, Broken, Ready, Strict, answer, get, judge, policy, post};

#[tokio::test(start_paused = true)]
async fn a_request_without_a_copy_is_sent_once() {
    for status in [500, 503, 429] {
        let inner = Strict::new(Ready::AtOnce, move |_, _| async move { Ok(answer(status)) });
        let layer = PolicyLayer::new(policy().build().unwrap(), judge()).replay(Never);
        let response = layer.layer(inner.clone()).oneshot(get()).await.unwrap();
        assert_eq!(response.status(), status);
        let why = response.extensions().get::<StopReason>();
        assert_eq!(why, Some(&StopReason::NotReplayable));
        assert_eq!(inner.calls(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_used_up_is_not_repeated_though_nothing_was_sent() {
    let inner = Strict::new(Ready::AtOnce, async |_, _| Err(Broken(Sent::No)));
    let layer = PolicyLayer::new(policy().build().unwrap(), judge()).replay(Never);
    let error = layer.layer(inner.clone()).oneshot(get()).await.unwrap_err();
    assert_eq!(error.why, StopReason::NotReplayable);
    assert_eq!(error.last, Some(Broken(Sent::No)));
    assert_eq!(inner.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_copy_is_repeated_while_it_is_still_in_hand() {
    let inner = Strict::new(Ready::Fails, async |_, _| Ok(answer(200)));
    let layer = PolicyLayer::new(policy().build().unwrap(), judge()).replay(Never);
    let error = layer
        .layer(inner.clone())
        .oneshot(post())
        .await
        .unwrap_err();
    assert_eq!(error.why, StopReason::AttemptsExhausted { attempts: 3 });
    assert_eq!(inner.polled(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_closure_decides_what_is_sent_again() {
    let inner = Strict::new(Ready::AtOnce, async |number, request| {
        assert_eq!(request.headers()["attempt"], "copy");
        Ok(answer(if number == 1 { 500 } else { 200 }))
    });
    let replay = |request: &Request<Body>| {
        let mut copy = request.clone();
        let value = http::HeaderValue::from_static("copy");
        copy.headers_mut().insert("attempt", value);
        Some(copy)
    };
    let layer = PolicyLayer::new(policy().build().unwrap(), judge()).replay(replay);
    let response = layer.layer(inner.clone()).oneshot(get()).await.unwrap();
    assert_eq!((response.status().as_u16(), inner.calls()), (200, 2));
}

#[test]
fn an_empty_body_is_copied_with_everything_else_and_another_is_not() {
    let mut request = Request::put("/x")
        .header("a", "b")
        .body(Body::default())
        .unwrap();
    request.extensions_mut().insert(Op::idempotent());
    let copy = IfEmpty.again(&request).unwrap();
    assert_eq!(
        (copy.method(), copy.uri()),
        (request.method(), request.uri())
    );
    assert_eq!(copy.headers(), request.headers());
    assert_eq!(copy.extensions().get(), Some(&Op::idempotent()));
    assert!(copy.body().is_end_stream());

    assert!(IfEmpty.again(&post()).is_none());
    let empty = Request::new(Empty::<bytes::Bytes>::new());
    assert!(IfEmpty.again(&empty).is_some());
}
