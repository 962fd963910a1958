//! The dead-letter file: what the journal knows of dead letters, as JSON lines.
//!
//! The journal is the truth. The file is rendered anew when it is opened, appended to after every commit, and rendered
//! anew at the end if letters were retried or dropped.

use super::OpenError;
use crate::journal::{DeadLetter, Journal, JournalError};
use rusqlite::Connection;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

/// The open file.
#[derive(Debug)]
pub(crate) struct DeadFile {
    path: PathBuf,
    file: File,
}

impl DeadFile {
    /// Opens the file and makes it say what the journal knows. `known`: an earlier run of this journal has written it.
    pub(super) fn open(
        path: &Path,
        connection: &Connection,
        journal: &Journal,
        known: bool,
    ) -> Result<DeadFile, OpenError> {
        let foreign =
            !known && fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() > 0);
        if foreign {
            return Err(OpenError::ForeignDeadFile(path.to_owned()));
        }
        if may_be_replaced(path) {
            render(path, connection, journal)??;
        }
        Ok(DeadFile {
            path: path.to_owned(),
            file: for_appending(path)?,
        })
    }

    /// Appends letters that have just been committed.
    pub(crate) fn append<'a>(
        &mut self,
        letters: impl Iterator<Item = &'a DeadLetter>,
    ) -> io::Result<()> {
        let mut lines = Vec::new();
        for letter in letters {
            serde_json::to_writer(&mut lines, letter)?;
            lines.push(b'\n');
        }
        if lines.is_empty() {
            Ok(())
        } else {
            self.file.write_all(&lines)
        }
    }

    /// Writes the whole file anew.
    pub(crate) fn render_again(
        &mut self,
        connection: &Connection,
        journal: &Journal,
    ) -> Result<(), OpenError> {
        if !may_be_replaced(&self.path) {
            return Ok(());
        }
        render(&self.path, connection, journal)??;
        // The old file is open still, and no longer has a name.
        self.file = for_appending(&self.path)?;
        Ok(())
    }
}

/// A pipe or a device keeps what it was told.
fn may_be_replaced(path: &Path) -> bool {
    fs::metadata(path).map_or(true, |found| found.is_file())
}

fn for_appending(path: &Path) -> Result<File, OpenError> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.map_err(|source| OpenError::DeadFile {
        path: path.to_owned(),
        source,
    })
}

/// Makes a closed dead-letter file say what the journal knows.
pub(crate) fn render_dead_file(
    path: &Path,
    connection: &Connection,
    journal: &Journal,
) -> Result<(), OpenError> {
    render(path, connection, journal)?
}

/// Written under another name and renamed, so that a reader never sees half of it.
fn render(
    path: &Path,
    connection: &Connection,
    journal: &Journal,
) -> Result<Result<(), OpenError>, JournalError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let temporary = PathBuf::from(name);
    let mut file = match File::create(&temporary) {
        Ok(file) => BufWriter::new(file),
        Err(source) => {
            return Ok(Err(OpenError::DeadFile {
                path: path.to_owned(),
                source,
            }));
        }
    };
    let mut written = Ok(());
    journal.each_dead(connection, None, |dead| {
        if written.is_ok() {
            written = serde_json::to_writer(&mut file, &dead.letter)
                .map_err(io::Error::from)
                .and_then(|()| file.write_all(b"\n"));
        }
        Ok(())
    })?;
    let renamed = written
        .and_then(|()| file.flush())
        .and_then(|()| fs::rename(&temporary, path));
    Ok(renamed.map_err(|source| OpenError::DeadFile {
        path: path.to_owned(),
        source,
    }))
}
