//! The public face of `tidegate::policy`, in virtual time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "what is tested is also used from tasks and threads outside of every scope"
)]

mod breaker;
mod breaker_states;
mod builder;
mod deadline;
mod drops;
#[cfg(feature = "metrics")]
mod export_metrics;
#[cfg(feature = "opentelemetry")]
mod export_opentelemetry;
mod extremes;
mod fallback;
mod foreign;
mod futurelock;
mod gate;
mod hedge;
mod nested;
mod outage;
mod pause;
mod permit;
mod proofs;
mod queue;
mod rate;
mod retry;
mod runtimes;
mod support;
mod tenure;
