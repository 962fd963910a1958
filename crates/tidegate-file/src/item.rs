use std::fmt;

use bytes::Bytes;

use crate::Start;

/// How long a record may be unless the caller says otherwise: 1 MiB, its line end not counted.
pub const DEFAULT_MAX_RECORD: usize = 1024 * 1024;

/// How much of an unusable record is kept to show it.
const HEAD: usize = 200;

/// What a reader of lines found next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A line of valid UTF-8 that is not blank. Whether it parses is for the caller to find out.
    Record(Raw),
    /// A line that cannot be a record. The reader goes on behind it.
    Bad(Bad),
}

/// The bytes of one record and where they stood.
///
/// Offsets count bytes of the input after decompression, a byte order mark included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// The record without its line end: valid UTF-8. Shares memory with its neighbours, at most one chunk of
    /// 64 KiB or the record itself, whichever is longer.
    pub bytes: Bytes,
    /// The line on which the record starts, counted from 1.
    pub line: u64,
    /// Offset of the first byte.
    pub start: u64,
    /// Offset behind the line end: where to go on after this record.
    pub end: u64,
    /// The input ended before the record's line end, so its writer may not have finished it.
    pub unterminated: bool,
}

impl Raw {
    /// Where to go on after this record.
    #[must_use]
    pub fn next_start(&self) -> Start {
        Start {
            offset: self.end,
            line: self.line + 1,
        }
    }
}

/// A record that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad {
    /// The line on which the record starts, counted from 1.
    pub line: u64,
    /// Offset of the first byte.
    pub start: u64,
    /// Offset behind the line end: where to go on after this record.
    pub end: u64,
    /// The line that starts there; a CSV record may span several.
    pub next_line: u64,
    /// The first bytes, at most 200. They need not be UTF-8.
    pub head: Bytes,
    /// What is wrong with it.
    pub problem: Problem,
    /// The input ended before the record's line end, so its writer may not have finished it.
    pub unterminated: bool,
}

impl Bad {
    /// Where to go on after this record.
    #[must_use]
    pub fn next_start(&self) -> Start {
        Start {
            offset: self.end,
            line: self.next_line,
        }
    }
}

/// What makes a record unusable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The record is longer than allowed. It was skipped without being held.
    TooLong {
        /// The most bytes a record may have.
        limit: usize,
    },
    /// A byte that is not UTF-8.
    NotUtf8 {
        /// Its place in the record, counted from 0.
        at: usize,
    },
    /// A CSV row with more or fewer fields than the header.
    FieldCount {
        /// Columns of the header.
        expected: usize,
        /// Fields of the row.
        found: usize,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { limit } => {
                write!(
                    f,
                    "longer than {limit} bytes: raise `max_record` if that is intended"
                )
            }
            Self::NotUtf8 { at } => {
                write!(
                    f,
                    "not UTF-8 at byte {} of the record: convert the file to UTF-8",
                    at + 1
                )
            }
            Self::FieldCount { expected, found } => {
                write!(
                    f,
                    "{found} fields where the header has {expected}: quote a field that holds the delimiter"
                )
            }
        }
    }
}

/// The part of a record that is shown when it is bad; a copy, so that it does not keep a chunk alive.
pub(crate) fn head(record: &[u8]) -> Bytes {
    Bytes::copy_from_slice(&record[..record.len().min(HEAD)])
}
