use tidegate_sql::{Cell, SqlError, Table, TableSpec, Verb, WriteError};

use crate::{Database, names, text};

fn spec(table: &str, columns: &[&str], verb: Verb) -> TableSpec {
    TableSpec {
        table: table.to_owned(),
        columns: names(columns),
        verb,
        make: false,
    }
}

fn upsert(key: &[&str]) -> Verb {
    Verb::Upsert(names(key))
}

fn update(key: &[&str]) -> Verb {
    Verb::Update(names(key))
}

/// Writes rows in one transaction and commits; says what each refused row was told.
fn write(database: &mut Database, table: &Table, rows: &[&[Cell]]) -> Vec<String> {
    let transaction = database.connection.transaction().unwrap();
    let mut refusals = Vec::new();
    for row in rows {
        match table.write(&transaction, row) {
            Ok(()) => {}
            Err(WriteError::Refused(message)) => refusals.push(message),
            Err(error) => panic!("{error:?}"),
        }
    }
    transaction.commit().unwrap();
    refusals
}

fn open_error(database: &Database, spec: TableSpec) -> String {
    Table::open(&database.connection, spec)
        .unwrap_err()
        .to_string()
}

#[test]
fn a_refused_row_leaves_the_others() {
    let mut database =
        Database::with("CREATE TABLE t (id INTEGER PRIMARY KEY, age INT CHECK (age > 0)) STRICT");
    let table = Table::open(
        &database.connection,
        spec("t", &["id", "age"], Verb::Insert),
    )
    .unwrap();
    let refusals = write(
        &mut database,
        &table,
        &[
            &[Cell::Int(1), Cell::Int(30)],
            &[Cell::Int(2), Cell::Int(-1)],
            &[Cell::Int(1), Cell::Int(31)],
            &[Cell::Int(3), text("old")],
            &[Cell::Int(4), Cell::Int(40)],
        ],
    );
    assert_eq!(
        database.texts("SELECT id || '=' || age FROM t ORDER BY id"),
        ["1=30", "4=40"]
    );
    assert_eq!(refusals.len(), 3);
    assert!(
        refusals[0].contains("CHECK constraint failed"),
        "{refusals:?}"
    );
    assert!(
        refusals[1].contains("UNIQUE constraint failed: t.id"),
        "{refusals:?}"
    );
    assert!(
        refusals[2].contains("cannot store TEXT value in INT column t.age"),
        "{refusals:?}"
    );
}

#[test]
fn a_trigger_that_objects_refuses_one_row_and_leaves_no_trace() {
    let mut database = Database::with(
        "CREATE TABLE log (id); CREATE TABLE t (id);
         CREATE TRIGGER a BEFORE INSERT ON t BEGIN INSERT INTO log VALUES (new.id); END;
         CREATE TRIGGER b AFTER INSERT ON t WHEN new.id = 2 BEGIN SELECT RAISE(ABORT, 'no twos'); END",
    );
    let table = Table::open(&database.connection, spec("t", &["id"], Verb::Insert)).unwrap();
    let refusals = write(
        &mut database,
        &table,
        &[&[text("1")], &[Cell::Int(2)], &[text("3")]],
    );
    assert_eq!(refusals, ["no twos"]);
    assert_eq!(database.texts("SELECT id FROM log"), ["1", "3"]);
}

