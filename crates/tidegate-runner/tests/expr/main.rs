//! Expressions and templates from their public face.
#![allow(clippy::unwrap_used, reason = "tests")]

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
