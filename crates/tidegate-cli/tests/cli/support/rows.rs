//! Reading what a run has written.

use rusqlite::{Connection, types::Value as Cell};
use serde_json::Value;
use std::{io::Read as _, io::Write as _, path::Path};

/// Every line as JSON. Fails for a line that is none, and for a last one without its end.
#[track_caller]
pub(crate) fn json_lines(bytes: &[u8]) -> Vec<Value> {
    assert!(
        bytes.is_empty() || bytes.ends_with(b"\n"),
        "the last line is torn"
    );
    let parse = |line: &[u8]| {
        serde_json::from_slice(line)
            .unwrap_or_else(|error| panic!("{error} in {}", String::from_utf8_lossy(line)))
    };
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(parse)
        .collect()
}

/// The header and the rows of a CSV file.
#[track_caller]
pub(crate) fn csv_rows(bytes: &[u8]) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader = csv::Reader::from_reader(bytes);
    let texts = |record: &csv::StringRecord| record.iter().map(str::to_owned).collect::<Vec<_>>();
    let header = texts(reader.headers().expect("a header"));
    let rows = reader
        .records()
        .map(|row| texts(&row.expect("a whole row")))
        .collect();
    (header, rows)
}

/// The rows of a query.
#[track_caller]
pub(crate) fn table(file: &Path, query: &str) -> Vec<Vec<Cell>> {
    let database = Connection::open(file).expect("a database");
    let mut statement = database.prepare(query).expect("a query");
    let columns = statement.column_count();
    let rows = statement
        .query_map([], |row| {
            (0..columns).map(|column| row.get(column)).collect()
        })
        .expect("rows");
    rows.map(|row| row.expect("a row")).collect()
}

/// The member `id` of each, sorted.
#[track_caller]
pub(crate) fn numbered(rows: &[Value]) -> Vec<u64> {
    let id = |row: &Value| {
        row["id"]
            .as_u64()
            .unwrap_or_else(|| panic!("no id in {row}"))
    };
    let mut ids: Vec<u64> = rows.iter().map(id).collect();
    ids.sort_unstable();
    ids
}

pub(crate) fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// All members, one after the other.
#[track_caller]
pub(crate) fn gunzip(bytes: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(bytes)
        .read_to_string(&mut text)
        .expect("whole members of text");
    text
}
