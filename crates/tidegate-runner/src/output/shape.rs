//! What a finished record's row looks like in its sink.

use crate::{
    expr::{EvalError, Expr, Scalar, Scope, json, to_cell},
    plan::{Plan, SinkTarget},
    record::Record,
};
use minijinja::{Value, value::ValueKind};
use std::{borrow::Cow, sync::Arc};
use tidegate_file::{Cell as CsvCell, csv_cells, csv_header};
use tidegate_sql::Cell;

/// A finished record, as its sink takes it.
#[derive(Debug)]
pub(crate) enum Row {
    /// There is no sink.
    Nothing,
    /// A whole line, with its end.
    Line(Vec<u8>),
    /// The cells of a table's row.
    Cells(Vec<Cell>),
}

impl Row {
    /// Bytes held until the commit.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Row::Nothing => 0,
            Row::Line(line) => line.len(),
            Row::Cells(cells) => cells
                .iter()
                .map(|cell| match cell {
                    Cell::Text(text) => 32 + text.len(),
                    Cell::Blob(bytes) => 32 + bytes.len(),
                    _ => 32,
                })
                .sum(),
        }
    }
}

/// How rows are made.
#[derive(Debug)]
pub(crate) struct Shape {
    plan: Arc<Plan>,
    form: Form,
    /// Columns of a sink that needs them and whose flow has no `row`: the source's columns, then the steps.
    columns: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Nothing,
    Jsonl,
    Csv,
    Cells,
}

impl Shape {
    /// The shape of `plan`'s rows; `source_columns` are those of a CSV or SQL source.
    pub(crate) fn new(plan: &Arc<Plan>, source_columns: &[String]) -> Shape {
        let form = match plan.sink.as_ref().map(|sink| &sink.target) {
            None => Form::Nothing,
            Some(SinkTarget::Jsonl { .. }) => Form::Jsonl,
            Some(SinkTarget::Csv { .. }) => Form::Csv,
            Some(SinkTarget::Sqlite { .. }) => Form::Cells,
        };
        let steps = plan.steps.iter().map(|step| step.name.clone());
        let row = plan.sink.as_ref().and_then(|sink| sink.row.as_ref());
        let columns = match row {
            Some(row) => row.columns.iter().map(|(name, _)| name.clone()).collect(),
            None => {
                let fields = source_columns
                    .iter()
                    .filter(|name| plan.steps.iter().all(|step| step.name != **name));
                fields.cloned().chain(steps).collect()
            }
        };
        Shape {
            plan: plan.clone(),
            form,
            columns,
        }
    }

    /// The columns, in their order.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The header line of a CSV file.
    pub(crate) fn header(&self) -> Option<Vec<u8>> {
        (self.form == Form::Csv).then(|| {
            let mut line = Vec::new();
            csv_header(&mut line, self.columns.iter().map(String::as_str));
            line
        })
    }

    /// The row of a record whose steps have ended.
    ///
    /// # Errors
    /// An expression of `row` that fails, is undefined, or has no form in the sink.
    pub(crate) fn row(&self, scope: &Scope, record: &Record) -> Result<Row, EvalError> {
        let expressions = self.expressions();
        match self.form {
            Form::Nothing => Ok(Row::Nothing),
            Form::Jsonl => match expressions {
                Some(columns) => jsonl_row(columns, scope),
                None => self.record_with_answers(scope, record),
            },
            Form::Csv => {
                let mut line = Vec::new();
                let values = self.values(scope)?;
                let cells = values.iter().map(csv_cell).collect::<Result<Vec<_>, _>>()?;
                csv_cells(
                    &mut line,
                    cells
                        .iter()
                        .map(|cell| cell.as_deref().map_or(CsvCell::Null, CsvCell::Text)),
                );
                Ok(Row::Line(line))
            }
            Form::Cells => {
                let values = self.values(scope)?;
                values
                    .iter()
                    .map(sql_cell)
                    .collect::<Result<_, _>>()
                    .map(Row::Cells)
            }
        }
    }

    fn expressions(&self) -> Option<&[(String, Expr)]> {
        self.plan
            .sink
            .as_ref()?
            .row
            .as_ref()
            .map(|row| &*row.columns)
    }

