use bytes::Bytes;

use crate::{Bad, Input, Item, Problem, Raw, ReadError, Start, item};

/// Cuts an input into lines, one record each.
///
/// A line ends at `\n` or `\r\n`; the last one may lack its end. Blank lines (spaces, tabs, `\r`) are no
/// records. JSON is not parsed here.
///
/// # Examples
///
/// ```
/// use tidegate_file::{Input, Item, JsonlReader, Start};
///
/// let input = Input::from_reader(Box::new(&b"{\"id\":1}\n\n{\"id\":2}\n"[..]));
/// let mut reader = JsonlReader::new(input, Start::BEGINNING)?;
/// let mut lines = Vec::new();
/// while let Some(item) = reader.next()? {
///     if let Item::Record(record) = item {
///         lines.push((record.line, record.bytes));
///     }
/// }
/// assert_eq!(lines, [(1, "{\"id\":1}".into()), (3, "{\"id\":2}".into())]);
/// # Ok::<(), tidegate_file::ReadError>(())
/// ```
#[derive(Debug)]
pub struct JsonlReader {
    input: Input,
    /// Number of the line that starts at the input's offset.
    line: u64,
    max_record: usize,
}

impl JsonlReader {
    /// Reads from `start` on, which is the beginning or the `end` of a record read before.
    ///
    /// A record may have [`DEFAULT_MAX_RECORD`](crate::DEFAULT_MAX_RECORD) bytes.
    ///
    /// # Errors
    ///
    /// [`ReadError::Shorter`] when the input ends before `start`, [`ReadError::Utf16`], [`ReadError::Io`].
    pub fn new(mut input: Input, start: Start) -> Result<Self, ReadError> {
        if start.offset == 0 {
            input.skip_mark()?;
        } else {
            input.advance_to(start.offset)?;
        }
        Ok(Self {
            input,
            line: start.line,
            max_record: item::DEFAULT_MAX_RECORD,
        })
    }

    /// Sets how many bytes a record may have, its line end not counted.
    #[must_use]
    pub fn max_record(mut self, bytes: usize) -> Self {
        self.max_record = bytes;
        self
    }

    /// The next record, or `None` at the end of the input.
    ///
    /// # Errors
    ///
    /// [`ReadError::Io`]. The reader may be asked again, but what it lost is lost: start anew from the `end` of
    /// the last record.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator would hide that an error is final"
    )]
    pub fn next(&mut self) -> Result<Option<Item>, ReadError> {
        loop {
            let start = self.input.offset();
            let line = self.line;
            let Some(found) = self.next_line()? else {
                return Ok(None);
            };
            self.line += 1;
            let end = self.input.offset();
            let (unterminated, content) = match found {
                Line::Whole {
                    content,
                    unterminated,
                } => (unterminated, content),
                Line::TooLong { head, unterminated } => {
                    let problem = Problem::TooLong {
                        limit: self.max_record,
                    };
                    return Ok(Some(Item::Bad(Bad {
                        line,
                        start,
                        end,
                        next_line: self.line,
                        head,
                        problem,
                        unterminated,
                    })));
                }
            };
            let problem = if content.len() > self.max_record {
                Problem::TooLong {
                    limit: self.max_record,
                }
            } else if is_blank(&content) {
                continue;
            } else if let Err(error) = std::str::from_utf8(&content) {
                Problem::NotUtf8 {
                    at: error.valid_up_to(),
                }
            } else {
                return Ok(Some(Item::Record(Raw {
                    bytes: content,
                    line,
                    start,
                    end,
                    unterminated,
                })));
            };
            let head = item::head(&content);
            return Ok(Some(Item::Bad(Bad {
                line,
                start,
                end,
                next_line: self.line,
                head,
                problem,
                unterminated,
            })));
        }
    }

    /// Takes the next line off the input, its end included.
    fn next_line(&mut self) -> Result<Option<Line>, ReadError> {
        let mut searched = 0;
        loop {
            if let Some(found) = memchr::memchr(b'\n', &self.input.buffer()[searched..]) {
                let taken = self.input.take(searched + found + 1);
                let content = without_return(taken.slice(..taken.len() - 1));
                return Ok(Some(Line::Whole {
                    content,
                    unterminated: false,
                }));
            }
            searched = self.input.buffer().len();
            // One more than the limit may still be the `\r` of a line that is just short enough.
            if searched > self.max_record.saturating_add(1) {
                return self.skip_line().map(Some);
            }
            if !self.input.fill()? {
                if searched == 0 {
                    return Ok(None);
                }
                let content = without_return(self.input.take(searched));
                return Ok(Some(Line::Whole {
                    content,
                    unterminated: true,
                }));
            }
        }
    }

    /// Drops the rest of a line that is too long, chunk by chunk.
    fn skip_line(&mut self) -> Result<Line, ReadError> {
        let head = item::head(self.input.buffer());
        loop {
            if let Some(found) = memchr::memchr(b'\n', self.input.buffer()) {
                self.input.skip(found + 1);
                return Ok(Line::TooLong {
                    head,
                    unterminated: false,
                });
            }
            self.input.skip(self.input.buffer().len());
            if !self.input.fill()? {
                return Ok(Line::TooLong {
                    head,
                    unterminated: true,
                });
            }
        }
    }
}

enum Line {
    /// Its end taken off.
    Whole { content: Bytes, unterminated: bool },
    /// Given up before its end was seen.
    TooLong { head: Bytes, unterminated: bool },
}

fn without_return(line: Bytes) -> Bytes {
    if line.ends_with(b"\r") {
        line.slice(..line.len() - 1)
    } else {
        line
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}
