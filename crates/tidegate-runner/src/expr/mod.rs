//! Expressions and templates: strict, and escaped for where they stand.
//!
//! An [`Expr`] is bare Jinja and yields a value. A [`Text`] holds `{{ expression }}` between literals and is escaped
//! for its [`Position`]; a [`Target`] is the text of a request line; a [`Tree`] is a JSON body with texts as leaves.
//! All of them are compiled once and evaluated in a [`Scope`], the names within reach of one record.
//!
//! Invariants:
//!
//! 1. No value that leaves this module is undefined or holds something undefined; it is an [`EvalError`] that names the path.
//! 2. Data never chooses what a reserved name means, nor where a request goes: [`reserved`](self::scope::RESERVED) names
//!    beat steps, steps beat fields, and a value in a path stays one segment.
//! 3. No message holds a value of `env` of eight characters or more.

mod analysis;
mod answer;
mod cell;
mod error;
mod escape;
mod expression;
mod filters;
mod guards;
pub mod json;
mod list_filters;
mod mentions;
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

pub use cell::{Scalar, to_cell};
pub use error::{EvalError, ExprFault};
pub use escape::{Position, encode_query};
pub use expression::Expr;
pub use mentions::Mentions;
pub use scope::{Globals, RESERVED, RunInfo, Scope, StepValue};
pub use target::{Target, TargetValue};
pub use text::Text;
pub use tree::Tree;
