//! The public face of the crate, on databases in a temporary folder.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod database;
mod pages;
mod table;

use tempfile::TempDir;
use tidegate_sql::{Access, Cell, open, rusqlite::Connection};

/// A database of its own, gone with the value.
struct Database {
    folder: TempDir,
    connection: Connection,
}

impl Database {
    fn with(sql: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let connection = open(folder.path().join("test.db"), Access::Create).unwrap();
        connection.execute_batch(sql).unwrap();
        Self { folder, connection }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("test.db")
    }

    /// All values of a query with one column, as text.
    fn texts(&self, query: &str) -> Vec<String> {
        let mut statement = self.connection.prepare(query).unwrap();
        let texts = statement.query_map((), |row| row.get(0)).unwrap();
        texts.map(Result::unwrap).collect()
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}
