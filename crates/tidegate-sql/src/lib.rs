//! The SQL boundary of Tidegate: SQLite in and out, many rows a transaction.
//!
//! Everything here blocks and knows no runtime: it is meant for an owned thread.
//!
//! * [`open`] opens a database with the settings that the rest relies on.
//! * [`Pages`] reads a query in pages ordered by its key, without a read transaction in between, so that the same
//!   file can be written meanwhile and its WAL does not grow without end.
//! * [`Table`] writes rows inside a transaction of the caller: a row that the database refuses leaves the other
//!   rows of the transaction as they are.
//!
//! Names are always quoted and values always bound, so neither can become SQL. `rusqlite` is part of the public
//! face: transactions are the caller's, who commits its own progress with the rows.

#![forbid(unsafe_code)]

mod cell;
mod database;
mod error;
mod ident;
mod pages;
mod statement;
mod table;

pub use cell::Cell;
pub use database::{Access, open};
pub use error::SqlError;
pub use ident::quote_ident;
pub use pages::Pages;
pub use rusqlite;
pub use table::{Table, TableSpec, Verb, WriteError};
