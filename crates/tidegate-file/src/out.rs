use std::{
    fmt,
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};

use crate::{
    OutError,
    open::{self, Opened, Opening},
};

/// What is held before a commit. More is written at once; without its commit it is cut off by the next run.
const BUFFER: usize = 1024 * 1024;

/// How much a commit promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// The operating system has the bytes: they outlive this process, not a loss of power. After that the file may
    /// be shorter than a journal says, and the run cannot go on.
    None,
    /// The disk has the bytes: they outlive a loss of power. One `fdatasync` a commit.
    Data,
}

/// An output written in commits.
///
/// What is written is durable once [`commit`](Self::commit) returns. The length it returns is for a journal: a
/// later run opens the file with [`Opening::Resume`] and whatever was written beyond that length is cut off.
///
/// A name that ends in `.gz` is compressed; every commit ends a member, so that the file can be cut there.
///
/// A regular file is locked while it is open, so that two runs do not write it at once. Dropping without a commit
/// loses what was not committed.
///
/// # Examples
///
/// ```
/// use tidegate_file::{OutFile, Opening, Sync};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("out.jsonl");
/// let mut out = OutFile::open(&path, Opening::New { append: false })?;
/// out.write(b"{\"id\":1}\n")?;
/// assert_eq!(out.commit(Sync::None)?, 9);
/// out.write(b"{\"id\":2}\n")?; // never committed
/// drop(out);
///
/// let out = OutFile::open(&path, Opening::Resume { len: 9, last: None, clean: false })?;
/// assert_eq!(out.len(), 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct OutFile {
    path: PathBuf,
    target: Target,
    regular: bool,
    /// Length on disk: what was there, and what was written since.
    len: u64,
    /// Ready to be written to the target.
    pending: Vec<u8>,
    gzip: bool,
    /// The member that is being written; its bytes come before nothing, and after `pending`.
    member: Option<GzEncoder<Vec<u8>>>,
    /// Written to the target and not yet known to be on the disk.
    unsynced: bool,
    /// The folder does not durably know the file yet.
    unknown_to_folder: bool,
}

enum Target {
    File(File),
    Stdout,
}

impl OutFile {
    /// Opens an output. `-` and `/dev/stdout` are standard output.
    ///
    /// When appending to a text file whose last line has no end, the first thing written is that end.
    /// Opening a named pipe waits until someone reads from it.
    ///
    /// # Errors
    ///
    /// * [`OutError::NotEmpty`]: a new run, `append` is false, and the file holds something.
    /// * [`OutError::Gone`], [`OutError::Shorter`], [`OutError::Changed`]: the file is not what the journal says.
    /// * [`OutError::Locked`]: another run writes it.
    /// * [`OutError::NoFolder`], [`OutError::Io`].
    ///
    /// A file that is refused is not changed.
    pub fn open(path: impl AsRef<Path>, opening: Opening<'_>) -> Result<Self, OutError> {
        let path = path.as_ref();
        if path == Path::new("-") || path == Path::new("/dev/stdout") {
            let len = match opening {
                Opening::New { .. } => 0,
                Opening::Resume { len, .. } => len,
            };
            return Ok(Self::new(path, Target::Stdout, len, false));
        }
        let gzip = path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
        let Opened {
            file,
            len,
            regular,
            torn,
        } = open::open(path, opening, gzip)?;
        let mut out = Self::new(path, Target::File(file), len, regular);
        out.gzip = gzip;
        // A file that was empty may be new; to ask the folder once too often costs nothing.
        out.unknown_to_folder = regular && len == 0;
        if torn {
            out.pending.push(b'\n');
        }
        Ok(out)
    }

    /// Where it is written.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a later run can cut the output back to its last commit: only a regular file can be. Into anything
    /// else a row may come twice.
    #[must_use]
    pub fn is_resumable(&self) -> bool {
        self.regular
    }

    /// Whether what is written is compressed on its way.
    #[must_use]
    pub fn is_compressed(&self) -> bool {
        self.gzip
    }

    /// Bytes in the output at its last commit.
    #[must_use]
    #[expect(
        clippy::len_without_is_empty,
        reason = "`is_empty` is about rows still pending, too"
    )]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was ever written, so that a header belongs first.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.len == 0 && self.pending.is_empty() && self.member.is_none()
    }

    /// Adds bytes to the next commit.
    ///
    /// # Errors
    ///
    /// [`OutError::Io`] when more than 1 MiB was waiting and could not be written. Nothing is lost: the bytes are
    /// written by the next call that can.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), OutError> {
        if self.gzip {
            let member = self
                .member
                .get_or_insert_with(|| GzEncoder::new(Vec::new(), Compression::default()));
            member.write_all(bytes).map_err(OutError::io(&self.path))?;
            self.pending.append(member.get_mut());
        } else {
            self.pending.extend_from_slice(bytes);
        }
        if self.pending.len() >= BUFFER {
            self.flush()?;
        }
        Ok(())
    }

    /// Makes everything written so far durable, and returns the new length.
    ///
    /// # Errors
    ///
    /// [`OutError::Io`], of which [`OutError::is_full`] can be tried again: what was left is written then. A
    /// failed `fdatasync` cannot: the operating system may have dropped the bytes, so end the run and resume it.
    pub fn commit(&mut self, sync: Sync) -> Result<u64, OutError> {
        if let Some(member) = self.member.take() {
            let end = member.finish().map_err(OutError::io(&self.path))?;
            self.pending.extend_from_slice(&end);
        }
        self.flush()?;
        if sync == Sync::Data {
            self.sync().map_err(OutError::io(&self.path))?;
        }
        Ok(self.len)
    }

    fn new(path: &Path, target: Target, len: u64, regular: bool) -> Self {
        Self {
            path: path.to_owned(),
            target,
            regular,
            len,
            pending: Vec::new(),
            gzip: false,
            member: None,
            unsynced: false,
            unknown_to_folder: false,
        }
    }

    /// Writes what is pending. After an error the part that was written is no longer pending.
    fn flush(&mut self) -> Result<(), OutError> {
        let mut done = 0;
        let result = loop {
            if done == self.pending.len() {
                break self.target.flush();
            }
            match self.target.write(&self.pending[done..]) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => done += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.pending.drain(..done);
        self.len += done as u64;
        self.unsynced |= done > 0;
        result.map_err(OutError::io(&self.path))
    }

    fn sync(&mut self) -> io::Result<()> {
        let Target::File(file) = &self.target else {
            return Ok(());
        };
        if !self.regular || !self.unsynced {
            return Ok(());
        }
        file.sync_data()?;
        self.unsynced = false;
        if self.unknown_to_folder {
            sync_folder(&self.path)?;
            self.unknown_to_folder = false;
        }
        Ok(())
    }
}

/// Makes the name of a new file durable, which syncing the file does not.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Stdout => io::stdout().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stdout => io::stdout().flush(),
        }
    }
}

impl fmt::Debug for OutFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutFile")
            .field("path", &self.path)
            .field("resumable", &self.regular)
            .field("len", &self.len)
            .field("pending", &self.pending.len())
            .finish_non_exhaustive()
    }
}
