use std::{path::Path, time::Duration};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::SqlError;

/// How long a statement waits for another writer.
const BUSY: Duration = Duration::from_secs(5);

/// What a connection may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read a database that exists.
    ReadOnly,
    /// Read and write; the file is made if it does not exist, its folder is not.
    Create,
}

/// Opens a database.
///
/// A statement waits 5 s for another writer. Foreign keys are enforced. With [`Access::Create`]:
///
/// * `journal_mode = WAL`: readers and the one writer do not wait for each other. Where a file system has no shared
///   memory, SQLite stays with its own journal, which is as safe.
/// * `synchronous = NORMAL`: a commit outlives the death of the process; a loss of power may take back the last
///   commits, each of them whole, and never damages the file. Progress that is committed in the same transaction
///   as the rows is taken back with them, so a resumed run writes them again: that is why the 100 times slower
///   `FULL` is not needed.
///
/// # Errors
///
/// [`SqlError::NoFile`], [`SqlError::NoFolder`], [`SqlError::NotADatabase`], [`SqlError::Database`].
pub fn open(path: impl AsRef<Path>, access: Access) -> Result<Connection, SqlError> {
    let path = path.as_ref();
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX
        | match access {
            Access::ReadOnly => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Access::Create => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        };
    set_up(path, flags, access).map_err(|error| explain(path, access, error))
}

fn set_up(path: &Path, flags: OpenFlags, access: Access) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    if access == Access::Create {
        // SQLite answers with the mode that it has taken.
        connection.query_row("PRAGMA journal_mode = WAL", (), |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
    }
    // Opening reads nothing; only this finds out whether the file is a database.
    connection.query_row("PRAGMA schema_version", (), |_| Ok(()))?;
    Ok(connection)
}

fn explain(path: &Path, access: Access, error: rusqlite::Error) -> SqlError {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let path = path.to_owned();
    match (error.sqlite_error_code(), folder) {
        (Some(ErrorCode::NotADatabase), _) => SqlError::NotADatabase { path },
        (Some(ErrorCode::CannotOpen), Some(folder))
            if access == Access::Create && !folder.exists() =>
        {
            SqlError::NoFolder {
                folder: folder.to_owned(),
                path,
            }
        }
        (Some(ErrorCode::CannotOpen), _) if access == Access::ReadOnly && !path.exists() => {
            SqlError::NoFile { path }
        }
        _ => SqlError::Database(error),
    }
}
