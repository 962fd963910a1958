//! The sources, as pieces that know where they stood and that become JSON when they are worked on.

mod pump;

use crate::{
    journal::{Mark, SourceMark},
    plan::{ColumnType, Plan, SourceKind},
};
use bytes::Bytes;
use pump::Pump;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    vec,
};
use tidegate_file::{
    CsvItem, CsvOptions, CsvReader, Fingerprint, Input, Item, JsonlReader, ReadError, Start,
};
use tidegate_sql::{Cell, Pages, SqlError};

/// Bytes before the mark that tell whether a grown file is still the one that was read.
const TAIL: usize = 64 * 1024;

/// Why a source cannot be opened or read on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A file.
    #[error("{}: {}", name, with_source(error))]
    Read {
        /// The file, or standard input.
        name: String,
        /// Why.
        error: ReadError,
    },
    /// A database.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// The header lacks a column that the flow relies on.
    #[error("{name}: the header has no column `{column}` (it has: {known})")]
    NoColumn {
        /// The file.
        name: String,
        /// The column.
        column: String,
        /// Those that it has.
        known: String,
    },
}

fn with_source(error: &ReadError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// An open source.
#[derive(Debug)]
pub(crate) struct Opened {
    kind: Kind,
    name: String,
}

#[derive(Debug)]
enum Kind {
    Jsonl(JsonlReader),
    Csv {
        reader: Box<CsvReader>,
        types: Vec<ColumnType>,
        names: Vec<String>,
    },
    Sqlite {
        pages: Pages,
        rows: vec::IntoIter<Vec<Cell>>,
        names: Vec<String>,
    },
}

/// A record that was only looked at.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) start: Mark,
    /// Or why there is none.
    pub(crate) json: Result<Bytes, String>,
}

/// One record of a source, as it stood.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) start: Mark,
    /// Where the source goes on.
    pub(super) after: Mark,
    /// The last one, without its end.
    pub(super) unterminated: bool,
    pub(super) body: Body,
}

#[derive(Debug)]
pub(super) enum Body {
    /// A line that should be JSON.
    Line(Bytes),
    /// A row of CSV.
    Row(tidegate_file::Row),
    /// A row of a query.
    Cells(Vec<Cell>),
    /// Not usable, with its head.
    Bad { cause: String, head: Bytes },
}

/// The regular file of a source, if it is one.
pub(crate) fn file(plan: &Plan) -> Option<&Path> {
    match &plan.source.kind {
        SourceKind::Jsonl { path } | SourceKind::Csv { path, .. } => path.as_deref(),
        SourceKind::Sqlite { .. } => None,
    }
}

/// What the source's file looks like now.
pub(crate) fn fingerprint(plan: &Plan) -> Option<SourceMark> {
    let path = file(plan)?;
    if !std::fs::metadata(path).is_ok_and(|found| found.is_file()) {
        return None;
    }
    let Fingerprint {
        device,
        inode,
        size,
        mtime_ns,
    } = Fingerprint::of(path).ok()?;
    Some(SourceMark {
        device,
        inode,
        size,
        mtime_ns,
        tail: None,
    })
}

/// The hash of the bytes before the mark; none for a file that cannot be read at a place.
pub(crate) fn tail_hash(plan: &Plan, mark: Mark) -> Option<String> {
    let path = file(plan).filter(|path| !is_gzip(path))?;
    let bytes = tidegate_file::tail(path, mark.offset, TAIL).ok()?;
    Some(blake3::hash(&bytes).to_hex()[..32].to_owned())
}

/// Whether the file is unchanged, so that every position of an earlier run still holds.
pub(crate) fn is_same(known: &SourceMark, now: &SourceMark) -> bool {
    (known.device, known.inode, known.size, known.mtime_ns)
        == (now.device, now.inode, now.size, now.mtime_ns)
}

/// Whether the file has only grown behind the mark, so that positions before it still hold.
pub(crate) fn has_grown(plan: &Plan, known: &SourceMark, now: &SourceMark, mark: Mark) -> bool {
    (known.device, known.inode) == (now.device, now.inode)
        && ends_a_line(plan, mark)
        && now.size >= known.size
        && known.tail.is_some()
        && known.tail == tail_hash(plan, mark)
}

