use std::{fmt, io, path::PathBuf};

use thiserror::Error;

/// Why an input cannot be read on. Nothing after it can be trusted, so the reader stops.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file does not open.
    #[error("cannot open `{}`", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The path names a folder.
    #[error("`{}` is a folder: name a file in it", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// Reading failed, or the compressed data is damaged or cut off.
    #[error("cannot read on at byte {offset}")]
    Io {
        /// Bytes read before, after decompression.
        offset: u64,
        /// The reason.
        source: io::Error,
    },
    /// The input starts with the byte order mark of UTF-16.
    #[error("the input is UTF-16: convert it, as in `iconv -f UTF-16 -t UTF-8`")]
    Utf16,
    /// The input ends before the place at which reading was to go on.
    #[error(
        "the input has {len} bytes, but was read up to byte {offset} before: it was cut or replaced"
    )]
    Shorter {
        /// Where reading was to go on.
        offset: u64,
        /// Where the input ends.
        len: u64,
    },
    /// The CSV delimiter cannot be told from text.
    #[error("`{}` cannot be a delimiter: it is one ASCII character, no quote and no line end", delimiter.escape_ascii())]
    Delimiter {
        /// The byte that was asked for.
        delimiter: u8,
    },
    /// The CSV header cannot be used.
    #[error("line {line}: {problem}")]
    Header {
        /// The line of the header, counted from 1.
        line: u64,
        /// What is wrong with it.
        problem: HeaderProblem,
    },
    /// A quote that never closes: all that follows would be one field.
    #[error("line {line}: {}", unclosed(*limit))]
    UnclosedQuote {
        /// The line on which the quote opened, counted from 1.
        line: u64,
        /// The record's limit when that was reached first; `None` when the input ended inside the quote.
        limit: Option<usize>,
    },
}

impl ReadError {
    /// The line to look at, counted from 1, if the fault has one.
    #[must_use]
    pub fn line(&self) -> Option<u64> {
        match self {
            Self::Header { line, .. } | Self::UnclosedQuote { line, .. } => Some(*line),
            _ => None,
        }
    }
}

/// What is wrong with a CSV header.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderProblem {
    /// There is no line at all.
    Missing,
    /// A column has no name.
    Unnamed {
        /// The column, counted from 1.
        column: usize,
    },
    /// Two columns have the same name.
    Twice {
        /// The name.
        name: String,
    },
    /// The header is not UTF-8.
    NotUtf8,
    /// The header is longer than a record may be.
    TooLong {
        /// The most bytes a record may have.
        limit: usize,
    },
}

impl fmt::Display for HeaderProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => {
                f.write_str("no header: a CSV file starts with the names of its columns")
            }
            Self::Unnamed { column } => {
                write!(f, "column {column} of the header has no name: give it one")
            }
            Self::Twice { name } => write!(f, "the header has `{name}` twice: rename one"),
            Self::NotUtf8 => f.write_str("the header is not UTF-8: convert the file to UTF-8"),
            Self::TooLong { limit } => write!(
                f,
                "the header is longer than {limit} bytes: is this a CSV file?"
            ),
        }
    }
}

fn unclosed(limit: Option<usize>) -> String {
    match limit {
        None => "the quote that opens here never closes".to_owned(),
        Some(limit) => format!(
            "the quote that opens here does not close within {limit} bytes: close it, \
             or raise `max_record` if the field is that long"
        ),
    }
}
