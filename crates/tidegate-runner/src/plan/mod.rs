//! The flow, compiled and checked: what `check` proves and `run` executes.
//!
//! A plan holds no position of the file any more; every fault was found while it was made.

mod auth;
mod classify;
mod columns;
mod compiler;
mod limits;
mod load;
mod meaning;
mod mentions;
mod names;
mod order;
mod services;
mod sink;
mod source;
mod steps;
mod targets;
mod types;
mod vars;

pub use load::{Given, load, load_text};
pub use types::{
    AsBody, BodyPlan, CallPlan, Classify, ColumnType, CsvOptions, DeadLetterPlan, Duplicates,
    EachPlan, Identity, MAX_STEPS, Match, Order, Plan, RecordsPlan, Rerun, RowPlan, ServicePlan,
    SinkPlan, SinkTarget, SourceKind, SourcePlan, StepPlan, TableVerb,
};
