//! Scopes, from their public face.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

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
mod supervise;
mod supervised_ends;
mod support;
mod thread;
mod workers;
