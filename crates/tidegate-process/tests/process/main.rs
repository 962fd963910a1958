//! Processes, from the public face. They run in real time: a paused clock would not wait for them.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod ends;
mod output;
mod support;
