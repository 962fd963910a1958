//! Test tools of Tidegate.
//!
//! With the feature `harness`: `paused`, a test's runtime whose clock waits for nobody and in which a deadlock or a task
//! left behind has a name.
//!
//! With the feature `demo-api`: `Api`, a local HTTP API that misbehaves on purpose, and reproducibly.

#![deny(unsafe_code)]

#[cfg(feature = "demo-api")]
mod api;
#[cfg(feature = "harness")]
mod harness;

#[cfg(feature = "demo-api")]
pub use api::{Api, Builder, Down, Stats, orders};
#[cfg(feature = "harness")]
pub use harness::{Left, Place, Stuck, Trouble, Waiting, no_task_left, paused, try_paused};
