//! The HTTP boundary of Tidegate: one client, its limits and its outcomes.
//!
//! [`Client`] sends one [`Request`] and returns the whole [`Answer`], or an [`HttpError`] that says how far the
//! request came. Both implement [`Classify`](tidegate::policy::Classify), so that a policy can decide what to do next.
//!
//! ```no_run
//! use tidegate_http::{Client, Request};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder().max_body(1 << 20).build()?;
//! let answer = client.send(Request::get("https://api.example.com/users/1".parse()?)).await?;
//! assert!(answer.status.is_success());
//! # Ok(())
//! # }
//! ```
//!
//! # What it does not do
//!
//! It never sends a request twice, holds no rate and no permit, and has no timeout for an answer: those belong to the
//! policy in front of it. It speaks HTTP/1.1, with TLS by rustls, and knows no proxies and no cookies.

#![forbid(unsafe_code)]

mod body;
mod builder;
mod client;
mod connect;
mod error;
mod headers;
mod redirect;
mod verdict;

pub use builder::{BadClient, Builder};
pub use client::{Answer, Client, Request};
pub use error::HttpError;
pub use headers::{quota, retry_after};
