//! What the programs of this crate share: the hand-written program that the runner is measured against, and the call whose
//! stages are measured.
//!
//! The figures themselves are made by the program of this crate: `cargo run --release -p tidegate-bench`.

#![forbid(unsafe_code)]

pub mod rival;
pub mod stages;