/// Whether the mark stands at the end of a line. A last line without its end was taken as it was; if its writer has gone on
/// with it, positions do not hold any more.
fn ends_a_line(plan: &Plan, mark: Mark) -> bool {
    let Some(path) = file(plan).filter(|_| mark.offset > 0) else {
        return true;
    };
    let is_end = |before: u64| {
        tidegate_file::tail(path, before, 1).is_ok_and(|byte| byte == b"\n" || byte == b"\r")
    };
    is_end(mark.offset) || is_end(mark.offset + 1)
}

/// Whether reading can begin at a place; else the source is read from its beginning, and settled positions passed over.
pub(crate) fn can_seek(plan: &Plan) -> bool {
    is_stored(plan) && file(plan).is_some_and(|path| !is_gzip(path))
}

/// Whether all of the source is there already: a file or a database, not a pipe.
pub(crate) fn is_stored(plan: &Plan) -> bool {
    let is_file = |path: &Path| std::fs::metadata(path).is_ok_and(|found| found.is_file());
    match &plan.source.kind {
        SourceKind::Sqlite { .. } => true,
        SourceKind::Jsonl { .. } | SourceKind::Csv { .. } => file(plan).is_some_and(is_file),
    }
}

/// Whether bytes of the file are not bytes of records.
pub(crate) fn is_compressed(plan: &Plan) -> bool {
    file(plan).is_some_and(is_gzip)
}

/// Whether the source names columns that every record has.
pub(crate) fn has_columns(plan: &Plan) -> bool {
    match &plan.source.kind {
        // Standard input can be read once: its header is not looked at in advance.
        SourceKind::Jsonl { .. } | SourceKind::Csv { path: None, .. } => false,
        SourceKind::Csv {
            path: Some(path), ..
        } => std::fs::metadata(path).is_ok_and(|found| found.is_file()),
        SourceKind::Sqlite { .. } => true,
    }
}

fn is_gzip(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("gz"))
}

impl Opened {
    /// Opens the source of `plan` at `start`. Setting `stop` ends the wait for a pipe or standard input.
    pub(crate) fn open(
        plan: &Plan,
        start: Mark,
        stop: &Arc<AtomicBool>,
    ) -> Result<Opened, SourceError> {
        let place = Start {
            offset: start.offset,
            line: start.line,
        };
        let name = file(plan).map_or_else(
            || "standard input".to_owned(),
            |path| path.display().to_string(),
        );
        let failed = |error| SourceError::Read {
            name: name.clone(),
            error,
        };
        let kind = match &plan.source.kind {
            SourceKind::Jsonl { path } => {
                let input = input(path, stop).map_err(failed)?;
                Kind::Jsonl(
                    JsonlReader::new(input, place)
                        .map_err(failed)?
                        .max_record(plan.source.max_record),
                )
            }
            SourceKind::Csv { path, options } => {
                let input = input(path, stop).map_err(failed)?;
                let csv = CsvOptions {
                    delimiter: options.delimiter,
                    max_record: plan.source.max_record,
                };
                let reader = CsvReader::new(input, place, csv).map_err(failed)?;
                let names = reader.columns().to_vec();
                if let Some(column) = options
                    .types
                    .keys()
                    .find(|column| !reader.has_column(column))
                {
                    return Err(SourceError::NoColumn {
                        name,
                        column: column.clone(),
                        known: names.join(", "),
                    });
                }
                let types = names
                    .iter()
                    .map(|name| options.types.get(name).copied().unwrap_or(ColumnType::Text))
                    .collect();
                Kind::Csv {
                    reader: Box::new(reader),
                    types,
                    names,
                }
            }
            SourceKind::Sqlite {
                path,
                query,
                key_column,
            } => {
                let pages = Pages::open(path, query, key_column, Pages::DEFAULT_PAGE)?;
                let names = pages.columns().to_vec();
                Kind::Sqlite {
                    pages,
                    rows: Vec::new().into_iter(),
                    names,
                }
            }
        };
        Ok(Opened { kind, name })
    }

    /// The columns that every record has; none for JSONL.
    pub(crate) fn columns(&self) -> &[String] {
        match &self.kind {
            Kind::Jsonl(_) => &[],
            Kind::Csv { names, .. } | Kind::Sqlite { names, .. } => names,
        }
    }

