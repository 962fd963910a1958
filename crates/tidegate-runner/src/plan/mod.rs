//! The flow, compiled and checked: what `check` proves and `run` executes.
//!
//! A plan holds no position of the file any more; every fault was found while it was made.

mod types;

pub use types::{
    AsBody, BodyPlan, CallPlan, Classify, ColumnType, CsvOptions, DeadLetterPlan, Duplicates, EachPlan, Identity, Match, Order, Plan,
    RecordsPlan, Rerun, RowPlan, ServicePlan, SinkPlan, SinkTarget, SourceKind, SourcePlan, StepPlan, TableVerb,
};
