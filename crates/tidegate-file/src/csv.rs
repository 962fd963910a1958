use std::collections::HashSet;

use bytes::Bytes;
use csv_core::ReadRecordResult;

use crate::{
    Bad, CsvItem, HeaderProblem, Input, Problem, ReadError, Row, Start,
    csv_scan::{End, Scan},
    item,
    row::Fields,
};

/// How a CSV input is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CsvOptions {
    /// What stands between two fields: one ASCII character. Default: `,`.
    pub delimiter: u8,
    /// Bytes a record may have. Default: [`DEFAULT_MAX_RECORD`](crate::DEFAULT_MAX_RECORD).
    pub max_record: usize,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self {
            delimiter: b',',
            max_record: item::DEFAULT_MAX_RECORD,
        }
    }
}

/// Reads CSV as RFC 4180 has it: a header, then rows, quoted fields may hold delimiters and line ends.
///
/// Records end at `\n`, `\r\n` or `\r`; empty lines are no records. Everything is text: nothing is trimmed, and
/// an empty field is an empty text.
///
/// # Examples
///
/// ```
/// use tidegate_file::{CsvItem, CsvOptions, CsvReader, Input, Start};
///
/// let input = Input::from_reader(Box::new(&b"id,name\n1,\"Cavern Airstrip, 2\"\n"[..]));
/// let mut reader = CsvReader::new(input, Start::BEGINNING, CsvOptions::default())?;
/// assert!(reader.has_column("name"));
/// let Some(CsvItem::Row(row)) = reader.next()? else { panic!("one row") };
/// assert_eq!(row.get(1), Some("Cavern Airstrip, 2"));
/// # Ok::<(), tidegate_file::ReadError>(())
/// ```
#[derive(Debug)]
pub struct CsvReader {
    input: Input,
    options: CsvOptions,
    columns: Vec<String>,
    /// Where the first row may start.
    first: Start,
    /// Number of the line that starts at the input's offset.
    line: u64,
    parser: csv_core::Reader,
}

impl CsvReader {
    /// Reads the header, then goes to `start`, which is the beginning or the `end` of a row read before.
    ///
    /// # Errors
    ///
    /// [`ReadError::Header`] and [`ReadError::UnclosedQuote`] for the header, [`ReadError::Shorter`] when the
    /// input ends before `start`, [`ReadError::Delimiter`], [`ReadError::Utf16`], [`ReadError::Io`].
    pub fn new(mut input: Input, start: Start, options: CsvOptions) -> Result<Self, ReadError> {
        let CsvOptions { delimiter, .. } = options;
        if !delimiter.is_ascii() || matches!(delimiter, b'"' | b'\n' | b'\r') {
            return Err(ReadError::Delimiter { delimiter });
        }
        input.skip_mark()?;
        let parser = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
        let first = Start::BEGINNING;
        let mut reader = Self {
            input,
            options,
            columns: Vec::new(),
            first,
            line: first.line,
            parser,
        };
        reader.columns = reader.read_header()?;
        reader.first = Start {
            offset: reader.input.offset(),
            line: reader.line,
        };
        if start.offset > reader.first.offset {
            reader.input.advance_to(start.offset)?;
            reader.line = start.line;
        }
        Ok(reader)
    }

