use std::path::Path;

use rusqlite::{Connection, ErrorCode};

use crate::{Access, Cell, SqlError, ident, open, quote_ident};

/// The rows of a query, a page at a time, in the order of a key column.
///
/// Between two pages no transaction is open, so rows may be changed and the WAL be emptied meanwhile. A row that
/// appears with a key below the last one read is not seen.
///
/// # Ordering
///
/// As SQLite orders values: null, numbers, text by bytes, blobs. Rows with one key come together on one page,
/// however many they are, in no particular order: such a page is longer than was asked for and is held whole.
///
/// # Examples
///
/// ```
/// use tidegate_sql::{Access, Cell, Pages, open};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("in.db");
/// open(&path, Access::Create)?.execute_batch("CREATE TABLE t (id); INSERT INTO t VALUES (2), (1), (3)")?;
///
/// let mut pages = Pages::open(&path, "SELECT id FROM t", "id", 2)?;
/// assert_eq!(pages.next_page()?, [[Cell::Int(1)], [Cell::Int(2)]]);
/// assert_eq!(pages.next_page()?, [[Cell::Int(3)]]);
/// assert!(pages.next_page()?.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Pages {
    connection: Connection,
    query: String,
    columns: Vec<String>,
    /// Place of the key among the columns.
    key: usize,
    page: usize,
    /// The key behind which the next page starts; `None` at the beginning.
    after: Option<Cell>,
    ended: bool,
}

impl Pages {
    /// The page size that suits most queries.
    pub const DEFAULT_PAGE: usize = 500;

    /// Opens the database for reading and checks the query; no row is read yet.
    ///
    /// `page` is how many rows one page has, at least 1.
    ///
    /// # Errors
    ///
    /// Those of [`open`], and [`SqlError::Query`] when the query is not one statement that only reads, has a column
    /// twice, or lacks the key.
    pub fn open(
        path: impl AsRef<Path>,
        query: &str,
        key_column: &str,
        page: usize,
    ) -> Result<Self, SqlError> {
        let connection = open(path, Access::ReadOnly)?;
        let query = query
            .trim_end_matches(|c: char| c == ';' || c.is_whitespace())
            .to_owned();
        let columns = check(&connection, &query)?;
        let fault = |problem| SqlError::Query { problem };
        if let Some(column) = ident::twice(&columns) {
            return Err(fault(format!(
                "two columns are named `{column}`: rename one with AS"
            )));
        }
        let Some(key) = ident::position(&columns, key_column) else {
            return Err(fault(format!(
                "no column `{key_column}` to order by; there are {}",
                columns.join(", ")
            )));
        };
        Ok(Self {
            connection,
            query,
            columns,
            key,
            page: page.max(1),
            after: None,
            ended: false,
        })
    }

    /// The names of the columns, in the order of a row's cells.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Place of the key column among the columns.
    #[must_use]
    pub fn key_place(&self) -> usize {
        self.key
    }

    /// Goes on behind the rows with this key, which were read before.
    pub fn start_after(&mut self, key: Cell) {
        self.after = Some(key);
        self.ended = false;
    }

    /// The next rows; an empty page is the end.
    ///
    /// # Errors
    ///
    /// [`SqlError::Database`]. The same page can be asked for again.
    pub fn next_page(&mut self) -> Result<Vec<Vec<Cell>>, SqlError> {
        if self.ended {
            return Ok(Vec::new());
        }
        // One row more shows whether the last key of the page goes on behind it.
        let mut rows = self.read(self.after.as_ref(), Take::Behind(self.page + 1))?;
        if rows.len() > self.page {
            let key = self.key;
            let (first, last) = (rows[0][key].clone(), rows[self.page][key].clone());
            let whole = rows
                .iter()
                .take_while(|row| !row[key].is_same_key(&last))
                .count();
            rows.truncate(whole);
            if whole == 0 {
                // Nothing but one key: all of it is one page.
                rows = self.read(Some(&first), Take::Same)?;
                if rows.is_empty() {
                    // They went away between the two reads.
                    self.after = Some(first);
                    return self.next_page();
                }
            }
        } else {
            self.ended = true;
        }
        if let Some(row) = rows.last() {
            self.after = Some(row[self.key].clone());
        }
        Ok(rows)
    }

