use std::{
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Why an output cannot be opened or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OutError {
    /// The folder of the file is not there.
    #[error("no folder `{}` for `{}`: make it", folder.display(), path.display())]
    NoFolder {
        /// The file.
        path: PathBuf,
        /// The folder that is missing.
        folder: PathBuf,
    },
    /// A new run would write into a file that holds something.
    #[error("`{}` is not empty: move it away, or say `append: true` to write behind its {len} bytes", path.display())]
    NotEmpty {
        /// The file.
        path: PathBuf,
        /// What it holds, in bytes.
        len: u64,
    },
    /// The file of an earlier run is not there.
    #[error("`{}` is gone, but the journal says that it has {len} bytes: put it back, or start afresh", path.display())]
    Gone {
        /// The file.
        path: PathBuf,
        /// What was committed, in bytes.
        len: u64,
    },
    /// The file has less than was committed.
    #[error("`{}` has {found} bytes, but the journal says {len}: put it back, or start afresh", path.display())]
    Shorter {
        /// The file.
        path: PathBuf,
        /// What was committed, in bytes.
        len: u64,
        /// What is there, in bytes.
        found: u64,
    },
    /// The file is not as the earlier run left it.
    #[error("`{}` was changed since the last run: undo that, move it away, or start afresh", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// Another process has the file open for writing.
    #[error("`{}` is being written by another run: end that one, or name another file", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refuses.
    #[error("cannot write `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
}

impl OutError {
    /// Whether there is no room left: the disk or the quota is full. To be tried again once there is.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let Self::Io { source, .. } = self else {
            return false;
        };
        matches!(
            source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    }

    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}
