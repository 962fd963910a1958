//! Who may write a journal: an operating system lock that dies with its process.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

/// The right to write a journal, held until dropped or until the process ends, also by `kill -9`.
#[derive(Debug)]
pub struct Lease {
    /// Locked as long as it is open.
    _file: File,
}

/// Why there is no lease.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Another runner has it.
    #[error("another run of this flow is active ({holder}); wait for it or stop it")]
    Held {
        /// The process that wrote its number into the lock file.
        holder: String,
    },
    /// The lock file cannot be used.
    #[error("cannot lock `{}`: {source}; give a folder that can be written with --state DIR", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Lease {
    /// Takes the lease, or says who has it. Does not wait.
    ///
    /// # Errors
    /// [`LeaseError::Held`] while another process has it; [`LeaseError::Io`] if the file cannot be made or locked.
    pub fn take(path: &Path) -> Result<Lease, LeaseError> {
        let failed = |source| LeaseError::Io {
            path: path.to_owned(),
            source,
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Only words for the message: an unreadable file does not change the answer.
                if file.read_to_string(&mut holder).is_err() || holder.is_empty() {
                    holder = "process unknown".to_owned();
                }
                return Err(LeaseError::Held { holder });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .map_err(failed)?;
        write!(file, "process {}", std::process::id()).map_err(failed)?;
        Ok(Lease { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_is_told_who_holds_it_and_a_drop_frees_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("deep/flow.lock");
        let first = Lease::take(&path).expect("nobody has it");
        let refused = Lease::take(&path).expect_err("it is held");
        assert!(
            refused
                .to_string()
                .contains(&format!("process {}", std::process::id())),
            "{refused}"
        );
        drop(first);
        Lease::take(&path).expect("free again");
    }
}