    /// The names of the columns.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Whether the header has this column; case counts.
    #[must_use]
    pub fn has_column(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column == name)
    }

    /// Where the rows start: behind the header.
    #[must_use]
    pub fn first_row(&self) -> Start {
        self.first
    }

    /// The delimiter that the file seems to have, when the header is one column that holds another usual one.
    #[must_use]
    pub fn likely_delimiter(&self) -> Option<u8> {
        let [only] = self.columns.as_slice() else {
            return None;
        };
        [b';', b'\t', b'|', b',']
            .into_iter()
            .find(|&byte| only.as_bytes().contains(&byte))
    }

    /// The next row, or `None` at the end of the input.
    ///
    /// # Errors
    ///
    /// [`ReadError::UnclosedQuote`]: no record after it can be trusted. [`ReadError::Io`].
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator would hide that an error is final"
    )]
    pub fn next(&mut self) -> Result<Option<CsvItem>, ReadError> {
        let Some(Record {
            found,
            line,
            start,
            end,
            unterminated,
        }) = self.next_record()?
        else {
            return Ok(None);
        };
        let next_line = self.line;
        let bad = |head, problem| {
            Ok(Some(CsvItem::Bad(Bad {
                line,
                start,
                end,
                next_line,
                head,
                problem,
                unterminated,
            })))
        };
        let bytes = match found {
            Found::Whole(bytes) => bytes,
            Found::TooLong { head } => {
                return bad(
                    head,
                    Problem::TooLong {
                        limit: self.options.max_record,
                    },
                );
            }
        };
        let fields = match self.parse(&bytes) {
            Ok(fields) => fields,
            Err(at) => return bad(item::head(&bytes), Problem::NotUtf8 { at }),
        };
        let (expected, found) = (self.columns.len(), fields.ends.len());
        if expected != found {
            return bad(item::head(&bytes), Problem::FieldCount { expected, found });
        }
        Ok(Some(CsvItem::Row(Row {
            bytes,
            line,
            start,
            end,
            next_line,
            unterminated,
            fields,
        })))
    }

    fn read_header(&mut self) -> Result<Vec<String>, ReadError> {
        let record = self.next_record()?;
        let line = record.as_ref().map_or(1, |record| record.line);
        let fault = |problem| ReadError::Header { line, problem };
        let bytes = match record.map(|record| record.found) {
            None => return Err(fault(HeaderProblem::Missing)),
            Some(Found::TooLong { .. }) => {
                return Err(fault(HeaderProblem::TooLong {
                    limit: self.options.max_record,
                }));
            }
            Some(Found::Whole(bytes)) => bytes,
        };
        let fields = self
            .parse(&bytes)
            .map_err(|_| fault(HeaderProblem::NotUtf8))?;
        let mut columns = Vec::with_capacity(fields.ends.len());
        let mut seen = HashSet::new();
        for column in 0..fields.ends.len() {
            let name = fields.get(column).expect("a column has an end");
            if name.trim().is_empty() {
                return Err(fault(HeaderProblem::Unnamed { column: column + 1 }));
            }
            if !seen.insert(name) {
                return Err(fault(HeaderProblem::Twice {
                    name: name.to_owned(),
                }));
            }
            columns.push(name.to_owned());
        }
        Ok(columns)
    }

    /// Takes the next record off the input, empty lines before it and its line end included.
    fn next_record(&mut self) -> Result<Option<Record>, ReadError> {
        if !self.skip_empty_lines()? {
            return Ok(None);
        }
        let (line, start) = (self.line, self.input.offset());
        // Two more than the limit may still be the `\r\n` of a record that is just short enough.
        let window = self.options.max_record.saturating_add(2);
        let mut scan = Scan::new(self.options.delimiter);
        let mut head = None;
        let (End { content, end }, unterminated) = loop {
            let seen = self.input.buffer().len().min(window);
            if let Some(end) = scan.find_end(&self.input.buffer()[..seen]) {
                break (end, false);
            }
            if seen == window {
                let len = scan.droppable();
                if len == 0 {
                    return Err(self.unclosed(&scan, Some(self.options.max_record)));
                }
                head.get_or_insert_with(|| item::head(self.input.buffer()));
                self.line += line_ends(&self.input.buffer()[..len]);
                self.input.skip(len);
                scan.dropped(len);
            } else if !self.input.fill()? {
                let Some(end) = scan.end_of_input() else {
                    return Err(self.unclosed(&scan, None));
                };
                break (end, !scan.is_terminated());
            }
        };
        let bytes = self.input.take(end).slice(..content);
        self.line += line_ends(&bytes) + 1;
        if head.is_none() && content > self.options.max_record {
            head = Some(item::head(&bytes));
        }
        let found = head.map_or(Found::Whole(bytes), |head| Found::TooLong { head });
        Ok(Some(Record {
            found,
            line,
            start,
            end: self.input.offset(),
            unterminated,
        }))
    }

    /// Goes to the first byte of a record; `false` if there is none.
    fn skip_empty_lines(&mut self) -> Result<bool, ReadError> {
        loop {
            let buffer = self.input.buffer();
            let empty = buffer
                .iter()
                .take_while(|byte| matches!(byte, b'\r' | b'\n'))
                .count();
            let more = empty < buffer.len();
            self.line += line_ends(&buffer[..empty]);
            self.input.skip(empty);
            if more || !self.input.fill()? {
                return Ok(more);
            }
        }
    }

    /// Splits a whole record into fields, or says which byte of it is not UTF-8.
    fn parse(&mut self, record: &[u8]) -> Result<Fields, usize> {
        let mut text = vec![0; record.len()];
        let mut ends = vec![0; self.columns.len().max(8)];
        let (mut text_len, mut ends_len) = (0, 0);
        let mut rest = record;
        loop {
            // Behind the record comes a line end: the parser then says that the record is complete.
            let input = if rest.is_empty() { b"\n" } else { rest };
            let (result, read, written, fields) =
                self.parser
                    .read_record(input, &mut text[text_len..], &mut ends[ends_len..]);
            rest = &rest[read.min(rest.len())..];
            text_len += written;
            ends_len += fields;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => text.resize(text.len() + 1, 0),
                ReadRecordResult::OutputEndsFull => ends.resize(ends.len() * 2, 0),
                ReadRecordResult::Record | ReadRecordResult::End => break,
            }
        }
        text.truncate(text_len);
        ends.truncate(ends_len);
        let text = String::from_utf8(text).map_err(|_| {
            std::str::from_utf8(record).map_or_else(|error| error.valid_up_to(), str::len)
        })?;
        Ok(Fields { text, ends })
    }

    fn unclosed(&self, scan: &Scan, limit: Option<usize>) -> ReadError {
        let line = self.line + line_ends(&self.input.buffer()[..scan.quote_at()]);
        ReadError::UnclosedQuote { line, limit }
    }
}

/// A record taken off the input.
struct Record {
    found: Found,
    line: u64,
    start: u64,
    end: u64,
    unterminated: bool,
}

enum Found {
    /// Its line end taken off.
    Whole(Bytes),
    TooLong {
        head: Bytes,
    },
}

fn line_ends(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}
