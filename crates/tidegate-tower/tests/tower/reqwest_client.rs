//! reqwest over loopback: a client that is a `Service`, with requests and answers of its own.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::SeqCst},
};

use axum::{Router, http::StatusCode, routing::any};
use tidegate::policy::{Op, Sent, StopReason, Verdict};
use tidegate_tower::{PolicyLayer, judge_fn};
use tokio::{net::TcpListener, time::Instant};
use tower::{Layer, ServiceExt};

use crate::support::policy;

fn verdict(outcome: Result<&reqwest::Response, &reqwest::Error>) -> Verdict {
    match outcome {
        Ok(answer) => tidegate_http::verdict(answer.status(), answer.headers(), Instant::now()),
        Err(error) if error.is_connect() => Verdict::never_sent(),
        Err(_) => Verdict::transient().sent(Sent::Maybe),
    }
}

fn op(request: &reqwest::Request) -> Op {
    match request.method().is_idempotent() {
        true => Op::idempotent(),
        false => Op::unsafe_to_repeat(),
    }
}

#[tokio::test]
async fn reqwest_gets_a_policy() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let answer = move || {
        let first = counted.fetch_add(1, SeqCst) == 0;
        std::future::ready(if first {
            StatusCode::BAD_GATEWAY
        } else {
            StatusCode::OK
        })
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let app = Router::new().route("/", any(answer));
    let server = tokio::spawn(async { axum::serve(listener, app).await });

    let client = reqwest::Client::new();
    let service = PolicyLayer::new(policy().build().unwrap(), judge_fn(op, verdict))
        .replay(|request: &reqwest::Request| request.try_clone())
        .layer(client.clone());
    let get = client.get(&url).build().unwrap();
    assert_eq!(service.clone().oneshot(get).await.unwrap().status(), 200);
    assert_eq!(calls.load(SeqCst), 2);

    // Nobody listens: the request was not sent, so that even an order is repeated.
    server.abort();
    drop(server.await);
    let post = client.post(&url).body("order").build().unwrap();
    let error = service.oneshot(post).await.unwrap_err();
    assert_eq!(error.why, StopReason::AttemptsExhausted { attempts: 3 });
    assert!(error.last.unwrap().is_connect());
}
