//! The core, stopped at every await that a program has in it.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![expect(
    clippy::disallowed_methods,
    reason = "what shares with a program that is stopped belongs to nobody"
)]

mod attempts;
mod cleanup;
mod critical;
mod grace;
mod join;
mod nested;
mod permits;
mod policy;
mod room;
mod shield;
mod spawn;
mod stream;
mod supervise;
mod support;
