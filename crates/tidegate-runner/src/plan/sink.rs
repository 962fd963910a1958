//! `sink:` and `dead_letter:`.

use std::path::{Path, PathBuf};

use super::{
    DeadLetterPlan, RowPlan, SinkPlan, SinkTarget, SourceKind, SourcePlan, TableVerb,
    compiler::{Compiler, Place},
    names::Reach,
};
use crate::flow::{Fault, Sink, SinkKind, Span, did_you_mean};

const ROW: Place<'static> = Place {
    key: "row",
    reach: Reach::Steps,
};

pub(super) fn compile(compiler: &mut Compiler<'_>) -> Option<SinkPlan> {
    let sink = compiler.flow.sink.as_ref()?;
    let target = target(compiler, sink);
    let row = sink.row.as_ref().map(|map| {
        let columns: Vec<_> = map
            .entries
            .iter()
            .map(|(column, node)| Some((column.text.clone(), compiler.expr(node, ROW)?)))
            .collect();
        columns
            .into_iter()
            .collect::<Option<Vec<_>>>()
            .map(|columns| RowPlan { columns })
    });
    // All steps run for every record, whether or not its row mentions them.
    compiler.take_uses();
    if let SinkKind::Sqlite { verb, at, .. } = &sink.kind {
        check_key_columns(compiler, sink, verb, at);
    }
    let row = match row {
        Some(row) => Some(row?),
        None => None,
    };
    Some(SinkPlan {
        target: target?,
        row,
    })
}

fn target(compiler: &mut Compiler<'_>, sink: &Sink) -> Option<SinkTarget> {
    Some(match &sink.kind {
        SinkKind::Jsonl { append } => SinkTarget::Jsonl {
            path: compiler.path(&sink.place, "jsonl")?,
            append: *append,
        },
        SinkKind::Csv { append } => SinkTarget::Csv {
            path: compiler.path(&sink.place, "csv")?,
            append: *append,
        },
        SinkKind::Sqlite {
            table,
            verb,
            create,
            ..
        } => {
            let Some(path) = compiler.path(&sink.place, "sqlite")? else {
                compiler.fault(
                    Fault::error("a database cannot go to standard output")
                        .at(sink.place.span())
                        .help("sqlite: FILE"),
                );
                return None;
            };
            if !create && is_missing(&path, table) {
                let fault = Fault::warning(format!("there is no table `{table}` yet"));
                let fault = fault
                    .at(sink.place.span())
                    .label("a table is made only in a database that holds no other");
                compiler.fault(match verb {
                    // Its rows would be missing too.
                    TableVerb::Update(_) => fault.help("look at the name"),
                    _ => fault.help("look at the name, or write  create: true"),
                });
            }
            SinkTarget::Sqlite {
                path,
                table: table.clone(),
                verb: verb.clone(),
                create: *create,
            }
        }
    })
}

/// Whether the database has tables, but not this one. It may come later, so it is no fault of the flow.
fn is_missing(database: &Path, table: &str) -> bool {
    // A database that holds nothing but journals gets its table from the run.
    const IS_MISSING: &str = r"SELECT
        EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table'
            AND name NOT LIKE 'tidegate\_%' ESCAPE '\' AND name NOT LIKE 'sqlite\_%' ESCAPE '\')
        AND NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE lower(name) = lower(?))";
    // What cannot be asked here, the run will say.
    database.is_file()
        && tidegate_sql::open(database, tidegate_sql::Access::ReadOnly).is_ok_and(|connection| {
            let answer = connection.query_row(IS_MISSING, [table], |row| row.get(0));
            answer.unwrap_or(false)
        })
}

/// A key that the row does not hold could match nothing.
fn check_key_columns(compiler: &mut Compiler<'_>, sink: &Sink, verb: &TableVerb, at: &Span) {
    let (TableVerb::Upsert(keys) | TableVerb::Update(keys)) = verb else {
        return;
    };
    let Some(row) = &sink.row else { return };
    for key in keys {
        if !row.entries.iter().any(|(column, _)| column.text == *key) {
            let near = did_you_mean(
                key,
                row.entries.iter().map(|(column, _)| column.text.as_str()),
            );
            let fault = Fault::error(format!("the row has no column `{key}`"))
                .at(at)
                .help_if(near);
            compiler.fault(fault.help(format!("row: {{ {key}: {key} }}")));
        }
    }
}

pub(super) fn dead_letter(compiler: &mut Compiler<'_>) -> Option<DeadLetterPlan> {
    let node = compiler.flow.dead_letter.as_ref()?;
    match compiler.path(node, "jsonl")? {
        Some(path) => Some(DeadLetterPlan { path }),
        None => {
            compiler.fault(
                Fault::error("dead letters need a file")
                    .at(node.span())
                    .help("dead_letter: { jsonl: dead.jsonl }"),
            );
            None
        }
    }
}

/// No file is read and written, or written twice.
pub(super) fn check_places(
    compiler: &mut Compiler<'_>,
    source: Option<&SourcePlan>,
    sink: Option<&SinkPlan>,
    dead: Option<&DeadLetterPlan>,
) {
    let flow = compiler.flow;
    let source_path = source.and_then(|source| match &source.kind {
        SourceKind::Jsonl { path } | SourceKind::Csv { path, .. } => path.as_ref(),
        // A database may be read and written at once.
        SourceKind::Sqlite { .. } => None,
    });
    let sink_path = sink.and_then(|sink| match &sink.target {
        SinkTarget::Jsonl { path, .. } | SinkTarget::Csv { path, .. } => path.as_ref(),
        SinkTarget::Sqlite { path, .. } => Some(path),
    });
    let source = source_path.map(|path| (path, flow.source.place.span(), "it is read here"));
    let sink = sink_path
        .zip(flow.sink.as_ref())
        .map(|(path, sink)| (path, sink.place.span(), "it is the sink here"));
    let dead = dead
        .zip(flow.dead_letter.as_ref())
        .map(|(dead, node)| (&dead.path, node.span(), "the dead letters go here"));
    for (first, second) in [(&source, &sink), (&source, &dead), (&sink, &dead)] {
        if let (Some((path, at, label)), Some((other, other_at, other_label))) = (first, second)
            && same_file(path, other)
        {
            let fault = Fault::error("one file for two things")
                .at(other_at)
                .label(*other_label)
                .also(at, *label);
            compiler.fault(fault.help("give one of them another name"));
        }
    }
}

fn same_file(one: &Path, other: &Path) -> bool {
    let clean = |path: &Path| -> PathBuf {
        path.canonicalize()
            .unwrap_or_else(|_| path.components().collect())
    };
    // Devices such as /dev/null may be written by both.
    clean(one) == clean(other) && !one.starts_with("/dev")
}