#[test]
fn a_value_that_a_computed_column_cannot_digest_refuses_one_row() {
    let mut database = Database::with("CREATE TABLE t (body, name AS (body ->> 'name') STORED)");
    let table = Table::open(&database.connection, spec("t", &["body"], Verb::Insert)).unwrap();
    let refusals = write(
        &mut database,
        &table,
        &[&[text("{")], &[text(r#"{"name":"Ann"}"#)]],
    );
    assert_eq!(refusals, ["malformed JSON"]);
    assert_eq!(database.texts("SELECT name FROM t"), ["Ann"]);
}

#[test]
fn a_table_that_goes_away_is_not_the_rows_fault() {
    let mut database = Database::with("CREATE TABLE t (id)");
    let table = Table::open(&database.connection, spec("t", &["id"], Verb::Insert)).unwrap();
    database.connection.execute_batch("DROP TABLE t").unwrap();
    let transaction = database.connection.transaction().unwrap();
    let error = table.write(&transaction, &[Cell::Int(1)]).unwrap_err();
    assert!(matches!(error, WriteError::Failed(_)), "{error:?}");
}

#[test]
fn a_constraint_that_rolls_the_transaction_back_is_not_a_refusal() {
    let mut database = Database::with("CREATE TABLE t (id UNIQUE ON CONFLICT ROLLBACK)");
    let table = Table::open(&database.connection, spec("t", &["id"], Verb::Insert)).unwrap();
    let transaction = database.connection.transaction().unwrap();
    table.write(&transaction, &[Cell::Int(1)]).unwrap();
    let error = table.write(&transaction, &[Cell::Int(1)]).unwrap_err();
    assert!(matches!(error, WriteError::Failed(_)), "{error:?}");
}

#[test]
fn a_row_that_the_table_ignores_is_refused() {
    let mut database = Database::with("CREATE TABLE t (id UNIQUE ON CONFLICT IGNORE)");
    let table = Table::open(&database.connection, spec("t", &["id"], Verb::Insert)).unwrap();
    let refusals = write(&mut database, &table, &[&[Cell::Int(1)], &[Cell::Int(1)]]);
    assert_eq!(refusals.len(), 1, "{refusals:?}");
}

#[test]
fn upsert_overwrites_only_the_columns_it_writes() {
    let mut database = Database::with(
        "CREATE TABLE t (id PRIMARY KEY, name, note); INSERT INTO t VALUES ('a', 'Ann', 'kept')",
    );
    let table = Table::open(
        &database.connection,
        spec("t", &["id", "name"], upsert(&["id"])),
    )
    .unwrap();
    let refusals = write(
        &mut database,
        &table,
        &[
            &[text("a"), text("Anna")],
            &[text("b"), text("Ben")],
            &[Cell::Null, text("?")],
        ],
    );
    assert_eq!(refusals, ["the key `id` is null"]);
    assert_eq!(
        database.texts("SELECT id || name || ifnull(note, '-') FROM t ORDER BY id"),
        ["aAnnakept", "bBen-"]
    );
}

#[test]
fn upsert_of_nothing_but_the_key_is_done_twice() {
    let mut database = Database::with("CREATE TABLE t (id PRIMARY KEY)");
    let table = Table::open(&database.connection, spec("t", &["id"], upsert(&["id"]))).unwrap();
    assert!(write(&mut database, &table, &[&[text("a")], &[text("a")]]).is_empty());
    assert_eq!(database.texts("SELECT id FROM t"), ["a"]);
}

#[test]
fn upsert_needs_exactly_the_key() {
    let database = Database::with(
        "CREATE TABLE t (a, b, c, PRIMARY KEY (a, b)); CREATE UNIQUE INDEX some ON t (c) WHERE c > 0;
         CREATE TABLE r (id INTEGER PRIMARY KEY, x)",
    );
    for key in [&["a"][..], &["c"], &["a", "b", "c"]] {
        let error = Table::open(
            &database.connection,
            spec("t", &["a", "b", "c"], upsert(key)),
        )
        .unwrap_err();
        assert!(
            matches!(error, SqlError::NotUnique { .. }),
            "{key:?}: {error:?}"
        );
    }
    let message = open_error(&database, spec("t", &["a", "c"], upsert(&["c"])));
    assert!(
        message.ends_with(r#"`CREATE UNIQUE INDEX "t_c" ON "t" ("c")`"#),
        "{message}"
    );
    Table::open(
        &database.connection,
        spec("t", &["a", "b", "c"], upsert(&["b", "a"])),
    )
    .unwrap();
    Table::open(
        &database.connection,
        spec("r", &["ID", "x"], upsert(&["id"])),
    )
    .unwrap();
}

#[test]
fn update_of_a_row_that_is_gone_is_refused() {
    let mut database = Database::with(
        "CREATE TABLE t (id, name NOT NULL, ok); INSERT INTO t VALUES (1, 'Ann', NULL)",
    );
    let table = Table::open(
        &database.connection,
        spec("t", &["id", "ok"], update(&["id"])),
    )
    .unwrap();
    let refusals = write(
        &mut database,
        &table,
        &[&[Cell::Int(7), Cell::Int(1)], &[Cell::Int(1), text("yes")]],
    );
    assert_eq!(refusals, ["row is gone: table `t` has no row with this id"]);
    assert_eq!(database.texts("SELECT ok FROM t"), ["yes"]);
}

#[test]
fn a_missing_table_is_made_only_when_asked_for() {
    let mut database = Database::with("");
    let mut wanted = spec("users", &["id", "name"], upsert(&["id"]));
    let message = open_error(&database, wanted.clone());
    assert!(
        message.contains(r#"CREATE TABLE "users" ("id", "name", PRIMARY KEY ("id"))"#),
        "{message}"
    );
    wanted.make = true;
    let table = Table::open(&database.connection, wanted).unwrap();
    write(
        &mut database,
        &table,
        &[&[Cell::Int(1), text("Ann")], &[text("1"), text("Ben")]],
    );
    assert_eq!(
        database.texts("SELECT typeof(id) || name FROM users ORDER BY name"),
        ["integerAnn", "textBen"]
    );

    let mut senseless = spec("other", &["id", "name"], update(&["id"]));
    senseless.make = true;
    assert!(open_error(&database, senseless).contains("table is missing"));
}

#[test]
fn faults_of_the_columns_say_what_to_do() {
    let database = Database::with("CREATE TABLE t (id, name); CREATE VIEW v AS SELECT 1 AS id");
    let check = |spec, expected: &str| {
        let message = open_error(&database, spec);
        assert!(message.contains(expected), "{message}");
    };
    check(
        spec("t", &["id", "nmae"], Verb::Insert),
        "no column `nmae`; it has `id`, `name`",
    );
    check(spec("t", &[], Verb::Insert), "name at least one");
    check(
        spec("t", &["id", "ID"], Verb::Insert),
        "`ID` is written twice",
    );
    check(
        spec("t", &["name"], upsert(&["id"])),
        "key `id` is not among the columns",
    );
    check(spec("t", &["id"], update(&["id"])), "nothing but its key");
    check(spec("t", &["id"], update(&[])), "update needs a key");
    check(spec("v", &["id"], Verb::Insert), "`v` is a view");
}

#[test]
fn any_name_and_any_value_is_data() {
    let mut database = Database::with("CREATE TABLE keep (id)");
    let table_name = r#"x"; DROP TABLE keep; --"#;
    let columns = ["select", "a\"b", "c); --", "名前", "it's"];
    let mut wanted = spec(table_name, &columns, upsert(&["select", "a\"b"]));
    wanted.make = true;
    let table = Table::open(&database.connection, wanted).unwrap();
    let nasty = "'; DROP TABLE keep; --\r\n\0\"\u{1F980}";
    let row = [
        text("k"),
        text(nasty),
        Cell::Blob(vec![0, 255]),
        Cell::Null,
        Cell::Real(0.1),
    ];
    assert!(write(&mut database, &table, &[&row, &row]).is_empty());
    let sql = format!(
        "SELECT \"a\"\"b\" FROM {}",
        tidegate_sql::quote_ident(table_name)
    );
    assert_eq!(database.texts(&sql), [nasty]);
    assert_eq!(database.texts("SELECT count(*) || '' FROM keep"), ["0"]);
}
