use proptest::prelude::*;
use tidegate_sql::{Cell, Pages, SqlError};

use crate::{Database, names, text};

fn read_all(pages: &mut Pages) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    loop {
        let page = pages.next_page().unwrap();
        if page.is_empty() {
            return rows;
        }
        rows.extend(page);
    }
}

fn fault(database: &Database, query: &str, key: &str) -> String {
    let error = Pages::open(database.path(), query, key, 2).unwrap_err();
    assert!(matches!(error, SqlError::Query { .. }), "{error:?}");
    error.to_string()
}

#[test]
fn rows_of_one_key_are_never_split() {
    let database = Database::with(
        "CREATE TABLE t (k, n);
         INSERT INTO t VALUES (NULL, 1), (2, 2), (NULL, 3), (1, 4), (2, 5), (2, 6), (3, 7), (NULL, 8), ('2', 9)",
    );
    let mut pages = Pages::open(database.path(), "SELECT k, n FROM t", "k", 2).unwrap();
    let mut sizes = Vec::new();
    loop {
        let page = pages.next_page().unwrap();
        if page.is_empty() {
            break;
        }
        sizes.push((page.len(), page[0][0].clone()));
    }
    assert_eq!(
        sizes,
        [
            (3, Cell::Null),
            (1, Cell::Int(1)),
            (3, Cell::Int(2)),
            (2, Cell::Int(3))
        ],
        "nulls first; a text follows the numbers"
    );
}

#[test]
fn a_column_that_ignores_case_loses_no_row() {
    let database = Database::with(
        "CREATE TABLE t (k TEXT COLLATE NOCASE); INSERT INTO t VALUES ('b'), ('A'), ('a'), ('B'), ('c')",
    );
    let mut pages = Pages::open(database.path(), "SELECT k FROM t", "k", 1).unwrap();
    assert_eq!(
        read_all(&mut pages),
        ["A", "B", "a", "b", "c"].map(|key| [text(key)])
    );
}

#[test]
fn numbers_that_a_float_cannot_tell_apart_are_all_read() {
    let database = Database::with(
        "CREATE TABLE t (k);
         INSERT INTO t VALUES (9223372036854775807), (9223372036854775807), (9223372036854775807), (9.223372036854775808e18)",
    );
    let mut pages = Pages::open(database.path(), "SELECT k FROM t", "k", 3).unwrap();
    assert_eq!(read_all(&mut pages).len(), 4);
}

#[test]
fn rows_may_leave_the_query_while_it_is_read() {
    let database = Database::with(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, kind, ok);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)
         INSERT INTO t SELECT i, i / 7, NULL FROM n",
    );
    let query = "SELECT id, kind FROM t WHERE ok IS NULL -- the ones to do\n;";
    let mut pages = Pages::open(database.path(), query, "kind", 5).unwrap();
    let mut done = 0;
    loop {
        let page = pages.next_page().unwrap();
        if page.is_empty() {
            break;
        }
        for row in &page {
            let Cell::Int(id) = row[0] else {
                panic!("an id is a number")
            };
            done += database
                .connection
                .execute("UPDATE t SET ok = 1 WHERE id = ?1", [id])
                .unwrap();
        }
    }
    assert_eq!(done, 50);
}

#[test]
fn no_transaction_is_open_between_pages() {
    let database = Database::with(
        "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3)",
    );
    let mut pages = Pages::open(database.path(), "SELECT id FROM t", "id", 1).unwrap();
    pages.next_page().unwrap();
    database
        .connection
        .execute("INSERT INTO t VALUES (4)", ())
        .unwrap();
    let busy: i64 = database
        .connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get(0))
        .unwrap();
    assert_eq!(busy, 0, "a reader holds the log");
    assert_eq!(read_all(&mut pages).len(), 3);
}

