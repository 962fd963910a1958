//! The HTTP boundary of Tidegate: one client, its limits and its outcomes.
//!
//! `Client` sends one `Request` and returns the whole `Answer`, or an `HttpError` that says how far the
//! request came. Both implement [`Classify`](tidegate::policy::Classify), so that a policy can decide what to do next.
//!
//! ```no_run
//! # #[cfg(feature = "client")] {
//! use tidegate_http::{Client, Request};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder().max_body(1 << 20).build()?;
//! let answer = client.send(Request::get("https://api.example.com/users/1".parse()?)).await?;
//! assert!(answer.status.is_success());
//! # Ok(())
//! # }
//! # }
//! ```
//!
//! # What it does not do
//!
//! It never sends a request twice, holds no rate and no permit, and has no timeout for an answer: those belong to the
//! policy in front of it. It speaks HTTP/1.1, with TLS by rustls, and knows no proxies and no cookies.

//!
//! # Without the client
//!
//! The feature `client`, on by default, is the client. Without it there is only what other clients can use as well:
//! [`verdict`], [`retry_after`], [`quota`] and [`DeadlineHeader`].

#![forbid(unsafe_code)]

#[cfg(feature = "client")]
mod body;
#[cfg(feature = "client")]
mod builder;
#[cfg(feature = "client")]
mod client;
#[cfg(feature = "client")]
mod connect;
mod deadline;
#[cfg(feature = "client")]
mod error;
mod headers;
#[cfg(feature = "client")]
mod redirect;
mod verdict;

#[cfg(feature = "client")]
pub use builder::{BadClient, Builder};
#[cfg(feature = "client")]
pub use client::{Answer, Client, Request};
pub use deadline::DeadlineHeader;
#[cfg(feature = "client")]
pub use error::HttpError;
pub use headers::{quota, retry_after};
pub use verdict::verdict;
