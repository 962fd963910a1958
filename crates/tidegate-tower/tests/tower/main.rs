//! The layers over services of every kind: hand-made ones in virtual time, axum and reqwest over loopback.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "servers are tasks of their own, as those of axum are"
)]

mod admission;
mod axum_server;
mod body;
mod contract;
mod deadline;
mod grpc;
mod headers;
mod replay;
mod reqwest_client;
mod response;
mod retry;
mod support;
