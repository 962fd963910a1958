//! What must be true before a byte is written, and cutting back to the last commit.

use std::{
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;

use crate::OutError;

/// How an output is opened.
#[derive(Debug, Clone, Copy)]
pub enum Opening<'a> {
    /// For a run that begins.
    New {
        /// Whether to write behind what the file holds; else it must be empty or absent.
        append: bool,
    },
    /// For a run that goes on. The file is cut back to `len`, or opening is refused.
    Resume {
        /// The length of the file at the last commit, as the journal has it.
        len: u64,
        /// The last chunk that was committed; `None` compares nothing.
        last: Option<LastChunk<'a>>,
        /// Whether the earlier run ended by itself. Then the file has exactly `len` bytes; a longer one was
        /// changed by someone else and is not cut.
        clean: bool,
    },
}

/// The last committed chunk of a file, to find out whether the file is still the one that was written.
#[derive(Clone, Copy)]
pub struct LastChunk<'a> {
    /// Length of the file at the commit before.
    pub from: u64,
    /// Says whether these are the bytes that were written. For a `.gz` file they are decompressed first.
    pub is_same: &'a dyn Fn(&[u8]) -> bool,
}

impl fmt::Debug for LastChunk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LastChunk")
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

/// Moves an output away: `out.jsonl` becomes `out.jsonl.1`, or `.2` and so on if that is taken.
///
/// Returns the new name; `None` when there was nothing to keep: no file, an empty one, or no regular file.
///
/// # Errors
///
/// [`OutError::Io`].
pub fn rotate(path: impl AsRef<Path>) -> Result<Option<PathBuf>, OutError> {
    let path = path.as_ref();
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() && metadata.len() > 0 && !is_device(path) => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(OutError::io(path)(error)),
    }
    let mut number = 1_u32;
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        let target = PathBuf::from(name);
        // Not `exists`: a dangling link is a name that is taken, too.
        if fs::symlink_metadata(&target).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        {
            fs::rename(path, &target).map_err(OutError::io(path))?;
            return Ok(Some(target));
        }
        number += 1;
    }
}

/// A file opened and checked.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: File,
    /// Where writing starts.
    pub(crate) len: u64,
    /// Whether it can be cut back by a later run.
    pub(crate) regular: bool,
    /// The last line lacks its end.
    pub(crate) torn: bool,
}

/// Opens the file at `path` and brings it to the state that `opening` names, or refuses and changes nothing.
pub(crate) fn open(path: &Path, opening: Opening<'_>, gzip: bool) -> Result<Opened, OutError> {
    let (len, create) = match opening {
        Opening::New { .. } => (0, true),
        // Of a file to which nothing was committed, nothing can be lost.
        Opening::Resume { len, .. } => (len, len == 0),
    };
    let device = is_device(path);
    let file = OpenOptions::new()
        .read(!device && fs::metadata(path).map_or(true, |metadata| metadata.is_file()))
        .write(true)
        .append(device)
        .create(create)
        .truncate(false)
        .open(path)
        .map_err(|error| cannot_open(path, len, error))?;
    let io = |error| OutError::io(path)(error);
    let metadata = file.metadata().map_err(io)?;
    if device || !metadata.is_file() {
        return Ok(Opened {
            file,
            len,
            regular: false,
            torn: false,
        });
    }
    lock(&file, path)?;
    let found = metadata.len();
    let mut opened = Opened {
        file,
        len: found,
        regular: true,
        torn: false,
    };
    match opening {
        Opening::New { append: false } if found > 0 => {
            return Err(OutError::NotEmpty {
                path: path.to_owned(),
                len: found,
            });
        }
        Opening::New { .. } => {
            opened.torn = !gzip && found > 0 && last_byte(&mut opened.file).map_err(io)? != b'\n';
        }
        Opening::Resume { len, last, clean } => {
            if found < len {
                return Err(OutError::Shorter {
                    path: path.to_owned(),
                    len,
                    found,
                });
            }
            let same = match last {
                Some(chunk) => is_same(&mut opened.file, chunk, len, gzip).map_err(io)?,
                None => true,
            };
            if !same || (clean && found > len) {
                return Err(OutError::Changed {
                    path: path.to_owned(),
                });
            }
            if found > len {
                opened.file.set_len(len).map_err(io)?;
            }
            opened.len = len;
        }
    }
    opened.file.seek(SeekFrom::Start(opened.len)).map_err(io)?;
    Ok(opened)
}

/// Whether the path stands for a stream of this process, even where that is redirected to a regular file.
fn is_device(path: &Path) -> bool {
    path.starts_with("/dev") || path.starts_with("/proc")
}

fn cannot_open(path: &Path, len: u64, source: io::Error) -> OutError {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    match (source.kind(), folder) {
        (io::ErrorKind::NotFound, Some(folder)) if !folder.exists() => OutError::NoFolder {
            path: path.to_owned(),
            folder: folder.to_owned(),
        },
        (io::ErrorKind::NotFound, _) if len > 0 => OutError::Gone {
            path: path.to_owned(),
            len,
        },
        _ => OutError::io(path)(source),
    }
}

/// Two writers of one file would cut each other's rows back. Where there are no locks, nothing is locked.
fn lock(file: &File, path: &Path) -> Result<(), OutError> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(OutError::Locked {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(_)) | Ok(()) => Ok(()),
    }
}

fn last_byte(file: &mut File) -> io::Result<u8> {
    let mut byte = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn is_same(file: &mut File, chunk: LastChunk<'_>, len: u64, gzip: bool) -> io::Result<bool> {
    file.seek(SeekFrom::Start(chunk.from))?;
    let mut stored = file.take(len.saturating_sub(chunk.from));
    let mut bytes = Vec::new();
    if gzip && stored.limit() > 0 {
        // A chunk that does not decompress is not the one that was written.
        if MultiGzDecoder::new(stored).read_to_end(&mut bytes).is_err() {
            return Ok(false);
        }
    } else {
        stored.read_to_end(&mut bytes)?;
    }
    Ok((chunk.is_same)(&bytes))
}
