//! The harness, tried on programs of which it is known how they are.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![expect(
    clippy::disallowed_methods,
    reason = "programs that do what they should not"
)]

mod bank;
mod child;
mod kinds;
mod paused;
mod replay;
mod support;
