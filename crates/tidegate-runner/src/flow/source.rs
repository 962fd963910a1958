//! `source:`.

use std::collections::BTreeMap;

use super::{
    ends::{one_place, refuse_others},
    fault::{Fault, Found},
    fields::{Fields, one_of, unknown_key},
    keys,
    model::Spanned,
    step::split_call,
    tree::{Node, Scalar, Span},
};
use crate::plan::{ColumnType, Duplicates};

/// `source:`.
#[derive(Debug)]
pub(crate) struct Source {
    /// The key that says the format.
    pub(crate) at: Span,
    pub(crate) format: SourceFormat,
    /// The file; `-` is standard input.
    pub(crate) place: Node,
    pub(crate) key: Option<Node>,
    pub(crate) filter: Option<Node>,
    pub(crate) duplicates: Duplicates,
    pub(crate) max_record: usize,
}

/// What the source is.
#[derive(Debug)]
pub(crate) enum SourceFormat {
    Jsonl,
    Csv {
        delimiter: u8,
        types: BTreeMap<String, Spanned<ColumnType>>,
    },
    Sqlite {
        query: Spanned<String>,
    },
}

pub(super) fn read(top: &Fields<'_>, root: &Node, found: &mut Found) -> Option<Source> {
    let Some(node) = top.get("source") else {
        let start = root.span().start;
        found.add(
            Fault::error("a flow needs a `source`")
                .at(&(start..start))
                .help("source: { jsonl: FILE, key: id }"),
        );
        return None;
    };
    let fields = Fields::open(node, &keys::SOURCE, found)?;
    let mut calls = 0;
    for (key, value) in fields.others() {
        found.add(match value {
            Node::Scalar(call) if split_call(&call.text).is_some() => {
                calls += 1;
                let fault =
                    Fault::error("a source that calls a service is reserved for a later version");
                fault
                    .at(&key.span)
                    .help("one of  jsonl: FILE, csv: FILE, sqlite: FILE")
            }
            _ => unknown_key(key, &keys::SOURCE, keys::SOURCE.names()),
        });
    }
    if calls > 0 {
        return None;
    }
    let (format_key, place) = one_place(&fields, node, found)?;
    refuse_others(
        &fields,
        format_key,
        &[
            ("query", &["sqlite"]),
            ("types", &["csv"]),
            ("delimiter", &["csv"]),
            ("header", &["csv"]),
            ("encoding", &["csv", "jsonl"]),
        ],
        found,
    );
    let format = match format_key.text.as_str() {
        "jsonl" => Some(SourceFormat::Jsonl),
        "csv" => Some(SourceFormat::Csv {
            delimiter: delimiter(&fields, found),
            types: types(&fields, found),
        }),
        _ => sqlite_query(&fields, format_key, found).map(|query| SourceFormat::Sqlite { query }),
    };
    fields.one_of("encoding", &[("utf-8", ())], found);
    if fields.boolean("header", found) == Some(false) {
        let at = fields
            .get("header")
            .map_or_else(|| format_key.span.clone(), |node| node.span().clone());
        let fault = Fault::error("CSV without a header is reserved for a later version").at(&at);
        found.add(fault.help("put a line with the names of the columns at the start of the file"));
    }
    let words = [
        ("run", Duplicates::Run),
        ("skip", Duplicates::Skip),
        ("dead", Duplicates::Dead),
    ];
    Some(Source {
        at: format_key.span.clone(),
        format: format?,
        place: place.clone(),
        key: fields.get("key").cloned(),
        filter: fields.get("where").cloned(),
        duplicates: fields
            .one_of("duplicates", &words, found)
            .unwrap_or(Duplicates::Run),
        max_record: fields.size_or_default("max_record", found),
    })
}

fn delimiter(fields: &Fields<'_>, found: &mut Found) -> u8 {
    let default = b',';
    let Some(scalar) = fields.text("delimiter", found) else {
        return default;
    };
    match scalar.text.as_bytes() {
        b"\\t" => b'\t',
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => *byte,
        _ => {
            let fault =
                Fault::error("a delimiter is one ASCII character, and no quote").at(&scalar.span);
            found.add(fault.help("delimiter: \";\"  or, for tabs,  delimiter: \"\\t\""));
            default
        }
    }
}

fn types(fields: &Fields<'_>, found: &mut Found) -> BTreeMap<String, Spanned<ColumnType>> {
    let words = [
        ("text", ColumnType::Text),
        ("int", ColumnType::Int),
        ("float", ColumnType::Float),
        ("bool", ColumnType::Bool),
        ("date", ColumnType::Date),
    ];
    let Some(map) = fields.map("types", "a map of columns and types", found) else {
        return BTreeMap::new();
    };
    let mut types = BTreeMap::new();
    for (column, node) in &map.entries {
        if let Some(value) = one_of(node, &words, found) {
            types.insert(
                column.text.clone(),
                Spanned {
                    value,
                    at: column.span.clone(),
                },
            );
        }
    }
    types
}

fn sqlite_query(
    fields: &Fields<'_>,
    format: &Scalar,
    found: &mut Found,
) -> Option<Spanned<String>> {
    if fields.get("query").is_none() {
        let fault = Fault::error("a SQLite source needs a `query`").at(&format.span);
        found.add(fault.help("query: SELECT id, name FROM users"));
        return None;
    }
    fields.word("query", found).map(Spanned::of)
}
