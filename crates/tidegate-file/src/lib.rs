//! The file boundary of Tidegate: JSONL and CSV, in and out, resumable.
//!
//! Everything here blocks and knows no runtime: it is meant for an owned thread. Values are bytes; what a
//! record means is the caller's business.
//!
//! * Reading: [`Input`] is the bytes (plain, gzip, pipe), [`JsonlReader`] and [`CsvReader`] cut them into
//!   records that know their line and their offsets, so that a later run can go on at any of them ([`Start`]).
//! * Writing: [`OutFile`] is written in commits, and cut back to the last one when a run goes on.
//!
//! A record that cannot be used is an item like any other ([`Bad`]); an input that cannot be used is a
//! [`ReadError`].

#![forbid(unsafe_code)]

mod csv;
mod csv_scan;
mod encode;
mod fingerprint;
mod input;
mod item;
mod jsonl;
mod open;
mod out;
mod out_error;
mod read_error;
mod row;

pub use csv::{CsvOptions, CsvReader};
pub use encode::{Cell, csv_cells, csv_header};
pub use fingerprint::{Fingerprint, tail};
pub use input::{Input, Start};
pub use item::{Bad, DEFAULT_MAX_RECORD, Item, Problem, Raw};
pub use jsonl::JsonlReader;
pub use open::{LastChunk, Opening, rotate};
pub use out::{OutFile, Sync};
pub use out_error::OutError;
pub use read_error::{HeaderProblem, ReadError};
pub use row::{CsvItem, Row};
