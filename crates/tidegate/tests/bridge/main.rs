//! Bridges, from their public face.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod callback;
mod promise;