    /// The next record; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Piece>, SourceError> {
        let failed = |error| SourceError::Read {
            name: self.name.clone(),
            error,
        };
        match &mut self.kind {
            Kind::Jsonl(reader) => Ok(reader.next().map_err(failed)?.map(|item| match item {
                Item::Record(raw) => piece(
                    raw.line,
                    raw.start,
                    raw.next_start(),
                    raw.unterminated,
                    Body::Line(raw.bytes),
                ),
                Item::Bad(bad) => bad_piece(bad),
            })),
            Kind::Csv { reader, .. } => Ok(reader.next().map_err(failed)?.map(|item| match item {
                CsvItem::Row(row) => piece(
                    row.line,
                    row.start,
                    row.next_start(),
                    row.unterminated,
                    Body::Row(row),
                ),
                CsvItem::Bad(bad) => bad_piece(bad),
            })),
            Kind::Sqlite { pages, rows, .. } => {
                if rows.as_slice().is_empty() {
                    *rows = pages.next_page()?.into_iter();
                }
                let nowhere = Mark { offset: 0, line: 0 };
                Ok(rows.next().map(|cells| Piece {
                    start: nowhere,
                    after: nowhere,
                    unterminated: false,
                    body: Body::Cells(cells),
                }))
            }
        }
    }

    /// The next record as JSON, for looking at.
    pub(crate) fn next_json(&mut self) -> Result<Option<Seen>, SourceError> {
        let piece = self.next()?;
        Ok(piece.map(|piece| Seen {
            start: piece.start,
            json: self.json(&piece.body),
        }))
    }

    /// The record as JSON.
    ///
    /// # Errors
    /// One line that says what is wrong with it.
    pub(super) fn json(&self, body: &Body) -> Result<Bytes, String> {
        match (body, &self.kind) {
            (Body::Line(line), _) => Ok(line.clone()),
            (Body::Row(row), Kind::Csv { names, types, .. }) => {
                let mut json = Members::new(row.bytes.len() + names.len() * 16);
                for ((name, kind), field) in names.iter().zip(types).zip(row.fields()) {
                    json.name(name);
                    typed(&mut json.bytes, name, *kind, field)?;
                }
                Ok(json.end())
            }
            (Body::Cells(cells), Kind::Sqlite { names, .. }) => {
                let mut json = Members::new(names.len() * 32);
                for (name, cell) in names.iter().zip(cells) {
                    json.name(name);
                    sql_cell(&mut json.bytes, name, cell)?;
                }
                Ok(json.end())
            }
            (Body::Bad { cause, .. }, _) => Err(cause.clone()),
            (Body::Row(_) | Body::Cells(_), _) => Err("a row of another kind of source".to_owned()),
        }
    }

    /// What is kept of a record that cannot be used: a row as JSON whatever is wrong with its cells, so that it can be tried
    /// again; a line as it stood.
    pub(super) fn as_it_stood(&self, body: &Body) -> Bytes {
        match (body, &self.kind) {
            (Body::Line(line), _) => line.clone(),
            (Body::Bad { head, .. }, _) => head.clone(),
            (Body::Row(row), Kind::Csv { names, .. }) => {
                let mut json = Members::new(row.bytes.len() + names.len() * 16);
                for (name, field) in names.iter().zip(row.fields()) {
                    json.name(name);
                    push(&mut json.bytes, field);
                }
                json.end()
            }
            (Body::Cells(cells), Kind::Sqlite { names, .. }) => {
                let mut json = Members::new(names.len() * 32);
                for (name, cell) in names.iter().zip(cells) {
                    json.name(name);
                    if sql_cell(&mut json.bytes, name, cell).is_err() {
                        json.bytes.extend_from_slice(b"null");
                    }
                }
                json.end()
            }
            (Body::Row(row), _) => row.bytes.clone(),
            (Body::Cells(_), _) => Bytes::new(),
        }
    }
}

/// A record that was kept, under the types that its columns have now.
///
/// # Errors
/// As [`Opened::json`].
pub(super) fn typed_again(plan: &Plan, raw: Bytes) -> Result<Bytes, String> {
    let SourceKind::Csv { options, .. } = &plan.source.kind else {
        return Ok(raw);
    };
    let Ok(fields) = serde_json::from_slice::<serde_json::Map<_, _>>(&raw) else {
        return Ok(raw);
    };
    let is_text = |name: &String| matches!(fields.get(name), Some(serde_json::Value::String(_)));
    if !options.types.keys().any(is_text) {
        return Ok(raw);
    }
    let mut json = Members::new(raw.len() + 16);
    for (name, value) in &fields {
        json.name(name);
        match (options.types.get(name), value.as_str()) {
            (Some(kind), Some(field)) => typed(&mut json.bytes, name, *kind, field)?,
            _ => push(&mut json.bytes, value),
        }
    }
    Ok(json.end())
}

