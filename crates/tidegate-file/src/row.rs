use bytes::Bytes;

use crate::{Bad, Start};

/// What a [`CsvReader`](crate::CsvReader) found next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CsvItem {
    /// A row with as many fields as the header.
    Row(Row),
    /// A record that is no such row. The reader goes on behind it.
    Bad(Bad),
}

/// One row: its fields, its bytes, and where it stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The record as it stood in the input, without its line end. Shares memory with its neighbours.
    pub bytes: Bytes,
    /// The line on which the record starts, counted from 1.
    pub line: u64,
    /// Offset of the first byte.
    pub start: u64,
    /// Offset behind the line end: where to go on after this record.
    pub end: u64,
    /// The line that starts there; a record may span several.
    pub next_line: u64,
    /// The input ended before the record's line end, so its writer may not have finished it.
    pub unterminated: bool,
    pub(crate) fields: Fields,
}

impl Row {
    /// Where to go on after this row.
    #[must_use]
    pub fn next_start(&self) -> Start {
        Start {
            offset: self.end,
            line: self.next_line,
        }
    }

    /// The field in a column, counted from 0.
    #[must_use]
    pub fn get(&self, column: usize) -> Option<&str> {
        self.fields.get(column)
    }

    /// The fields in the order of the header's columns.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.fields.ends.len())
            .map(|column| self.fields.get(column).expect("a column has an end"))
    }
}

/// Fields without their quotes, one behind the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) text: String,
    /// Where each field ends in `text`.
    pub(crate) ends: Vec<usize>,
}

impl Fields {
    pub(crate) fn get(&self, column: usize) -> Option<&str> {
        let end = *self.ends.get(column)?;
        let start = if column == 0 {
            0
        } else {
            self.ends[column - 1]
        };
        Some(&self.text[start..end])
    }
}
