//! Scopes, from their public face.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![expect(
    clippy::disallowed_methods,
    reason = "what is tested is also used from tasks and threads outside of every scope"
)]

mod background;
mod basics;
mod bound;
mod cancel;
mod deadline;
mod defer;
mod dropped;
mod gather;
mod root;
mod shield;
#[cfg(feature = "tracing")]
mod spans;
mod supervise;
mod supervised_ends;
mod support;
mod thread;
#[cfg(feature = "tokio-util")]
mod token;
mod workers;
