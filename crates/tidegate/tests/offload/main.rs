//! Work outside the async threads, from its public face.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![expect(
    clippy::disallowed_methods,
    reason = "the ends of a channel that a test itself fills hold what it puts in"
)]

mod blocking;
mod ends;
mod io;
mod pool;
mod run;
mod support;
