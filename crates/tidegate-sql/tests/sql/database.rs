use std::{error::Error, fs};

use tidegate_sql::{Access, SqlError, open};

use crate::Database;

#[test]
fn a_missing_database_is_not_made_for_reading() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.db");
    let error = open(&path, Access::ReadOnly).unwrap_err();
    assert!(matches!(error, SqlError::NoFile { .. }), "{error:?}");
    assert!(!path.exists());
}

#[test]
fn a_missing_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = open(folder.path().join("deep").join("out.db"), Access::Create).unwrap_err();
    assert!(
        matches!(&error, SqlError::NoFolder { folder, .. } if folder.ends_with("deep")),
        "{error:?}"
    );
}

#[test]
fn a_file_of_another_kind_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.db");
    fs::write(
        &path,
        "not a database at all, but longer than a header of one hundred bytes. ".repeat(4),
    )
    .unwrap();
    for access in [Access::ReadOnly, Access::Create] {
        let error = open(&path, access).unwrap_err();
        assert!(matches!(error, SqlError::NotADatabase { .. }), "{error:?}");
    }
}

#[test]
fn a_reader_cannot_write() {
    let database = Database::with("CREATE TABLE t (id)");
    let reader = open(database.path(), Access::ReadOnly).unwrap();
    let error = SqlError::from(reader.execute("INSERT INTO t VALUES (1)", ()).unwrap_err());
    assert!(error.to_string().contains("cannot be written"), "{error}");
    assert!(error.source().is_some());
}

#[test]
fn a_locked_database_is_busy() {
    let database = Database::with("CREATE TABLE t (id)");
    let other = open(database.path(), Access::Create).unwrap();
    other.busy_timeout(std::time::Duration::ZERO).unwrap();
    database
        .connection
        .execute_batch("BEGIN IMMEDIATE")
        .unwrap();
    let error = SqlError::from(other.execute_batch("BEGIN IMMEDIATE").unwrap_err());
    assert!(error.is_busy() && !error.is_full(), "{error:?}");
}

#[test]
fn a_full_database_is_full() {
    let database = Database::with("CREATE TABLE t (id); PRAGMA max_page_count = 3");
    let error = SqlError::from(
        database
            .connection
            .execute("INSERT INTO t VALUES (zeroblob(100000))", ())
            .unwrap_err(),
    );
    assert!(error.is_full() && !error.is_busy(), "{error:?}");
}
