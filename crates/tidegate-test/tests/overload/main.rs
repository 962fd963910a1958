//! The simulated service against what is known of queues, and scenarios as a user writes them.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod expect;
mod queues;
mod runs;
mod support;
mod troubles;
