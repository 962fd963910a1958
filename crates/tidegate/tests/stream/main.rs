//! Composition and backpressure, from their public face.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod batches;
mod channel;
mod for_each;
mod interop;
mod map;
mod per_key;
mod support;
mod workers;
