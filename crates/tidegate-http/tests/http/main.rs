//! The client against real servers on loopback.

mod bodies;
mod connections;
mod failures;
mod headers;
mod redirects;
mod server;
mod tls;
mod verdicts;
