//! Structured async for Rust, on tokio: scopes, cancellation, policies, backpressure.
//!
//! Every task belongs to a [`scope`](scope()), every scope to a parent, in the end to the [`root`]. A scope ends only
//! after every child has ended, on every way out; a reason and a deadline go down the tree, failures come up, all of
//! them.
//!
//! ```
//! use tidegate::{Scope, scope};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tidegate::ScopeError<std::num::ParseIntError>> {
//! let texts = ["19", "23"];
//! let sum = scope("sum", async |s: &Scope<_>| {
//!     let mut parsed = s.gather();
//!     for text in texts {
//!         parsed.spawn("parse", async move { text.parse::<u32>() }).await;
//!     }
//!     let mut sum = 0;
//!     while let Some(Ok(number)) = parsed.next().await {
//!         sum += number;
//!     }
//!     Ok(sum)
//! })
//! .await?;
//! assert_eq!(sum, 42);
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

pub mod bridge;
pub mod cancel;
pub mod join;
pub mod offload;
pub mod policy;
pub mod root;
pub mod scope;
pub mod stream;
mod sync;

pub use cancel::{
    Failure, Fault, Orphan, Panic, Reason, ScopeId, Signal, What, cancelled, deadline, grace_left,
    is_cancelled, reason, remaining,
};
pub use offload::StopFlag;
pub use scope::{
    Child, ChildError, Deferred, Failures, Gather, Leave, Nursery, Opts, Overdue, Refused,
    RefusedBecause, Scope, ScopeError, Shield, Stopped, Supervised, Supervisor, Task, scope,
    shield, supervise,
};

/// The program of the README is compiled and run with the documentation's own.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
