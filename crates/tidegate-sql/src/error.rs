use std::path::PathBuf;

use rusqlite::ErrorCode;
use thiserror::Error;

/// Why a database cannot be used as asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SqlError {
    /// The file is not there, and is only to be read.
    #[error("no database `{}`: is the path right?", path.display())]
    NoFile {
        /// The file.
        path: PathBuf,
    },
    /// The folder of the file is not there.
    #[error("no folder `{}` for the database `{}`: make it", folder.display(), path.display())]
    NoFolder {
        /// The file.
        path: PathBuf,
        /// The folder that is missing.
        folder: PathBuf,
    },
    /// The file holds something else.
    #[error("`{}` is not an SQLite database: name another file", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The database has no such table.
    #[error("no table `{table}`: make it, as in `{create}`")]
    NoTable {
        /// The table.
        table: String,
        /// The statement that makes it.
        create: String,
    },
    /// The name stands for a view, or for a table that cannot be written.
    #[error("`{table}` is a {kind}, not a table: write to a table")]
    NotATable {
        /// The name.
        table: String,
        /// What it is.
        kind: String,
    },
    /// The table has no such column.
    #[error("table `{table}` has no column `{column}`; it has {}", list(has))]
    NoColumn {
        /// The table.
        table: String,
        /// The column that was asked for.
        column: String,
        /// Its columns.
        has: Vec<String>,
    },
    /// An upsert finds its row by a key that is not unique.
    #[error(
        "table `{table}` has no primary key or unique index on exactly these columns: {}; make it, as in `{create}`",
        list(key)
    )]
    NotUnique {
        /// The table.
        table: String,
        /// The key.
        key: Vec<String>,
        /// The statement that makes the index.
        create: String,
    },
    /// The columns and the key of a table's writer do not fit together.
    #[error("table `{table}`: {problem}")]
    Spec {
        /// The table.
        table: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The query cannot be read in pages.
    #[error("query: {problem}")]
    Query {
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The database refuses. The source says why in its own words.
    #[error("{}", advice(.0))]
    Database(#[from] rusqlite::Error),
}

impl SqlError {
    /// Whether there is no room left. To be tried again once there is.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.code() == Some(ErrorCode::DiskFull)
    }

    /// Whether someone else held the database for longer than the five seconds that are waited.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(
            self.code(),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
        )
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Database(error) => error.sqlite_error_code(),
            _ => None,
        }
    }
}

fn advice(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "the database is locked by another program: end that one, then go on"
        }
        Some(ErrorCode::DiskFull) => "no room left for the database: free some, then go on",
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "the database is damaged: check it with `PRAGMA integrity_check`"
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            "the database cannot be written: check the rights on the file and its folder"
        }
        Some(ErrorCode::CannotOpen) => {
            "the database does not open: check the rights on the file and its folder"
        }
        Some(ErrorCode::SystemIoFailure) => "the disk refuses the database: check the disk",
        _ => "the database refuses the statement",
    }
}

fn list(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
