//! What is known of a record's fields before the first record is worked on.

use minijinja::value::ValueKind;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};
use tidegate_file::{Input, Item, JsonlReader, Start};

use super::ColumnType;
use crate::expr::json;

/// The fields of a record.
#[derive(Debug)]
pub(super) enum Columns {
    /// Nothing is known.
    Unknown,
    /// CSV whose header cannot be read yet: every field is text but those with a type.
    Text(BTreeSet<String>),
    /// Exactly these; true: the value is always text.
    Known(Vec<(String, bool)>),
    /// These stand in the first records; others may have more.
    Sampled(BTreeSet<String>),
}

impl Columns {
    pub(super) fn is_known(&self) -> bool {
        matches!(self, Columns::Known(_))
    }

    /// Whether the record has a field for certain, or seems to.
    pub(super) fn has(&self, field: &str) -> bool {
        match self {
            Columns::Known(columns) => columns.iter().any(|(name, _)| name == field),
            Columns::Sampled(fields) => fields.contains(field),
            Columns::Unknown | Columns::Text(_) => false,
        }
    }

    /// The names that are known, in the order of the file if it has one.
    pub(super) fn names(&self) -> Vec<&str> {
        match self {
            Columns::Known(columns) => columns.iter().map(|(name, _)| name.as_str()).collect(),
            Columns::Sampled(fields) => fields.iter().map(String::as_str).collect(),
            Columns::Unknown | Columns::Text(_) => Vec::new(),
        }
    }

    pub(super) fn is_text(&self, field: &str) -> bool {
        match self {
            Columns::Known(columns) => columns
                .iter()
                .any(|(name, is_text)| name == field && *is_text),
            Columns::Text(typed) => !typed.contains(field),
            Columns::Unknown | Columns::Sampled(_) => false,
        }
    }

    /// Those of a CSV header; a column without a type is text.
    pub(super) fn of_csv(header: &[String], types: &BTreeMap<String, ColumnType>) -> Columns {
        let is_text = |column: &String| {
            matches!(
                types.get(column),
                None | Some(ColumnType::Text | ColumnType::Date)
            )
        };
        Columns::Known(
            header
                .iter()
                .map(|column| (column.clone(), is_text(column)))
                .collect(),
        )
    }

    /// Those of a query. SQLite's values have types of their own, row by row.
    pub(super) fn of_query(columns: &[String]) -> Columns {
        Columns::Known(
            columns
                .iter()
                .map(|column| (column.clone(), false))
                .collect(),
        )
    }

    /// Those of the first JSON lines; what cannot be read is for the run to say.
    pub(super) fn of_jsonl(path: &Path, max_record: usize) -> Columns {
        const SAMPLE: usize = 100;
        let mut fields = BTreeSet::new();
        // Opening a pipe would wait for its writer, and take what it wrote.
        if !path.is_file() {
            return Columns::Unknown;
        }
        let reader = Input::open(path).and_then(|input| JsonlReader::new(input, Start::default()));
        let Ok(mut reader) = reader.map(|reader| reader.max_record(max_record)) else {
            return Columns::Unknown;
        };
        for _ in 0..SAMPLE {
            let Ok(Some(Item::Record(raw))) = reader.next() else {
                break;
            };
            let Ok(value) = json::parse(&raw.bytes) else {
                break;
            };
            if value.kind() != ValueKind::Map {
                return Columns::Unknown;
            }
            let keys = value.try_iter().into_iter().flatten();
            fields.extend(keys.filter_map(|key| key.as_str().map(str::to_owned)));
        }
        if fields.is_empty() {
            Columns::Unknown
        } else {
            Columns::Sampled(fields)
        }
    }
}
