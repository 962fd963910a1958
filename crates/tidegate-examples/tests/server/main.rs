//! The draining server from outside: sockets, a signal, its lines and its exit code.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod drain;
mod support;
