//! The runner of Tidegate: a flow file in, every record done or dead, resumable.
//!
//! [`plan::load`] turns a flow file into a [`plan::Plan`], or into faults with their positions. [`engine::run`] does the
//! work inside a scope and gives a [`report::Report`]. What is durably known in between is the [`journal`].
#![forbid(unsafe_code)]

pub mod call;
pub mod engine;
pub mod expr;
pub mod flow;
pub mod inspect;
pub mod journal;
pub mod output;
pub mod plan;
pub mod record;
pub mod report;
pub mod sample;
