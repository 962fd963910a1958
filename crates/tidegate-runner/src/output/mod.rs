//! Where finished records go: rows, dead letters and progress, in one commit, on a thread of its own.

mod commit;
mod dead_file;
pub(crate) mod letter;
mod open;
mod shape;
mod writer;

pub(crate) use commit::{Dying, Receipt, RowRef, Target};
pub(crate) use dead_file::{DeadFile, render_dead_file};
pub use open::OpenError;
pub(crate) use open::{Manner, Opened, open, place};
pub(crate) use shape::{Row, Shape, is_object};
pub(crate) use writer::{Commit, Ending, Writer, WriterError};
