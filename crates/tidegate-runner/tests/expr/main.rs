//! Expressions and templates from their public face.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cells;
mod check;
mod compile;
mod conditions;
mod filters;
mod json;
mod names;
mod redaction;
mod strict;
mod targets;
mod texts;
mod trees;