fn sql_cell(json: &mut Vec<u8>, name: &str, cell: &Cell) -> Result<(), String> {
    match cell {
        Cell::Null => json.extend_from_slice(b"null"),
        Cell::Int(number) => json.extend_from_slice(number.to_string().as_bytes()),
        Cell::Real(number) if number.is_finite() => push(json, number),
        Cell::Real(_) => return Err(format!("column `{name}` holds no finite number")),
        Cell::Text(text) => push(json, text),
        Cell::Blob(_) => {
            return Err(format!(
                "column `{name}` holds a blob; read it with hex({name}) in the query"
            ));
        }
    }
    Ok(())
}

/// The members of a JSON object, as bytes.
struct Members {
    bytes: Vec<u8>,
}

impl Members {
    fn new(capacity: usize) -> Members {
        let mut bytes = Vec::with_capacity(capacity);
        bytes.push(b'{');
        Members { bytes }
    }

    fn name(&mut self, name: &str) {
        if self.bytes.len() > 1 {
            self.bytes.push(b',');
        }
        push(&mut self.bytes, name);
        self.bytes.push(b':');
    }

    fn end(mut self) -> Bytes {
        self.bytes.push(b'}');
        self.bytes.into()
    }
}

fn input(path: &Option<PathBuf>, stop: &Arc<AtomicBool>) -> Result<Input, ReadError> {
    match path {
        None => Ok(Input::from_reader(Box::new(Pump::stdin(stop.clone())))),
        // A pipe is read like standard input: opening and reading one can wait for ever.
        Some(path)
            if std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) =>
        {
            Ok(Input::from_reader(Box::new(Pump::file(
                path.clone(),
                stop.clone(),
            ))))
        }
        Some(path) => Input::open(path),
    }
}

fn piece(line: u64, start: u64, after: Start, unterminated: bool, body: Body) -> Piece {
    let start = Mark {
        offset: start,
        line,
    };
    Piece {
        start,
        after: Mark {
            offset: after.offset,
            line: after.line,
        },
        unterminated,
        body,
    }
}

fn bad_piece(bad: tidegate_file::Bad) -> Piece {
    let after = bad.next_start();
    piece(
        bad.line,
        bad.start,
        after,
        bad.unterminated,
        Body::Bad {
            cause: bad.problem.to_string(),
            head: bad.head,
        },
    )
}

fn push(json: &mut Vec<u8>, value: &(impl serde::Serialize + ?Sized)) {
    serde_json::to_writer(&mut *json, value)
        .expect("a vector takes every byte, and texts and numbers have a form");
}

/// A field under its column's type; without one it is text. Empty is null where there is a type.
fn typed(json: &mut Vec<u8>, name: &str, kind: ColumnType, field: &str) -> Result<(), String> {
    let wrong = |wanted: &str| {
        Err(format!(
            "column `{name}`: \"{}\" is not {wanted}",
            shortened(field)
        ))
    };
    if kind != ColumnType::Text && field.is_empty() {
        json.extend_from_slice(b"null");
        return Ok(());
    }
    match kind {
        ColumnType::Text => push(json, field),
        ColumnType::Int => match field.trim().parse::<i128>() {
            Ok(number) => json.extend_from_slice(number.to_string().as_bytes()),
            Err(_) => return wrong("a whole number"),
        },
        ColumnType::Float => match field.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => push(json, &number),
            _ => return wrong("a number"),
        },
        ColumnType::Bool => match field.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => push(json, &true),
            "false" | "no" | "0" => push(json, &false),
            _ => return wrong("true, false, yes, no, 1 or 0"),
        },
        ColumnType::Date => {
            let date = field.parse::<jiff::civil::Date>().is_ok()
                || field.parse::<jiff::Timestamp>().is_ok();
            if !date {
                return wrong("a date such as 2026-01-31 or 2026-01-31T12:00:00Z");
            }
            push(json, field);
        }
    }
    Ok(())
}

fn shortened(field: &str) -> String {
    field.chars().take(60).collect()
}
