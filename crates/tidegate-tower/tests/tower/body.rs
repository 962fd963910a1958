use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tidegate::policy::Policy;
use tidegate_tower::PolicyLayer;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::policy;

/// A body of `left` frames, one a second.
struct Slow {
    left: u32,
    next: Pin<Box<tokio::time::Sleep>>,
}

impl Slow {
    fn of(frames: u32) -> Self {
        Self {
            left: frames,
            next: Box::pin(tokio::time::sleep(Duration::from_secs(1))),
        }
    }
}

impl Body for Slow {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        std::task::ready!(self.next.as_mut().poll(cx));
        self.left -= 1;
        let next = tokio::time::Instant::now() + Duration::from_secs(1);
        self.next.as_mut().reset(next);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
    }
}

fn request() -> Request<Full<Bytes>> {
    Request::new(Full::default())
}

/// A service whose answer has a body of `frames` frames.
fn streaming(
    status: StatusCode,
    frames: u32,
) -> impl Service<Request<Full<Bytes>>, Response = Response<Slow>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ 'static {
    service_fn(move |_| async move {
        let mut response = Response::new(Slow::of(frames));
        *response.status_mut() = status;
        Ok(response)
    })
}

fn in_flight(policy: &Policy) -> usize {
    policy.snapshot().in_flight
}

#[tokio::test(start_paused = true)]
async fn a_permit_comes_back_with_the_head_unless_it_is_held() {
    let policy = policy().build().unwrap();
    let layer = PolicyLayer::http(policy.clone());
    let response = layer
        .layer(streaming(StatusCode::OK, 3))
        .oneshot(request())
        .await
        .unwrap();
    assert_eq!(in_flight(&policy), 0);
    drop(response);
}

#[tokio::test(start_paused = true)]
async fn a_held_permit_comes_back_when_the_body_has_ended() {
    let policy = policy().in_flight(1).build().unwrap();
    let layer = PolicyLayer::http(policy.clone()).hold_until_body_ends();
    let service = layer.layer(streaming(StatusCode::OK, 30));
    let response = service.clone().oneshot(request()).await.unwrap();
    assert_eq!(in_flight(&policy), 1);

    // Longer than an attempt may take: the body has a time of its own.
    let start = tokio::time::Instant::now();
    let read = async { response.into_body().collect().await.unwrap().to_bytes() };
    let (body, second) = tokio::join!(read, service.oneshot(request()));
    assert_eq!(body.len(), 30);
    assert!(second.is_ok());
    assert_eq!(start.elapsed(), Duration::from_secs(30));
    assert_eq!(policy.snapshot().in_flight_max, 1);
    drop(second);
    assert_eq!(in_flight(&policy), 0);
}

#[tokio::test(start_paused = true)]
async fn a_held_permit_comes_back_when_the_body_is_dropped() {
    let policy = policy().build().unwrap();
    let layer = PolicyLayer::http(policy.clone()).hold_until_body_ends();
    let service = layer.layer(streaming(StatusCode::OK, 3));
    let mut response = service.oneshot(request()).await.unwrap();
    assert!(response.body_mut().frame().await.is_some());
    assert_eq!(in_flight(&policy), 1);
    drop(response);
    assert_eq!(in_flight(&policy), 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_final_keeps_its_permit_and_one_that_is_repeated_does_not() {
    for (status, held) in [(StatusCode::NOT_FOUND, 1), (StatusCode::BAD_GATEWAY, 0)] {
        let policy = policy().in_flight(1).build().unwrap();
        let layer = PolicyLayer::http(policy.clone()).hold_until_body_ends();
        let response = layer
            .layer(streaming(status, 3))
            .oneshot(request())
            .await
            .unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(in_flight(&policy), held, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_known_to_have_ended_is_not_asked_again() {
    let policy = policy().build().unwrap();
    let layer = PolicyLayer::http(policy.clone()).hold_until_body_ends();
    let whole = service_fn(async |_: Request<Full<Bytes>>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("whole")))
    });
    let mut response = layer.layer(whole).oneshot(request()).await.unwrap();
    assert_eq!(in_flight(&policy), 1);
    assert!(response.body_mut().frame().await.is_some());
    assert!(response.body().is_end_stream());
    assert_eq!(in_flight(&policy), 0);
}

#[tokio::test(start_paused = true)]
async fn an_empty_body_keeps_nothing() {
    let policy = policy().build().unwrap();
    let layer = PolicyLayer::http(policy.clone()).hold_until_body_ends();
    let empty = service_fn(async |_: Request<Full<Bytes>>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let response = layer.layer(empty).oneshot(request()).await.unwrap();
    assert_eq!(in_flight(&policy), 0);
    assert!(response.body().is_end_stream());
}