#[test]
fn reading_goes_on_behind_a_key() {
    let database =
        Database::with("CREATE TABLE t (id); INSERT INTO t VALUES (1), (2), (NULL), (3)");
    let mut pages = Pages::open(database.path(), "SELECT id FROM t;", "ID", 500).unwrap();
    assert_eq!(read_all(&mut pages).len(), 4);
    pages.start_after(Cell::Int(2));
    assert_eq!(read_all(&mut pages), [[Cell::Int(3)]]);
    pages.start_after(Cell::Null);
    assert_eq!(
        read_all(&mut pages),
        [[Cell::Int(1)], [Cell::Int(2)], [Cell::Int(3)]]
    );
}

#[test]
fn every_type_comes_as_it_is_stored() {
    let database = Database::with(
        "CREATE TABLE t (id, v); INSERT INTO t VALUES
         (1, NULL), (2, 9223372036854775807), (3, 0.1), (4, 'é' || char(0) || '\"'), (5, x'00ff'), (6, CAST(x'ff' AS TEXT))",
    );
    let mut pages = Pages::open(database.path(), "SELECT v, id FROM t", "id", 4).unwrap();
    assert_eq!(pages.columns(), names(&["v", "id"]));
    let values: Vec<_> = read_all(&mut pages)
        .into_iter()
        .map(|row| row[0].clone())
        .collect();
    let expected = [
        Cell::Null,
        Cell::Int(i64::MAX),
        Cell::Real(0.1),
        text("é\0\""),
        Cell::Blob(vec![0, 255]),
        Cell::Blob(vec![255]),
    ];
    assert_eq!(values, expected);
}

#[test]
fn a_query_that_cannot_be_paged_is_refused() {
    let database = Database::with("CREATE TABLE t (id, name)");
    let check = |query, key, expected: &str| {
        let message = fault(&database, query, key);
        assert!(message.contains(expected), "{message}");
    };
    check(
        "SELECT name FROM t",
        "id",
        "no column `id` to order by; there are name",
    );
    check("SELECT id, name AS ID FROM t", "id", "rename one with AS");
    check("DELETE FROM t RETURNING id", "id", "only reads");
    check(
        "SELECT id FROM t; SELECT 1",
        "id",
        "more than one statement",
    );
    check("SELECT id FROM t WHERE id > ?", "id", "parameter");
    check("SELECT id FROM nowhere", "id", "no such table: nowhere");
    check("SELEC id FROM t", "id", "syntax error");
    check("", "id", "it is empty");
}

#[test]
fn a_key_without_an_index_is_told() {
    let database = Database::with("CREATE TABLE t (id INTEGER PRIMARY KEY, name)");
    let is_indexed = |key| {
        Pages::open(
            database.path(),
            "SELECT id, name FROM t WHERE name > ''",
            key,
            2,
        )
        .unwrap()
        .is_indexed()
        .unwrap()
    };
    assert!(is_indexed("id"));
    assert!(!is_indexed("name"));
}

fn any_key() -> impl Strategy<Value = Cell> {
    prop_oneof![
        1 => Just(Cell::Null),
        4 => (0..6_i64).prop_map(Cell::Int),
        2 => (0..6_i32).prop_map(|n| Cell::Real(f64::from(n) / 2.0)),
        2 => "[aAbB]{0,1}".prop_map(Cell::Text),
        1 => Just(Cell::Blob(vec![0])),
        1 => Just(Cell::Int(i64::MAX)),
        1 => Just(Cell::Real(i64::MAX as f64)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pages_hold_what_one_query_holds(keys in prop::collection::vec(any_key(), 0..40), page in 1_usize..8) {
        let database = Database::with("CREATE TABLE t (k, n INTEGER PRIMARY KEY)");
        for key in &keys {
            database.connection.execute("INSERT INTO t (k) VALUES (?1)", [key]).unwrap();
        }
        let mut pages = Pages::open(database.path(), "SELECT n, k FROM t", "k", page).unwrap();
        let rows = read_all(&mut pages);
        let mut numbers: Vec<_> = rows.iter().map(|row| format!("{:?}", row[0])).collect();
        numbers.sort();
        let mut expected: Vec<_> = (1..=keys.len() as i64).map(|n| format!("{:?}", Cell::Int(n))).collect();
        expected.sort();
        prop_assert_eq!(numbers, expected);
    }
}
