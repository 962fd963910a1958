//! A client as tonic's generated ones are: generic over a `Service` whose bodies are no streams that can be cloned.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};
use tidegate::policy::{Op, Sent, Verdict};
use tidegate_tower::{IfEmpty, PolicyLayer, judge_fn};
use tower::{Layer, Service, ServiceExt};

use crate::support::policy;

type Boxed = UnsyncBoxBody<Bytes, Infallible>;

/// A channel: answers `UNAVAILABLE` in the head to the first call, then `OK`.
#[derive(Clone, Default)]
struct Channel {
    calls: Arc<AtomicU32>,
    ready: bool,
}

impl Service<Request<Boxed>> for Channel {
    type Response = Response<Boxed>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Boxed>, std::io::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), std::io::Error>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Boxed>) -> Self::Future {
        assert!(
            std::mem::take(&mut self.ready),
            "called without being ready"
        );
        let status = if self.calls.fetch_add(1, SeqCst) == 0 {
            "14"
        } else {
            "0"
        };
        let mut response = Response::new(Empty::new().boxed_unsync());
        let value = http::HeaderValue::from_static(status);
        response.headers_mut().insert("grpc-status", value);
        Box::pin(std::future::ready(Ok(response)))
    }
}

/// What a generated client asks of its transport.
async fn unary<T>(transport: T, message: Boxed) -> String
where
    T: Service<Request<Boxed>, Response = Response<Boxed>> + Clone,
    T::Error: std::fmt::Debug,
{
    let request = Request::post("/shop.Orders/List").body(message).unwrap();
    let response = transport.oneshot(request).await.unwrap();
    response.headers()["grpc-status"].to_str().unwrap().into()
}

#[tokio::test(start_paused = true)]
async fn a_client_over_a_channel_gets_a_policy() {
    let channel = Channel::default();
    // The status is no HTTP status, and all methods are POST.
    let judge = judge_fn(
        |_: &Request<Boxed>| Op::idempotent(),
        |outcome: Result<&Response<Boxed>, &std::io::Error>| match outcome {
            Ok(response) if response.headers()["grpc-status"] == "14" => Verdict::transient(),
            Ok(_) => Verdict::ok(),
            Err(_) => Verdict::transient().sent(Sent::Maybe),
        },
    );
    // The body is in a box, but it is known to be one message in memory.
    let message = Bytes::from_static(b"\0\0\0\0\0");
    let replay = move |request: &Request<Boxed>| {
        let (head, ()) = request.clone_head().into_parts();
        Some(Request::from_parts(
            head,
            Full::new(message.clone()).boxed_unsync(),
        ))
    };
    let layer = PolicyLayer::new(policy().build().unwrap(), judge);
    let service = layer.clone().replay(replay).layer(channel.clone());
    let message = Full::new(Bytes::from_static(b"\0\0\0\0\0")).boxed_unsync();
    assert_eq!(unary(service, message).await, "0");
    assert_eq!(channel.calls.load(SeqCst), 2);

    // Without one in memory it is sent once, and the caller has the channel's own answer.
    let channel = Channel::default();
    let service = layer.replay(IfEmpty).layer(channel.clone());
    let message = Full::new(Bytes::from_static(b"\0\0\0\0\0")).boxed_unsync();
    assert_eq!(unary(service, message).await, "14");
    assert_eq!(channel.calls.load(SeqCst), 1);
}

trait CloneHead {
    fn clone_head(&self) -> Request<()>;
}

impl<B> CloneHead for Request<B> {
    fn clone_head(&self) -> Request<()> {
        let mut head = Request::new(());
        *head.method_mut() = self.method().clone();
        *head.uri_mut() = self.uri().clone();
        *head.headers_mut() = self.headers().clone();
        head
    }
}
