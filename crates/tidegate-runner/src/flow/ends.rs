//! `source:`, `sink:` and `dead_letter:`.

use std::collections::BTreeMap;

use super::{
    fault::{Fault, Found},
    fields::{Fields, expected, one_of},
    keys,
    model::Spanned,
    tree::{Map, Node, Scalar, Span},
    values,
};
use crate::plan::{ColumnType, Duplicates, TableVerb};

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

/// `sink:`.
#[derive(Debug)]
pub(crate) struct Sink {
    /// The file; `-` is standard output.
    pub(crate) place: Node,
    pub(crate) kind: SinkKind,
    pub(crate) row: Option<Map>,
}

/// What the sink is.
#[derive(Debug)]
pub(crate) enum SinkKind {
    Jsonl {
        append: bool,
    },
    Csv {
        append: bool,
    },
    Sqlite {
        table: String,
        verb: TableVerb,
        create: bool,
        at: Span,
    },
}

pub(super) fn source(top: &Fields<'_>, root: &Node, found: &mut Found) -> Option<Source> {
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

pub(super) fn sink(top: &Fields<'_>, found: &mut Found) -> Option<Sink> {
    let node = top.get("sink")?;
    if let Node::List(_, span) = node {
        found.add(
            Fault::error("a list of sinks is reserved for a later version")
                .at(&(span.start..span.start + 1))
                .help("keep one of them"),
        );
        return None;
    }
    let fields = Fields::open(node, &keys::SINK, found)?;
    let (key, place) = one_place(&fields, node, found)?;
    let (table, file): (&[&str], &[&str]) = (&["sqlite"], &["jsonl", "csv"]);
    refuse_others(
        &fields,
        key,
        &[
            ("insert", table),
            ("upsert", table),
            ("update", table),
            ("create", table),
            ("append", file),
        ],
        found,
    );
    let append = fields.boolean("append", found).unwrap_or(false);
    let kind = match key.text.as_str() {
        "jsonl" => Some(SinkKind::Jsonl { append }),
        "csv" => Some(SinkKind::Csv { append }),
        _ => table_kind(&fields, key, found),
    };
    let row = fields
        .map("row", "a map of columns and expressions", found)
        .cloned();
    if let (Some(row), Some(key)) = (&row, fields.key("row"))
        && row.entries.is_empty()
    {
        found.add(
            Fault::error("a row without columns")
                .at(&key.span)
                .help("row: { id: id }"),
        );
    }
    Some(Sink {
        place: place.clone(),
        kind: kind?,
        row,
    })
}

pub(super) fn dead_letter(top: &Fields<'_>, found: &mut Found) -> Option<Node> {
    let node = top.get("dead_letter")?;
    let fields = Fields::open(node, &keys::DEAD_LETTER, found)?;
    if fields.get("jsonl").is_none() && matches!(node, Node::Map(map) if map.entries.is_empty()) {
        expected(node, "`jsonl: FILE`", found);
    }
    fields.text("jsonl", found).cloned().map(Node::Scalar)
}

/// The one key that says the format, and the file behind it.
fn one_place<'t>(
    fields: &Fields<'t>,
    node: &'t Node,
    found: &mut Found,
) -> Option<(&'t Scalar, &'t Node)> {
    let mut keys = ["jsonl", "csv", "sqlite"]
        .into_iter()
        .filter_map(|name| fields.key(name));
    let Some(key) = keys.next() else {
        // A reserved kind (`postgres`, `nats`, `api`) has had its fault.
        let reserved = matches!(node, Node::Map(map) if map.entries.iter().any(|(key, _)| keys::SOURCE.is_later(&key.text) || keys::SINK.is_later(&key.text)));
        if !reserved {
            let first = node.span().start;
            let at = if let Node::Map(Map { entries, .. }) = node {
                entries
                    .first()
                    .map_or(first..first + 1, |(key, _)| key.span.clone())
            } else {
                first..first
            };
            found.add(
                Fault::error("which file is missing")
                    .at(&at)
                    .help("one of  jsonl: FILE, csv: FILE, sqlite: FILE"),
            );
        }
        return None;
    };
    if let Some(second) = keys.next() {
        found.add(
            Fault::error("one file at a time")
                .at(&second.span)
                .also(&key.span, "here is the other")
                .help("keep one of them"),
        );
        return None;
    }
    fields.text(&key.text, found)?;
    Some((key, fields.get(&key.text)?))
}

/// Keys that belong to another format.
fn refuse_others(
    fields: &Fields<'_>,
    format: &Scalar,
    only: &[(&str, &[&str])],
    found: &mut Found,
) {
    for (name, formats) in only {
        if let Some(key) = fields.key(name)
            && !formats.contains(&format.text.as_str())
        {
            let fault =
                Fault::error(format!("`{name}` means nothing for {}", format.text)).at(&key.span);
            found.add(
                fault
                    .also(
                        &format.span,
                        format!("it belongs to {}", formats.join(" and ")),
                    )
                    .help("leave it out"),
            );
        }
    }
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

fn table_kind(fields: &Fields<'_>, format: &Scalar, found: &mut Found) -> Option<SinkKind> {
    let mut verbs = ["insert", "upsert", "update"]
        .into_iter()
        .filter(|verb| fields.get(verb).is_some());
    let Some(verb) = verbs.next() else {
        let fault = Fault::error("how rows go into the table is missing").at(&format.span);
        found.add(fault.help("one of  insert: TABLE, upsert: TABLE(KEY), update: TABLE(KEY)"));
        return None;
    };
    if let Some(second) = verbs.next().and_then(|second| fields.key(second)) {
        found.add(
            Fault::error("rows go into the table in one way")
                .at(&second.span)
                .help("keep one of `insert`, `upsert`, `update`"),
        );
    }
    let text = fields.word(verb, found)?;
    let Some((table, columns)) = values::table(&text.text) else {
        found.add(
            Fault::error(format!("`{}` is no table", text.text))
                .at(&text.span)
                .help(format!("{verb}: users(id)")),
        );
        return None;
    };
    if verb != "insert" && columns.is_empty() {
        let fault = Fault::error(format!("`{verb}` needs the key of the table")).at(&text.span);
        found.add(
            fault
                .label("which columns say that a row is the same row")
                .help(format!("{verb}: {table}(id)")),
        );
        return None;
    }
    if verb == "insert" && !columns.is_empty() {
        let fault = Fault::error("`insert` has no key").at(&text.span);
        found.add(fault.help(format!("insert: {table}")).help(format!(
            "or, to replace the row with this key,  upsert: {}",
            text.text
        )));
        return None;
    }
    let verb = match verb {
        "insert" => TableVerb::Insert,
        "upsert" => TableVerb::Upsert(columns),
        _ => TableVerb::Update(columns),
    };
    let create = fields.boolean("create", found).unwrap_or(false);
    Some(SinkKind::Sqlite {
        table,
        verb,
        create,
        at: text.span.clone(),
    })
}
