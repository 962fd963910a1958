//! `source:`.

use std::{collections::BTreeMap, path::Path};
use tidegate_file::{CsvOptions as CsvReading, CsvReader, Input, Start};
use tidegate_sql::{Pages, SqlError};

use super::{
    ColumnType, CsvOptions, Identity, SourceKind, SourcePlan,
    columns::Columns,
    compiler::{Compiler, Place},
    names::Reach,
};
use crate::{
    expr::Expr,
    flow::{Fault, Node, Source, SourceFormat, Spanned, did_you_mean},
};

const KEY: Place<'static> = Place {
    key: "key",
    reach: Reach::Record,
};
const WHERE: Place<'static> = Place {
    key: "where",
    reach: Reach::Record,
};

pub(super) fn compile(compiler: &mut Compiler<'_>) -> Option<SourcePlan> {
    let source = &compiler.flow.source;
    let kind = kind(compiler, source);
    hidden_fields(compiler);
    let key = identity(compiler, source);
    constant_key(compiler, source, key.as_ref());
    let filter = source
        .filter
        .as_ref()
        .map(|node| compiler.condition(node, WHERE));
    // A mention of a step in `key` or `where` has had its fault.
    compiler.take_uses();
    let kind = match (kind?, &key) {
        (SourceKind::Sqlite { path, query, .. }, Some(Identity::Key(key))) => {
            let key_column = key_column(compiler, source, key)?;
            check_query(compiler, source, &path, &query, &key_column);
            SourceKind::Sqlite {
                path,
                query,
                key_column,
            }
        }
        (SourceKind::Sqlite { .. }, key) => {
            // Without a usable key there has been a fault already, but for a list and for none at all.
            if key.is_some() {
                let at = source.key.as_ref().map_or(&source.at, |node| node.span());
                compiler.fault(
                    Fault::error("a SQLite source needs one column as its key")
                        .at(at)
                        .label("it is read in pages ordered by that column")
                        .help("key: id"),
                );
            }
            return None;
        }
        (kind, _) => kind,
    };
    if source.key.is_none() {
        let fault = Fault::warning("the source has no `key`").at(&source.at);
        let fault = fault.label("a record is known by its bytes, so an edited one counts as new");
        compiler.fault(fault.help("key: id"));
    }
    Some(SourcePlan {
        kind,
        key: key?,
        // A filter that does not compile must not let everything through.
        filter: match filter {
            Some(filter) => Some(filter?),
            None => None,
        },
        duplicates: source.duplicates,
        max_record: source.max_record,
    })
}

fn kind(compiler: &mut Compiler<'_>, source: &Source) -> Option<SourceKind> {
    match &source.format {
        SourceFormat::Jsonl => {
            let path = compiler.path(&source.place, "jsonl")?;
            if let Some(path) = &path {
                look(compiler, source, path);
                compiler.columns = Columns::of_jsonl(path, source.max_record);
            }
            Some(SourceKind::Jsonl { path })
        }
        SourceFormat::Csv { delimiter, types } => {
            let plain: BTreeMap<String, ColumnType> = types
                .iter()
                .map(|(name, column)| (name.clone(), column.value))
                .collect();
            let path = compiler.path(&source.place, "csv");
            let typed = |column: &&String| {
                !matches!(
                    plain.get(*column),
                    Some(ColumnType::Text | ColumnType::Date)
                )
            };
            compiler.columns = Columns::Text(plain.keys().filter(typed).cloned().collect());
            let path = path?;
            if let Some(path) = &path {
                look(compiler, source, path);
                read_header(compiler, source, path, *delimiter, types, &plain);
            }
            Some(SourceKind::Csv {
                path,
                options: CsvOptions {
                    delimiter: *delimiter,
                    types: plain,
                },
            })
        }
        SourceFormat::Sqlite { query } => {
            let Some(path) = compiler.path(&source.place, "sqlite")? else {
                compiler.fault(
                    Fault::error("a database cannot come from standard input")
                        .at(source.place.span())
                        .help("sqlite: FILE"),
                );
                return None;
            };
            look(compiler, source, &path);
            // The columns are read before the key is compiled, the key is checked against them after.
            if path.is_file()
                && let Ok(connection) = tidegate_sql::open(&path, tidegate_sql::Access::ReadOnly)
                && let Ok(statement) = connection.prepare(&query.value)
            {
                let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
                compiler.columns = Columns::of_query(&columns);
            }
            Some(SourceKind::Sqlite {
                path,
                query: query.value.clone(),
                key_column: String::new(),
            })
        }
    }
}

/// A file may come later, so that it is missing is no fault of the flow.
fn look(compiler: &mut Compiler<'_>, source: &Source, path: &Path) {
    if !path.exists() {
        let fault = Fault::warning("there is no such file yet").at(source.place.span());
        compiler.fault(fault.note(format!("looked for {}", path.display())));
    }
}