    /// One value per column.
    fn values(&self, scope: &Scope) -> Result<Vec<Value>, EvalError> {
        match self.expressions() {
            Some(columns) => columns
                .iter()
                .map(|(_, expression)| expression.eval(scope))
                .collect(),
            None => Ok(self
                .columns
                .iter()
                .map(
                    |name| match self.plan.steps.iter().position(|step| step.name == *name) {
                        Some(step) => scope.step_body(step),
                        None => scope.record().get_attr(name).unwrap_or_default(),
                    },
                )
                .collect()),
        }
    }

    /// The record's own bytes with the answers added: fields that nobody touched stay as they were written.
    fn record_with_answers(&self, scope: &Scope, record: &Record) -> Result<Row, EvalError> {
        let steps = &self.plan.steps;
        let clash = steps.iter().any(|step| {
            scope
                .record()
                .get_attr(&step.name)
                .is_ok_and(|value| !value.is_undefined())
        });
        let mut line = Vec::with_capacity(record.raw.len() + 256);
        let mut empty;
        if clash {
            line.push(b'{');
            empty = true;
            for key in scope.record().try_iter().into_iter().flatten() {
                let name = key.as_str().unwrap_or_default();
                if steps.iter().any(|step| step.name == name) {
                    continue;
                }
                push_member(
                    &mut line,
                    &mut empty,
                    name,
                    &scope.record().get_item(&key).unwrap_or_default(),
                )?;
            }
        } else {
            let body = record.raw.trim_ascii();
            line.extend_from_slice(body.strip_suffix(b"}").unwrap_or(body));
            empty = line.trim_ascii() == b"{";
        }
        for (index, step) in steps.iter().enumerate() {
            push_member(&mut line, &mut empty, &step.name, &scope.step_body(index))?;
        }
        line.extend_from_slice(b"}\n");
        Ok(Row::Line(line))
    }
}

fn jsonl_row(columns: &[(String, Expr)], scope: &Scope) -> Result<Row, EvalError> {
    let mut line = Vec::with_capacity(128);
    line.push(b'{');
    let mut empty = true;
    for (name, expression) in columns {
        push_member(&mut line, &mut empty, name, &expression.eval(scope)?)?;
    }
    line.extend_from_slice(b"}\n");
    Ok(Row::Line(line))
}

fn push_member(
    line: &mut Vec<u8>,
    empty: &mut bool,
    name: &str,
    value: &Value,
) -> Result<(), EvalError> {
    if !std::mem::take(empty) {
        line.push(b',');
    }
    serde_json::to_writer(&mut *line, name).expect("a vector takes every byte");
    line.push(b':');
    json::to_json(value, line)
}

/// A null is an empty cell; lists and maps are JSON text.
fn csv_cell(value: &Value) -> Result<Option<Cow<'_, str>>, EvalError> {
    Ok(match to_cell(value)? {
        Scalar::Null => None,
        Scalar::Bool(true) => Some("true".into()),
        Scalar::Bool(false) => Some("false".into()),
        Scalar::Int(number) => Some(number.to_string().into()),
        Scalar::Real(number) => Some(number.to_string().into()),
        Scalar::Text(text) => Some(text),
        Scalar::Bytes(bytes) => match String::from_utf8(bytes.to_vec()) {
            Ok(text) => Some(text.into()),
            Err(_) => {
                return Err(EvalError::new(
                    "bytes that are no text cannot stand in a CSV cell",
                ));
            }
        },
    })
}

fn sql_cell(value: &Value) -> Result<Cell, EvalError> {
    Ok(match to_cell(value)? {
        Scalar::Null => Cell::Null,
        Scalar::Bool(value) => Cell::Int(value.into()),
        Scalar::Int(number) => Cell::Int(number),
        Scalar::Real(number) => Cell::Real(number),
        Scalar::Text(text) => Cell::Text(text.into_owned()),
        Scalar::Bytes(bytes) => Cell::Blob(bytes.to_vec()),
    })
}

/// Whether a value is an object, as a record must be.
pub(crate) fn is_object(value: &Value) -> bool {
    value.kind() == ValueKind::Map
}
