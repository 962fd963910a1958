use rusqlite::{
    CachedStatement, Connection, ErrorCode, OptionalExtension, Transaction, params_from_iter,
};
use thiserror::Error;

use crate::{
    Cell, SqlError, ident, quote_ident,
    statement::{create_sql, write_sql},
};

/// What to do with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// Add it.
    Insert,
    /// Add it, or overwrite the given columns of the row that has the same key. The key must be the primary key or
    /// have a unique index.
    Upsert(Vec<String>),
    /// Overwrite the given columns of every row that has the same key. That there is none is an error.
    Update(Vec<String>),
}

/// What to write, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSpec {
    /// The table.
    pub table: String,
    /// The columns to write, in the order of a row's cells.
    pub columns: Vec<String>,
    /// What to do with a row.
    pub verb: Verb,
    /// Whether to make the table if it is missing: columns without a type, so that every value is stored as it
    /// comes, and an upsert's key as the primary key.
    pub make: bool,
}

/// A writer of rows.
#[derive(Debug, Clone)]
pub struct Table {
    spec: TableSpec,
    sql: String,
    /// Places of the key's columns in a row.
    key: Vec<usize>,
}

/// Why a row was not written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The row's own fault. The row left no trace, and the transaction goes on.
    #[error("the database refuses the row: {0}")]
    Refused(String),
    /// The database's trouble. The transaction must be rolled back, and may already be.
    #[error(transparent)]
    Failed(#[from] SqlError),
}

impl Table {
    /// Checks that rows can be written, makes the table if that is asked for, and prepares the statement.
    ///
    /// # Errors
    ///
    /// * [`SqlError::NoTable`], [`SqlError::NotATable`], [`SqlError::NoColumn`], [`SqlError::NotUnique`]: the
    ///   database does not fit.
    /// * [`SqlError::Spec`]: no columns, one twice, or a key that is not among them.
    /// * [`SqlError::Database`].
    pub fn open(connection: &Connection, spec: TableSpec) -> Result<Self, SqlError> {
        let key = key_places(&spec)?;
        let kind: Option<String> = connection
            .query_row(
                "SELECT type FROM pragma_table_list(?1) WHERE schema = 'main'",
                [&spec.table],
                |row| row.get(0),
            )
            .optional()?;
        match kind.as_deref() {
            None => make(connection, &spec)?,
            Some("table" | "virtual") => check_columns(connection, &spec)?,
            Some(kind) => {
                return Err(SqlError::NotATable {
                    table: spec.table,
                    kind: kind.to_owned(),
                });
            }
        }
        let sql = write_sql(&spec, &key);
        match connection.prepare_cached(&sql) {
            Ok(_) => Ok(Self { spec, sql, key }),
            // SQLite itself decides which indexes serve, collations and partial ones included.
            Err(error)
                if error
                    .to_string()
                    .contains("ON CONFLICT clause does not match") =>
            {
                Err(not_unique(spec))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The columns, in the order of a row's cells.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.spec.columns
    }

    /// Writes one row.
    ///
    /// A statement that fails takes back all it did, triggers included, and nothing else; so no savepoint is
    /// needed to keep the rows before it.
    ///
    /// # Errors
    ///
    /// [`WriteError::Refused`]: a constraint, a wrong type, a trigger that objects, an empty key, an update of a
    /// row that is gone. [`WriteError::Failed`]: anything that is not about this row.
    pub fn write(&self, transaction: &Transaction<'_>, row: &[Cell]) -> Result<(), WriteError> {
        if let Some(&place) = self
            .key
            .iter()
            .find(|&&place| row.get(place) == Some(&Cell::Null))
        {
            return Err(WriteError::Refused(format!(
                "the key `{}` is null",
                self.spec.columns[place]
            )));
        }
        let mut statement = transaction
            .prepare_cached(&self.sql)
            .map_err(SqlError::from)?;
        match statement.execute(params_from_iter(row)) {
            Ok(0) => self.no_row_changed(),
            Ok(_) => Ok(()),
            Err(error) => Err(self.explain(transaction, statement, error)),
        }
    }

    fn no_row_changed(&self) -> Result<(), WriteError> {
        match &self.spec.verb {
            Verb::Update(key) => Err(WriteError::Refused(format!(
                "row is gone: table `{}` has no row with this {}",
                self.spec.table,
                key.join(", ")
            ))),
            Verb::Insert => Err(WriteError::Refused(format!(
                "table `{}` ignored the row: it conflicts with one that is there",
                self.spec.table
            ))),
            // The row is there, and nothing but its key was to be written.
            Verb::Upsert(_) => Ok(()),
        }
    }

    fn explain(
        &self,
        transaction: &Transaction<'_>,
        statement: CachedStatement<'_>,
        error: rusqlite::Error,
    ) -> WriteError {
        drop(statement);
        let about_the_row = match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => {
                true
            }
            // A computed column or a trigger that cannot digest the value, unless the table is no longer what it was.
            Some(ErrorCode::Unknown) => transaction.prepare(&self.sql).is_ok(),
            _ => false,
        };
        // `ON CONFLICT ROLLBACK` in the table's definition ends the transaction, and with it all rows before.
        if about_the_row && !transaction.is_autocommit() {
            WriteError::Refused(message(error))
        } else {
            WriteError::Failed(error.into())
        }
    }
}

/// The database's own words, without the number of the error.
fn message(error: rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message,
        error => error.to_string(),
    }
}

