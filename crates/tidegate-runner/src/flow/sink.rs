//! `sink:` and `dead_letter:`.

use super::{
    ends::{one_place, refuse_others},
    fault::{Fault, Found},
    fields::{Fields, expected},
    keys,
    tree::{Map, Node, Scalar, Span},
    values,
};
use crate::plan::TableVerb;

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

pub(super) fn read(top: &Fields<'_>, found: &mut Found) -> Option<Sink> {
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
