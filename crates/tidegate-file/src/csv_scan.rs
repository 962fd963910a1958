//! Finds where a CSV record ends, without unescaping it.
//!
//! `csv-core` reads on to the end of the input behind a quote that never closes, and does not say where that
//! quote stood. So the end of a record is found first, under a limit; `csv-core` then gets one whole record.
//! Both must agree on what ends a record: a quote counts only at the start of a field, and `\r`, `\n` and `\r\n`
//! end a record outside quotes.

/// A scan over one record, continued as more of it is read.
#[derive(Debug)]
pub(crate) struct Scan {
    delimiter: u8,
    state: State,
    /// Bytes of the record seen so far.
    at: usize,
    /// Where the last quote opened.
    quote_at: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    FieldStart,
    Unquoted,
    Quoted,
    /// Behind a quote inside quotes: the first of two, or the closing one.
    QuoteInQuoted,
    /// Behind the `\r` that ended the record; a `\n` would belong to it.
    Return,
}

/// Where a record ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    /// Length without the line end.
    pub(crate) content: usize,
    /// Length with the line end.
    pub(crate) end: usize,
}

impl Scan {
    pub(crate) fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            state: State::FieldStart,
            at: 0,
            quote_at: 0,
        }
    }

    /// Looks for the end of the record that starts at `record[0]`; bytes seen before are not looked at again.
    pub(crate) fn find_end(&mut self, record: &[u8]) -> Option<End> {
        while let Some(&byte) = record.get(self.at) {
            match self.state {
                State::Return => {
                    let end = self.at + usize::from(byte == b'\n');
                    return Some(End {
                        content: self.at - 1,
                        end,
                    });
                }
                State::Quoted => match memchr::memchr(b'"', &record[self.at..]) {
                    Some(found) => {
                        self.at += found + 1;
                        self.state = State::QuoteInQuoted;
                        continue;
                    }
                    None => {
                        self.at = record.len();
                        return None;
                    }
                },
                State::FieldStart if byte == b'"' => {
                    self.quote_at = self.at;
                    self.state = State::Quoted;
                }
                State::QuoteInQuoted if byte == b'"' => self.state = State::Quoted,
                State::FieldStart | State::Unquoted | State::QuoteInQuoted => match byte {
                    b'\n' => {
                        return Some(End {
                            content: self.at,
                            end: self.at + 1,
                        });
                    }
                    b'\r' => self.state = State::Return,
                    _ if byte == self.delimiter => self.state = State::FieldStart,
                    _ => self.state = State::Unquoted,
                },
            }
            self.at += 1;
        }
        None
    }

    /// The end of a record when the input ended at `self.at`; `None` inside quotes.
    pub(crate) fn end_of_input(&self) -> Option<End> {
        match self.state {
            State::Quoted => None,
            State::Return => Some(End {
                content: self.at - 1,
                end: self.at,
            }),
            _ => Some(End {
                content: self.at,
                end: self.at,
            }),
        }
    }

    /// Whether the record has its line end.
    pub(crate) fn is_terminated(&self) -> bool {
        self.state == State::Return
    }

    /// Where the last quote opened.
    pub(crate) fn quote_at(&self) -> usize {
        self.quote_at
    }

    /// How many bytes nobody needs any more: all before a field that is still in quotes, else all.
    pub(crate) fn droppable(&self) -> usize {
        match self.state {
            State::Quoted | State::QuoteInQuoted => self.quote_at,
            State::Return => self.at - 1,
            State::FieldStart | State::Unquoted => self.at,
        }
    }

    /// Says that the first `len` bytes of the record, all droppable, are gone.
    pub(crate) fn dropped(&mut self, len: usize) {
        self.at -= len;
        self.quote_at = self.quote_at.saturating_sub(len);
    }
}
