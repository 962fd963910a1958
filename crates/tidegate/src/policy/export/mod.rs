//! The figures of policies in the words of a metrics system.
//!
//! Both exporters read [`Policy::snapshot`](super::Policy::snapshot) when somebody asks, so that they cost a call nothing:
//! `export::metrics` (feature `metrics`) for the recorders of the crate [`metrics`](https://docs.rs/metrics),
//! `export::opentelemetry` (feature `opentelemetry`) for those of
//! [`opentelemetry`](https://docs.rs/opentelemetry). Names, units and labels are the same in both:
//! [the table](https://github.com/tidegate/tidegate/blob/main/docs/metrics.md) lists them. Every figure carries the label
//! `policy`, the name of the policy.

mod figure;
mod shares;
mod table;
#[cfg(test)]
mod tests;

#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "opentelemetry")]
pub mod opentelemetry;

/// The programs of the page are compiled and run with the documentation's own.
#[cfg(all(doctest, feature = "metrics", feature = "opentelemetry"))]
#[doc = include_str!("../../../../../docs/metrics.md")]
mod page {}
