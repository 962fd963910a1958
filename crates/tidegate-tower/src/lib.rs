//! The tower boundary of Tidegate: policies, deadlines and admission as layers.
//!
//! | layer | around | does |
//! |---|---|---|
//! | [`PolicyLayer`] | a client | retries, limits, times and hedges its requests as a [`Policy`](tidegate::policy::Policy) says |
//! | [`DeadlineLayer`] | a handler | gives it the deadline of its caller, and a scope that ends with the caller |
//! | [`AdmissionLayer`] | a handler | bounds how many requests are inside and at the door; drains on shutdown |
//!
//! They are plain [`Service`](tower::Service)s over the types of [`http`], so they work with axum, hyper, tonic and reqwest.
//! [`PolicyLayer`] knows of HTTP only what its [`Judge`] does, and works over any other service as well.
//!
//! # A client
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::Full;
//! use std::{convert::Infallible, sync::atomic::{AtomicU32, Ordering}};
//! use tidegate::policy::Policy;
//! use tidegate_tower::{DeadlineHeader, HttpJudge, PolicyLayer};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! static CALLS: AtomicU32 = AtomicU32::new(0);
//! let shaky = service_fn(async |request: Request<Full<Bytes>>| {
//!     assert!(request.headers().contains_key("grpc-timeout"));
//!     let mut response = Response::new(Full::<Bytes>::default());
//!     if CALLS.fetch_add(1, Ordering::Relaxed) == 0 {
//!         *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
//!     }
//!     Ok::<_, Infallible>(response)
//! });
//! let policy = Policy::named("orders").in_flight(32).build().unwrap();
//! let judge = HttpJudge::new().deadline_header(DeadlineHeader::grpc());
//! let orders = PolicyLayer::new(policy, judge).layer(shaky);
//!
//! let request = Request::get("http://orders/7").body(Full::default()).unwrap();
//! assert_eq!(orders.oneshot(request).await.unwrap().status(), StatusCode::OK);
//! assert_eq!(CALLS.load(Ordering::Relaxed), 2);
//! # }
//! ```
//!
//! # A server
//!
//! The order matters: the time at the door is the caller's, so the deadline is outside. With axum, whose last `layer` is
//! the outermost:
//!
//! ```
//! use axum::{Router, body::Body, routing::get};
//! use http::{Request, StatusCode};
//! use std::time::Duration;
//! use tidegate::policy::{Policy, Queue};
//! use tidegate_tower::{AdmissionLayer, DeadlineLayer, Drain};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! let house = Policy::named("house").in_flight(64).queue(Queue::bounded(256)).build().unwrap();
//! let drain = Drain::new();
//! let app = Router::new()
//!     .route("/slow", get(async || tokio::time::sleep(Duration::from_secs(9)).await))
//!     .layer(AdmissionLayer::new(house).drain(drain.clone()))
//!     .layer(DeadlineLayer::new().at_most(Duration::from_secs(30)));
//! // axum::serve(listener, app).with_graceful_shutdown(async move { drain.wait_closed().await })
//!
//! let ask = |timeout| {
//!     let request = Request::get("/slow").header("grpc-timeout", timeout);
//!     app.clone().oneshot(request.body(Body::empty()).unwrap())
//! };
//! assert_eq!(ask("10S").await.unwrap().status(), StatusCode::OK);
//! assert_eq!(ask("5S").await.unwrap().status(), StatusCode::GATEWAY_TIMEOUT);
//! drain.close();
//! assert_eq!(ask("10S").await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
//! # }
//! ```
//!
//! # Readiness
//!
//! tower's `poll_ready` may reserve what the next `call` consumes. A policy has a queue of its own, so a service behind one
//! must not be made ready before its request has passed the gate: see [`PolicyService`].
//!
//! # Non-goals
//!
//! No timeouts of bodies (`tower-http` has them), no load balancing, no reading of gRPC trailers: a status that comes after
//! a message is the caller's.

#![forbid(unsafe_code)]

mod client;
mod held;
mod response_future;
mod server;

pub use client::{
    Cloned, ErrorVerdict, HttpJudge, IfEmpty, Judge, JudgeFn, Never, PolicyLayer, PolicyService,
    Replay, Unsure, judge_fn,
};
pub use held::{HeldBody, Hold, UntilBodyEnds, UntilResponse};
pub use response_future::ResponseFuture;
pub use server::{Admission, AdmissionLayer, Deadline, DeadlineLayer, Drain};
pub use tidegate_http::DeadlineHeader;
