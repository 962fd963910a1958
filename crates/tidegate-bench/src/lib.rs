//! The hand-written program that the runner is measured against, shared by its two builds.
//!
//! The figures themselves are made by the program of this crate: `cargo run --release -p tidegate-bench`.

#![forbid(unsafe_code)]

pub mod rival;