/// A header that cannot be used is a fault before the first request.
fn read_header(
    compiler: &mut Compiler<'_>,
    source: &Source,
    path: &Path,
    delimiter: u8,
    types: &BTreeMap<String, Spanned<ColumnType>>,
    plain: &BTreeMap<String, ColumnType>,
) {
    // Opening a pipe would wait for its writer, and take what it wrote.
    if !path.is_file() {
        return;
    }
    let options = CsvReading {
        delimiter,
        max_record: source.max_record,
    };
    let reader = match Input::open(path)
        .and_then(|input| CsvReader::new(input, Start::default(), options))
    {
        Ok(reader) => reader,
        Err(error) => {
            let fault = Fault::error(format!("the CSV file cannot be used: {error}"))
                .at(source.place.span());
            compiler.fault(fault.note(format!("the file is {}", path.display())));
            return;
        }
    };
    if let Some(likely) = reader.likely_delimiter() {
        let fault = Fault::warning("the header seems to be one column").at(source.place.span());
        let likely = if likely == b'\t' {
            "\\t".to_owned()
        } else {
            char::from(likely).to_string()
        };
        compiler.fault(fault.help(format!("delimiter: \"{likely}\"")));
        compiler.likely_delimiter = Some(likely);
    }
    for (column, spanned) in types {
        if !reader.has_column(column) {
            let near = did_you_mean(column, reader.columns().iter().map(String::as_str));
            let fault = Fault::error(format!("the CSV file has no column `{column}`"))
                .at(&spanned.at)
                .help_if(near);
            compiler.fault(fault.note(format!("its columns: {}", reader.columns().join(", "))));
        }
    }
    compiler.columns = Columns::of_csv(reader.columns(), plain);
}

/// A step's name always wins over a field.
fn hidden_fields(compiler: &mut Compiler<'_>) {
    let hidden: Vec<_> = compiler
        .flow
        .steps
        .iter()
        .filter(|step| compiler.columns.has(&step.name.value))
        .map(|step| step.name.clone())
        .collect();
    for Spanned { value: name, at } in hidden {
        let fault =
            Fault::warning(format!("the step `{name}` hides the field of that name")).at(&at);
        compiler.fault(fault.help(format!(
            "for the field write  record.{name}, or call the step otherwise"
        )));
    }
}

fn identity(compiler: &mut Compiler<'_>, source: &Source) -> Option<Identity> {
    match &source.key {
        None => Some(Identity::Content),
        Some(Node::List(items, span)) => {
            if items.is_empty() {
                compiler.fault(
                    Fault::error("an empty list is no key")
                        .at(span)
                        .help("key: id"),
                );
                return None;
            }
            let keys: Vec<_> = items.iter().map(|item| compiler.expr(item, KEY)).collect();
            keys.into_iter().collect::<Option<_>>().map(Identity::Keys)
        }
        Some(node @ Node::Map(_)) => {
            compiler.expected(node, "an expression or a list of them");
            None
        }
        Some(node) => compiler.expr(node, KEY).map(Identity::Key),
    }
}

/// With one key for all records, all but the first count as seen.
fn constant_key(compiler: &mut Compiler<'_>, source: &Source, key: Option<&Identity>) {
    let (Some(node), Some(key)) = (&source.key, key) else {
        return;
    };
    let parts = match key {
        // A SQLite source takes nothing but a column.
        _ if matches!(source.format, SourceFormat::Sqlite { .. }) => return,
        Identity::Content => return,
        Identity::Key(key) => std::slice::from_ref(key),
        Identity::Keys(keys) => keys.as_slice(),
    };
    if parts.iter().all(|part| part.mentions().is_fixed()) {
        let fault = Fault::error("the key is the same for every record").at(node.span());
        let fault = fault.label("`key` holds expressions, and this one mentions no field");
        let help = compiler.delimiter_help();
        compiler.fault(fault.help(help.unwrap_or_else(|| "key: id".to_owned())));
    }
}

fn key_column(compiler: &mut Compiler<'_>, source: &Source, key: &Expr) -> Option<String> {
    let mentions = key.mentions();
    let written = key.source();
    let by_name = mentions.names.iter().find(|name| *name == written);
    let by_record = mentions.record_fields.iter().find(|name| {
        written == format!("record.{name}")
            || written == format!("record['{name}']")
            || written == format!("record[\"{name}\"]")
    });
    let column = by_name.or(by_record).cloned();
    if column.is_none() {
        let at = source.key.as_ref().map_or(&source.at, |node| node.span());
        let fault = Fault::error("the key of a SQLite source is a column").at(at);
        compiler.fault(
            fault
                .label("the database orders its pages by it")
                .help("name the expression in the query: SELECT … AS key_of_row"),
        );
    }
    column
}

/// Asks the database, which says more than the parser: a missing table, a misspelt column.
fn check_query(
    compiler: &mut Compiler<'_>,
    source: &Source,
    path: &Path,
    query: &str,
    key_column: &str,
) {
    let SourceFormat::Sqlite { query: spanned } = &source.format else {
        return;
    };
    // A key that the query does not have has had its fault.
    if !path.is_file() || (compiler.columns.is_known() && !compiler.columns.has(key_column)) {
        return;
    }
    if let Err(error) = Pages::open(path, query, key_column, Pages::DEFAULT_PAGE) {
        let problem = match error {
            SqlError::Query { problem } => problem,
            other => other.to_string(),
        };
        let fault = Fault::error(format!("the query cannot be used: {problem}"));
        compiler.fault(fault.at(&spanned.at));
    }
}
