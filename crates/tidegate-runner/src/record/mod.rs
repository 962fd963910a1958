//! Records: from the bytes of a source to something with a key, an identity and names.

mod feed;
mod index;
mod reader;
mod source;

pub(crate) use feed::{Bad, Batch, Fed, Passed, Record};
pub(crate) use reader::{Matching, Reader, ReaderError};
pub use source::SourceError;
pub(crate) use source::{
    Opened, Seen, can_seek, fingerprint, has_columns, has_grown, is_compressed, is_same, is_stored,
    tail_hash,
};
