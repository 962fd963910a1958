//! Test tools of Tidegate.
//!
//! With the feature `demo-api`: [`Api`], a local HTTP API that misbehaves on purpose, and reproducibly.

#![forbid(unsafe_code)]

#[cfg(feature = "demo-api")]
mod api;

#[cfg(feature = "demo-api")]
pub use api::{Api, Builder, Down, Stats, orders};
