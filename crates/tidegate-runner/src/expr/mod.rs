//! Expressions and templates: strict, and escaped for where they stand.
//!
//! An [`Expr`] is bare Jinja and yields a value. A [`Text`] holds `{{ expression }}` between literals and is escaped
//! for its [`Position`]; a [`Target`] is the text of a request line; a [`Tree`] is a JSON body with texts as leaves.
//! All of them are compiled once and evaluated in a [`Scope`], the names within reach of one record.
//!
//! # Examples
//!
//! ```
//! use std::{collections::BTreeMap, sync::Arc};
//! use tidegate_runner::expr::{Globals, RunInfo, Scope, Target, TargetValue, json};
//!
//! let run = RunInfo { id: "r1".into(), started: "2026-01-02T03:04:05Z".into() };
//! let globals = Arc::new(Globals::new(vec![], BTreeMap::new(), BTreeMap::new(), run));
//! let scope = Scope::new(&globals, json::parse(br#"{ "id": "a/b" }"#)?);
//!
//! let target = Target::compile("/users/{{ id }}")?;
//! assert_eq!(target.render(&scope)?, TargetValue::PathAndQuery("/users/a%2Fb".into()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Invariants
//!
//! 1. No value that leaves this module is undefined or holds something undefined; it is an [`EvalError`] that names the path.
//! 2. Data never chooses what a reserved name means, nor where a request goes: [reserved](RESERVED) names
//!    beat steps, steps beat fields, and a value in a path stays one segment.
//! 3. No message holds a value of `env` of eight characters or more.

mod analysis;
mod answer;
mod cell;
mod error;
mod escape;
mod expression;
mod filters;
mod globals;
mod guards;
pub mod json;
mod mentions;
mod operands;
mod path;
mod predicates;
mod redact;
mod scope;
mod target;
mod text;
mod tokens;
mod tree;
mod usage;
mod views;
mod walk;

pub use cell::{Scalar, to_cell};
pub(crate) use error::dashed;
pub use error::{EvalError, ExprFault};
pub use escape::{Position, encode_query};
pub use expression::Expr;
pub use globals::{Globals, RESERVED, RunInfo};
pub use mentions::Mentions;
pub use scope::{Scope, StepValue};
pub use target::{Target, TargetValue};
pub use text::Text;
pub use tree::Tree;
