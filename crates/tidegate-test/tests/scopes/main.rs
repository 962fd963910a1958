//! The scopes of the core, stopped at every await that a program has in them.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![expect(
    clippy::disallowed_methods,
    reason = "what shares with a program that is stopped belongs to nobody"
)]

mod cleanup;
mod critical;
mod grace;
mod nested;
mod permits;
mod room;
mod shield;
mod spawn;
mod support;
