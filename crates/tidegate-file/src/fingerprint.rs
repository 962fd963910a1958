use std::{
    fs::{self, File, Metadata},
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

/// What tells whether a file is still the one that was read before.
///
/// Equal fingerprints: the file is unchanged. Equal [`device`](Self::device) and [`inode`](Self::inode) with a
/// larger [`size`](Self::size): it may have grown; compare its [`tail`] before the mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// The device that holds the file; 0 where there is no such thing.
    pub device: u64,
    /// The file's number on its device; 0 where there is no such thing.
    pub inode: u64,
    /// Length in bytes.
    pub size: u64,
    /// Last change, in nanoseconds since 1970; 0 if unknown.
    pub mtime_ns: i128,
}

impl Fingerprint {
    /// The fingerprint of the file at `path`, links followed.
    ///
    /// # Errors
    ///
    /// Those of [`fs::metadata`].
    pub fn of(path: impl AsRef<Path>) -> io::Result<Self> {
        fs::metadata(path).map(|metadata| Self::from(&metadata))
    }
}

impl From<&Metadata> for Fingerprint {
    #[cfg(unix)]
    fn from(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            mtime_ns: i128::from(metadata.mtime()) * 1_000_000_000
                + i128::from(metadata.mtime_nsec()),
        }
    }

    #[cfg(not(unix))]
    fn from(metadata: &Metadata) -> Self {
        let since_1970 = metadata
            .modified()
            .ok()
            .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        let mtime_ns = since_1970
            .and_then(|time| i128::try_from(time.as_nanos()).ok())
            .unwrap_or(0);
        Self {
            device: 0,
            inode: 0,
            size: metadata.len(),
            mtime_ns,
        }
    }
}

/// The last `len` bytes of a file before offset `before`; fewer when the file starts there.
///
/// # Errors
///
/// Those of opening and reading; [`io::ErrorKind::UnexpectedEof`] when the file ends before `before`.
pub fn tail(path: impl AsRef<Path>, before: u64, len: usize) -> io::Result<Vec<u8>> {
    let len = usize::try_from(before).unwrap_or(usize::MAX).min(len);
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(before - len as u64))?;
    let mut bytes = vec![0; len];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}
