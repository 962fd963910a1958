//! Bridges, from their public face.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![expect(
    clippy::disallowed_methods,
    reason = "what is tested is also used from tasks and threads outside of every scope"
)]

mod callback;
mod promise;
