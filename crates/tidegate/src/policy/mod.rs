//! What stands in front of a remote service: one policy, shared by everyone who calls that service.
//!
//! A [`Policy`] limits how many attempts are in flight and how many leave per second, ends attempts that take too long,
//! repeats those that may be repeated, doubles those that take long, and leaves a service alone that is down. The order is
//! fixed, outer to inner:
//!
//! ```text
//! fallback → deadline → retry, hedge: paid from budgets → breaker → gate [one queue: health, pause, permit, token]
//!          → attempt timeout → the attempt
//! ```
//!
//! # Examples
//!
//! ```
//! use std::time::Duration;
//! use tidegate::policy::{Class, Classify, Op, Policy, Verdict};
//!
//! #[derive(Debug)]
//! struct Refused;
//! impl Classify for Refused {
//!     fn verdict(&self) -> Verdict {
//!         Verdict::transient()
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
//! let policy = Policy::named("api").in_flight(4).rate(10.0).build().unwrap();
//! let answer = policy
//!     .call(Op::idempotent().timeout(Duration::from_secs(2)), async |attempt| match attempt.number {
//!         1 => Err(Refused),
//!         n => Ok(n),
//!     })
//!     .await;
//! assert_eq!(answer.unwrap(), 2);
//! assert_eq!(policy.snapshot().retries, 1);
//! # });
//! ```
//!
//! # What an attempt leaves behind
//!
//! An attempt may open scopes. When it times out, fails or is dropped, their children are told to stop; those with a
//! grace, a critical section or a deferred clean-up run on for a while. The service still has that work, so the attempt's
//! permit, and its place as the one probe, stay taken until all of it has ended. Only scopes that the attempt itself has
//! opened count: not what it spawns into a scope around the call, nor the children of a [`Nursery`](crate::Nursery).
//!
//! # Calls inside calls
//!
//! Three layers that each make three attempts would send 27 requests to a service that is down. So a call inside an attempt
//! of another call, in the same task or in a child of a scope that the attempt has opened, does not repeat on its own
//! account:
//!
//! | the calls around it | what the inner call does when it would repeat |
//! |---|---|
//! | one is of the same policy, and idempotent | it stops with [`StopReason::LeftToOuter`]: the outer one repeats the whole |
//! | none is | it repeats, and the *outermost* call pays |
//!
//! The outermost call pays with an attempt and a price: all further attempts inside it, its own and those of every inner
//! call, are at most its `max_attempts - 1`, and each is paid from its policy's budget at that budget's prices, and
//! refunded when it succeeds. The inner policy's budget is not charged; its own `max_attempts` holds as well. Without an
//! attempt left the inner call stops with [`StopReason::AttemptsExhausted`], without the price with
//! [`StopReason::BudgetExhausted`], also if its policy watches for outages. An attempt that an outage made void costs
//! nothing, as ever. Hedges have their own budget, in and out of nests.
//!
//! A call inside an attempt of its own policy needs a permit beside the one that the attempt holds: with a single permit it
//! waits in vain.
//!
//! # How it is built
//!
//! Decisions are plain state machines that are given the present instant and return what to do. All state of a policy lies
//! behind one mutex that is never held over an await or while foreign code runs. The shell (`gate`, `call`) only waits.
//!
//! # Non-goals
//!
//! No adaptive concurrency; no distributed state: each process has its own view of a service.

mod admission;
mod alarm;
mod backoff;
mod breaker;
mod budget;
mod builder;
mod call;
mod config;
mod due;
mod error;
#[cfg(any(feature = "metrics", feature = "opentelemetry"))]
pub mod export;
mod gate;
mod health;
mod hedge;
mod hedged;
mod histogram;
mod limiter;
mod nested;
mod op;
mod outcome;
mod pause;
mod permit;
mod queue;
mod quota;
mod snapshot;
mod state;
mod tally;
mod tenure;
mod timer;
mod verdict;
mod wakers;

pub use builder::{BadPolicy, Policy, PolicyBuilder};
pub use config::{Breaker, Budget, Hedge, HedgeAfter, Outage, Queue, Retry, Slow};
pub use error::{AttemptLog, CallError, StopReason};
pub use op::{Attempt, Op, Quota};
pub use permit::Permit;
pub use snapshot::{
    BreakerFigures, BreakerState, BudgetFlow, Calls, Classes, Consulted, Health, HedgeFigures,
    Latency, QueueFigures, Snapshot, StopCounts,
};
pub use verdict::{Class, Classify, Sent, Verdict};
