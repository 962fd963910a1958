//! The flow file: text → tree with positions → typed flow, and every fault on the way with file, line, column and a help.
//!
//! ```text
//! yaml     events of the parser → tree (scalars keep their source text)
//! traps    what people meant where YAML reads something else
//! keys     which keys there are; the reader and the schema both follow these tables
//! fields   reading one map by its table
//! model    the typed flow; source, service with its limits, step, sink: its parts
//! fault    what is wrong, and how it is shown
//! schema   the tables as a JSON schema
//! ```

mod brackets;
mod ends;
mod fault;
mod fields;
mod keys;
mod limits;
mod model;
mod schema;
mod service;
mod sink;
mod source;
mod step;
mod suggest;
mod traps;
mod tree;
mod values;
mod yaml;

pub use fault::{Fault, Faults, Look, Warning};
pub use schema::schema;
pub use values::parse_duration;

pub(crate) use fault::{FlowText, Found};
pub(crate) use limits::Stage;
pub(crate) use model::{Flow, Spanned};
pub(crate) use service::{Auth, Service};
pub(crate) use sink::{Sink, SinkKind};
pub(crate) use source::{Source, SourceFormat};
pub(crate) use step::{ClassifyKeys, Step};
pub(crate) use suggest::did_you_mean;
pub(crate) use tree::{Kind, Map, Node, Scalar, Span};