fn key_places(spec: &TableSpec) -> Result<Vec<usize>, SqlError> {
    let fault = |problem| {
        Err(SqlError::Spec {
            table: spec.table.clone(),
            problem,
        })
    };
    if spec.columns.is_empty() {
        return fault("no columns to write: name at least one".to_owned());
    }
    if let Some(column) = ident::twice(&spec.columns) {
        return fault(format!("column `{column}` is written twice: drop one"));
    }
    let (verb, key) = match &spec.verb {
        Verb::Insert => return Ok(Vec::new()),
        Verb::Upsert(key) => ("upsert", key),
        Verb::Update(key) => ("update", key),
    };
    if key.is_empty() {
        return fault(format!("{verb} needs a key: name its columns"));
    }
    if let Some(column) = ident::twice(key) {
        return fault(format!("the key has `{column}` twice: drop one"));
    }
    if verb == "update" && key.len() == spec.columns.len() {
        return fault("update writes nothing but its key: add a column".to_owned());
    }
    let mut places = Vec::with_capacity(key.len());
    for column in key {
        match ident::position(&spec.columns, column) {
            Some(place) => places.push(place),
            None => {
                return fault(format!(
                    "the key `{column}` is not among the columns written: add it"
                ));
            }
        }
    }
    Ok(places)
}

fn make(connection: &Connection, spec: &TableSpec) -> Result<(), SqlError> {
    let create = create_sql(spec);
    if !spec.make {
        return Err(SqlError::NoTable {
            table: spec.table.clone(),
            create,
        });
    }
    if let Verb::Update(_) = spec.verb {
        let problem =
            "update needs rows that are there, but the table is missing: make and fill it"
                .to_owned();
        return Err(SqlError::Spec {
            table: spec.table.clone(),
            problem,
        });
    }
    connection.execute_batch(&create)?;
    Ok(())
}

fn check_columns(connection: &Connection, spec: &TableSpec) -> Result<(), SqlError> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_xinfo(?1, 'main')")?;
    let has = statement
        .query_map([&spec.table], |row| row.get(0))?
        .collect::<Result<Vec<String>, _>>()?;
    match spec
        .columns
        .iter()
        .find(|column| ident::position(&has, column).is_none())
    {
        None => Ok(()),
        Some(column) => Err(SqlError::NoColumn {
            table: spec.table.clone(),
            column: column.clone(),
            has,
        }),
    }
}

fn not_unique(spec: TableSpec) -> SqlError {
    let Verb::Upsert(key) = spec.verb else {
        unreachable!("only an upsert has an ON CONFLICT clause");
    };
    let create = format!(
        "CREATE UNIQUE INDEX {} ON {} ({})",
        quote_ident(&format!("{}_{}", spec.table, key.join("_"))),
        quote_ident(&spec.table),
        ident::quote_all(&key)
    );
    SqlError::NotUnique {
        table: spec.table,
        key,
        create,
    }
}
