//! Test tools of Tidegate.
//!
//! With the feature `harness`: `paused`, a test's runtime whose clock waits for nobody and in which a deadlock or a task
//! left behind has a name; `Sweep`, which stops a program at every await it has and looks at what is left.
//!
//! With the feature `overload`: `overload`, scenarios in which one's own calls meet a slow service, in virtual time.
//!
//! With the feature `demo-api`: `Api`, a local HTTP API that misbehaves on purpose, and reproducibly.

#![deny(unsafe_code)]

#[cfg(feature = "demo-api")]
mod api;
#[cfg(feature = "harness")]
mod harness;
#[cfg(feature = "overload")]
pub mod overload;

#[cfg(feature = "demo-api")]
pub use api::{Api, Builder, Down, Stats, orders};
#[cfg(feature = "harness")]
pub use harness::{
    Coverage, Left, Mode, Place, Stuck, Sweep, Trouble, Violation, Violations, Waiting,
    cancel_point, no_task_left, paused, try_paused,
};