    /// Whether each page is found through an index. If not, SQLite reads all rows for every page, which a large
    /// table feels.
    ///
    /// # Errors
    ///
    /// [`SqlError::Database`].
    pub fn is_indexed(&self) -> Result<bool, SqlError> {
        let (sql, _) = self.sql(None, Take::Behind(1));
        let mut statement = self
            .connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
        let steps = statement
            .query_map((), |row| row.get("detail"))?
            .collect::<Result<Vec<String>, _>>()?;
        Ok(!steps
            .iter()
            .any(|step| step.contains("USE TEMP B-TREE FOR ORDER BY")))
    }

    fn read(&self, mark: Option<&Cell>, take: Take) -> Result<Vec<Vec<Cell>>, SqlError> {
        let (sql, value) = self.sql(mark, take);
        let mut statement = self.connection.prepare_cached(&sql)?;
        let columns = self.columns.len();
        let rows = statement.query_map(rusqlite::params_from_iter(value), |row| {
            (0..columns)
                .map(|column| Ok(Cell::from_value(row.get_ref(column)?)))
                .collect()
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A statement and the value to bind. Keys compare by bytes, whatever the column's collation is: equal must
    /// mean the same here and there. The line end closes a comment at the end of the query.
    fn sql<'a>(&self, mark: Option<&'a Cell>, take: Take) -> (String, Option<&'a Cell>) {
        let key = format!(
            "\"rows\".{} COLLATE BINARY",
            quote_ident(&self.columns[self.key])
        );
        let (condition, value) = match (mark, take) {
            (None, _) => (String::new(), None),
            (Some(Cell::Null), Take::Behind(_)) => (format!("WHERE {key} IS NOT NULL"), None),
            (Some(Cell::Null), Take::Same) => (format!("WHERE {key} IS NULL"), None),
            (value, Take::Behind(_)) => (format!("WHERE {key} > ?1"), value),
            (value, Take::Same) => (format!("WHERE {key} = ?1"), value),
        };
        let end = match take {
            Take::Behind(limit) => format!("ORDER BY {key} LIMIT {limit}"),
            Take::Same => String::new(),
        };
        (
            format!(
                "SELECT * FROM (\n{}\n) AS \"rows\" {condition} {end}",
                self.query
            ),
            value,
        )
    }
}

/// Which rows to read, as seen from a mark.
#[derive(Debug, Clone, Copy)]
enum Take {
    /// So many with a greater key.
    Behind(usize),
    /// All with the same key.
    Same,
}

fn check(connection: &Connection, query: &str) -> Result<Vec<String>, SqlError> {
    let fault = |problem: &str| SqlError::Query {
        problem: problem.to_owned(),
    };
    let statement = match connection.prepare(query) {
        Ok(statement) => statement,
        Err(rusqlite::Error::Empty) => return Err(fault("it is empty: use SELECT")),
        Err(rusqlite::Error::MultipleStatement) => {
            return Err(fault("more than one statement: keep one SELECT"));
        }
        Err(error) => return Err(explain(error)),
    };
    if !statement.readonly() {
        return Err(fault(
            "it changes the database: a source only reads, so use SELECT",
        ));
    }
    if statement.column_count() == 0 {
        return Err(fault("it has no columns: use SELECT"));
    }
    if statement.parameter_count() > 0 {
        return Err(fault(
            "it has a parameter that nothing fills: write the value",
        ));
    }
    Ok(statement.column_names().map(str::to_owned).collect())
}

/// A fault in the query is the user's to mend, so the database's words are the problem.
fn explain(error: rusqlite::Error) -> SqlError {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => SqlError::Query { problem: msg },
        rusqlite::Error::SqliteFailure(failure, Some(problem))
            if failure.code == ErrorCode::Unknown =>
        {
            SqlError::Query { problem }
        }
        error => error.into(),
    }
}
