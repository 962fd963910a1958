//! What your calls do to a slow service, and it to them: overload, in virtual time.
//!
//! A [`Scenario`] is a simulated [`Service`] with its workers and queue, a [`Load`] of calls that begin whatever becomes of
//! the earlier ones, and [`Trouble`]s: a brown-out, an outage, stragglers. Each call is yours, through your own policies, and
//! asks the service with the [`Client`] it is given. The [`Outcome`] says how many calls ended well, what they cost the
//! service, and when it was back.
//!
//! Minutes of it take a second or so, as time is virtual; the same seed gives the same run.
//!
//! # Examples
//!
//! Capacity for 1,000 requests a second, a load of 800, and for 5 s only 3 in 10 of the workers' speed. Retries without a
//! budget keep the service down for good; a policy with a short queue loses only what there is no capacity for.
//!
//! ```
//! use std::time::Duration;
//! use tidegate::policy::{Budget, Op, Policy, Queue};
//! use tidegate_test::overload::{Load, Outcome, Scenario, Service, ServiceTime, Trouble};
//!
//! const fn secs(n: u64) -> Duration {
//!     Duration::from_secs(n)
//! }
//!
//! fn brown_out(policy: Policy) -> Outcome {
//!     let service = Service::workers(10, ServiceTime::exponential(Duration::from_millis(10)));
//!     Scenario::new(service, Load::poisson(800.0, secs(20)))
//!         .trouble(secs(5)..secs(10), Trouble::brown_out(0.3))
//!         .run(move |client| {
//!             let policy = policy.clone();
//!             async move { policy.call(Op::idempotent(), |_| client.request()).await }
//!         })
//! }
//!
//! let policy = || Policy::named("orders").attempt_timeout(Duration::from_millis(500)).seed(1);
//!
//! let free = Budget { tokens: 1, retry_cost: 0, throttled_cost: 0, ..Budget::default() };
//! let naive = brown_out(policy().in_flight(100_000).budget(free).build()?);
//! assert_eq!(naive.recovery(), None);
//! assert!(naive.wasted_share() > 0.4);
//!
//! let bounded = brown_out(policy().in_flight(20).queue(Queue::bounded(100)).build()?);
//! bounded
//!     .recovers_within(secs(1))
//!     .amplification_at_most(bounded.during(), 1.1)
//!     .goodput_at_least(bounded.during(), 270.0)
//!     .wasted_at_most(0.01);
//! # Ok::<(), tidegate::policy::BadPolicy>(())
//! ```
//!
//! An expectation that is not met shows the run; lines with a star are the trouble:
//!
//! ```text
//! expected: at most 0.1 of the work wasted: 0.214
//! 31984 calls: 27164 good, 4820 failed, 0 unfinished; 1.01 requests per call; 21 % of the work wasted; back after 0.0 s
//!    from s  calls/s   good/s  requests/s  p99 ms
//!         4      832      831         832      48
//! *       5      813      291         855     499
//! *       6      802      277         838    1039
//! ```
//!
//! # Non-goals
//!
//! No network: a request takes as long as the service takes. No caller that waits for an answer before it calls again:
//! such callers slow down with the service, and so hide what overload does.

mod client;
mod expect;
mod load;
mod outcome;
mod scenario;
mod service;
mod station;
mod trouble;

pub use client::{Client, ServiceError};
pub use load::Load;
pub use outcome::Outcome;
pub use scenario::Scenario;
pub use service::{Service, ServiceTime};
pub use trouble::Trouble;
