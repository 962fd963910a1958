//! The client against real servers on loopback.

#![expect(
    clippy::disallowed_methods,
    reason = "servers are tasks and threads of their own, and dates are of the real clock"
)]

mod bodies;
mod connections;
mod deadline;
mod failures;
mod headers;
mod redirects;
mod retry_after;
mod server;
mod tls;
mod verdicts;
