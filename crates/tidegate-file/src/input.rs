use std::{
    fmt,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;

use crate::{Fingerprint, ReadError};

/// What one read asks for. Records share a chunk, so this is also what a single short record may keep alive.
const CHUNK: usize = 64 * 1024;

/// Below this much room in the current chunk a new one is made; above it, short reads of a pipe fill it up.
const LEAST_ROOM: usize = 8 * 1024;

const UTF8_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Where to go on: the `end` of a record read before, and the line there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Offset in bytes, after decompression.
    pub offset: u64,
    /// The line that starts there, counted from 1.
    pub line: u64,
}

impl Start {
    /// The beginning of the input.
    pub const BEGINNING: Self = Self { offset: 0, line: 1 };
}

impl Default for Start {
    fn default() -> Self {
        Self::BEGINNING
    }
}

/// The bytes of an input: a file, a gzip file, or any other reader.
///
/// A byte order mark of UTF-8 at its beginning is dropped; offsets count it.
pub struct Input {
    bytes: Source,
    regular: bool,
    fingerprint: Option<Fingerprint>,
    /// Read and not yet taken.
    buffer: BytesMut,
    /// Offset of the first byte of `buffer`.
    offset: u64,
    ended: bool,
}

enum Source {
    /// Can seek.
    File(File),
    /// Can only be read on: compressed, or no file.
    Stream(Box<dyn Read + Send>),
}

impl Input {
    /// Opens a file. A name that ends in `.gz` is decompressed, all its members one after the other.
    ///
    /// Opening a named pipe waits until someone writes to it.
    ///
    /// # Errors
    ///
    /// [`ReadError::Open`] and [`ReadError::Folder`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let path = path.as_ref();
        let failed = |source| ReadError::Open {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(ReadError::Folder {
                path: path.to_owned(),
            });
        }
        let regular = metadata.is_file();
        let gzip = path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
        let bytes = if gzip {
            Source::Stream(Box::new(MultiGzDecoder::new(io::BufReader::with_capacity(
                CHUNK, file,
            ))))
        } else if regular {
            Source::File(file)
        } else {
            Source::Stream(Box::new(file))
        };
        let fingerprint = regular.then(|| Fingerprint::from(&metadata));
        Ok(Self {
            regular,
            fingerprint,
            ..Self::new(bytes)
        })
    }

    /// Reads from anything, such as standard input. It is not decompressed.
    #[must_use]
    pub fn from_reader(reader: Box<dyn Read + Send>) -> Self {
        Self::new(Source::Stream(reader))
    }

    /// Whether this is a regular file, which can be read again from the beginning; a pipe cannot.
    #[must_use]
    pub fn is_regular(&self) -> bool {
        self.regular
    }

    /// What the file was when it was opened; `None` unless it is a regular file.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
    }

    fn new(bytes: Source) -> Self {
        Self {
            bytes,
            regular: false,
            fingerprint: None,
            buffer: BytesMut::new(),
            offset: 0,
            ended: false,
        }
    }

    /// The bytes at hand; more come by [`fill`](Self::fill).
    pub(crate) fn buffer(&self) -> &[u8] {
        &self.buffer
    }

    /// Offset of the first byte at hand.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes `len` bytes without copying them.
    pub(crate) fn take(&mut self, len: usize) -> Bytes {
        self.offset += len as u64;
        self.buffer.split_to(len).freeze()
    }

    /// Drops `len` bytes.
    pub(crate) fn skip(&mut self, len: usize) {
        drop(self.take(len));
    }

    /// Reads at least one more byte, or says `false` at the end.
    pub(crate) fn fill(&mut self) -> Result<bool, ReadError> {
        if self.ended {
            return Ok(false);
        }
        let len = self.buffer.len();
        let spare = self.buffer.capacity() - len;
        let room = if spare >= LEAST_ROOM {
            spare.min(CHUNK)
        } else {
            CHUNK
        };
        self.buffer.resize(len + room, 0);
        let read = loop {
            match self.bytes.read(&mut self.buffer[len..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        self.buffer.truncate(len + *read.as_ref().unwrap_or(&0));
        let read = read.map_err(|source| self.failed(source))?;
        self.ended = read == 0;
        Ok(read > 0)
    }

    /// Drops the byte order mark. To be called at the beginning only.
    pub(crate) fn skip_mark(&mut self) -> Result<(), ReadError> {
        while self.buffer.len() < UTF8_MARK.len() && self.fill()? {}
        if self.buffer.starts_with(UTF8_MARK) {
            self.skip(UTF8_MARK.len());
        } else if self.buffer.starts_with(b"\xFF\xFE") || self.buffer.starts_with(b"\xFE\xFF") {
            return Err(ReadError::Utf16);
        }
        Ok(())
    }

    /// Goes forward to `offset`: a file seeks, anything else is read and dropped.
    pub(crate) fn advance_to(&mut self, offset: u64) -> Result<(), ReadError> {
        if let Source::File(file) = &mut self.bytes
            && offset > self.offset + self.buffer.len() as u64
        {
            let len = file.metadata().map(|metadata| metadata.len());
            let moved = file.seek(SeekFrom::Start(offset));
            let len = len
                .and_then(|len| moved.map(|_| len))
                .map_err(|source| self.failed(source))?;
            if len < offset {
                return Err(ReadError::Shorter { offset, len });
            }
            self.buffer.clear();
            self.offset = offset;
        }
        while self.offset < offset {
            let wanted = usize::try_from(offset - self.offset).unwrap_or(usize::MAX);
            self.skip(wanted.min(self.buffer.len()));
            if self.offset < offset && !self.fill()? {
                return Err(ReadError::Shorter {
                    offset,
                    len: self.offset,
                });
            }
        }
        Ok(())
    }

    fn failed(&self, source: io::Error) -> ReadError {
        ReadError::Io {
            offset: self.offset + self.buffer.len() as u64,
            source,
        }
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Stream(stream) => stream.read(buffer),
        }
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input")
            .field("regular", &self.regular)
            .field("offset", &self.offset)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
