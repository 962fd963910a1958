//! What the reader's thread hands to the engine.

use crate::{
    expr::Scope,
    journal::{Identity, Mark},
};
use bytes::Bytes;

/// Several records, in the order of the source.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The records.
    pub(crate) items: Vec<Fed>,
    /// Where the source goes on after them.
    pub(crate) after: Mark,
}

/// One record of the source, judged as far as that needs no call.
#[derive(Debug)]
pub(crate) enum Fed {
    /// To be worked on.
    Record(Box<Record>),
    /// Not readable as a record, or without a usable key: a dead letter.
    Bad(Box<Bad>),
    /// Needs no work.
    Passed {
        position: u64,
        start: Mark,
        why: Passed,
    },
}

/// Why a record needs no work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    /// An earlier run has settled it; found by its identity.
    Finished,
    /// `where` is false for it, or it repeats a key and `duplicates: skip` is set.
    Filtered,
}

/// A record to work on.
#[derive(Debug)]
pub(crate) struct Record {
    /// Its number in the source, from 0.
    pub(crate) position: u64,
    /// Where it begins.
    pub(crate) start: Mark,
    /// Its fields, and the answers to come. Taken by whoever works on it, so that the answers end with the work.
    pub(crate) scope: Option<Scope>,
    /// Its own bytes: the line of a JSONL file, else its fields as JSON.
    pub(crate) raw: Bytes,
    /// The key as canonical JSON.
    pub(crate) key: Option<Box<str>>,
    /// Hash of the key or of the bytes.
    pub(crate) identity: Identity,
    /// The n-th with this identity; known (not 0) where a step sends an idempotency key.
    pub(crate) occurrence: u64,
    /// How often `dead retry` has taken it up.
    pub(crate) generation: u32,
    /// The dead letter that it was.
    pub(crate) retry_of: Option<i64>,
}

impl Record {
    /// What it holds of the run's memory, in bytes: its bytes, and about as much again as values.
    pub(crate) fn weight(&self) -> usize {
        2 * self.raw.len() + 256
    }
}

/// A line that is no record.
#[derive(Debug)]
pub(crate) struct Bad {
    /// Its number in the source.
    pub(crate) position: u64,
    /// Where it begins.
    pub(crate) start: Mark,
    /// Why it is none.
    pub(crate) cause: String,
    /// Its bytes, or their head if it is too long.
    pub(crate) raw: Bytes,
    /// The key or `where` failed: a fault that is likely every record's.
    pub(crate) template: bool,
    /// The last line, without its end: its writer may still complete it.
    pub(crate) provisional: bool,
    /// Hash of its bytes.
    pub(crate) identity: Identity,
    /// The dead letter that it was.
    pub(crate) retry_of: Option<i64>,
    /// How often `dead retry` has taken it up.
    pub(crate) generation: u32,
}

impl Bad {
    /// As [`Record::weight`].
    pub(crate) fn weight(&self) -> usize {
        2 * self.raw.len() + 256
    }
}

impl Fed {
    pub(crate) fn position(&self) -> u64 {
        match self {
            Fed::Record(record) => record.position,
            Fed::Bad(bad) => bad.position,
            Fed::Passed { position, .. } => *position,
        }
    }

    /// A dead letter taken up again: its position is settled already.
    pub(crate) fn is_retry(&self) -> bool {
        match self {
            Fed::Record(record) => record.retry_of.is_some(),
            Fed::Bad(bad) => bad.retry_of.is_some(),
            Fed::Passed { .. } => false,
        }
    }

    pub(crate) fn start(&self) -> Mark {
        match self {
            Fed::Record(record) => record.start,
            Fed::Bad(bad) => bad.start,
            Fed::Passed { start, .. } => *start,
        }
    }
}
