//! Work outside the async threads, from its public face.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod blocking;
mod ends;
mod io;
mod pool;
mod run;
mod support;
