use crate::support::Folder;
use tidegate_runner::plan::SourceKind;

const CSV: &str = "id,First Name,user-id,age\n1,Ann,7,31\n";

#[test]
fn a_csv_header_makes_an_unknown_name_a_fault() {
    let folder = Folder::with(&[
        ("users.csv", CSV),
        ("dup.csv", "id,id\n"),
        ("open.csv", "id,\"name\n1,2\n"),
        ("semi.csv", "id;name\n1;2\n"),
    ]);
    let row = |row: &str| {
        format!(
            "source: {{ csv: users.csv, key: id }}\nsink:\n  jsonl: out.jsonl\n  row:\n    {row}\n"
        )
    };
    let said = [
        folder.said(&row("status: ok")),
        folder.said(&row("x: \"user-id\"")),
        folder.said(&row("x: agee")),
        folder.said(&row("x: record.nmae")),
        folder.said(&row("x: \"'old' if age > 18 else 'young'\"")),
        folder.said("source: { csv: users.csv, key: uid }\n"),
        folder.said("source: { csv: users.csv, key: id, where: age }\n"),
        folder.said("source: { csv: later.csv, key: id, where: record.active }\n"),
        folder.said("source: { csv: users.csv, key: id, types: { agee: int } }\n"),
        folder.said("source: { csv: dup.csv, key: id }\n"),
        folder.said("source: { csv: open.csv, key: id }\n"),
        folder.said("source: { csv: semi.csv, key: \"record['id;name']\" }\n"),
    ];
    insta::assert_snapshot!(said.join("\n\n----\n\n"));
}

#[test]
fn a_csv_file_with_another_delimiter_says_which() {
    let folder = Folder::with(&[("semi.csv", "id;t\n1;2\n"), ("tab.csv", "id\tt\n1\t2\n")]);
    for (source, help) in [
        ("{ csv: semi.csv, key: id }", "delimiter: \";\""),
        ("{ csv: semi.csv, key: record.id }", "delimiter: \";\""),
        ("{ csv: semi.csv, key: \"'id'\" }", "delimiter: \";\""),
        ("{ csv: tab.csv, key: id }", "delimiter: \"\\t\""),
    ] {
        let faults = folder
            .load(&format!("source: {source}\n"))
            .expect_err("the header has no such field");
        assert_eq!(faults.len(), 1, "{faults}");
        let fault = faults.iter().next().expect("there is a fault");
        assert_eq!(fault.helps(), [help], "{source}");
        let mended = source
            .replace(" }", &format!(", {help} }}"))
            .replace("\"'id'\"", "id");
        folder
            .load(&format!("source: {mended}\n"))
            .unwrap_or_else(|faults| panic!("{faults}"));
    }
}

#[test]
fn a_text_as_an_operand_is_a_fault_of_check() {
    let folder = Folder::with(&[("in.csv", "id,go,n\n1,false,2\n")]);
    let load = |filter: &str, types: &str| {
        folder.load(&format!(
            "source: {{ csv: in.csv, key: id, types: {types}, where: \"{filter}\" }}\n"
        ))
    };
    for filter in [
        "go and true",
        "not go",
        "n == '2' or (go)",
        "(true if go else false)",
    ] {
        let faults = load(filter, "{ }").expect_err(filter);
        let fault = faults.iter().next().expect("there is a fault");
        assert_eq!(
            fault.message(),
            "`go` is text, and here it is taken for true or false",
            "{filter}"
        );
        assert_eq!(
            fault.helps(),
            ["give the column a type, or write (go | bool)"]
        );
        load(filter, "{ go: bool }").unwrap_or_else(|faults| panic!("{faults}"));
    }
    load("go == 'true' and n != '1'", "{ }").unwrap_or_else(|faults| panic!("{faults}"));
}

#[test]
fn a_field_with_a_dash_is_proposed_and_its_parts_are_not_judged() {
    let folder = Folder::with(&[
        ("in.csv", "id,user-id\n1,7\n"),
        ("user.csv", "user,user-id\n1,7\n"),
    ]);
    let service = "services:\n  api: { base: \"http://x.example\", rate: 1/s }\n";
    for (file, key, wrong) in [
        ("in.csv", "id", "no field or step `user`"),
        ("user.csv", "user", "no field or step `id`"),
    ] {
        let faults = folder
            .load(&format!(
                "source: {{ csv: {file}, key: {key} }}\n{service}steps:\n  a:\n    api: GET /x\n    when: user-id > 5\n"
            ))
            .expect_err("it is a difference");
        assert_eq!(faults.len(), 1, "{faults}");
        let fault = faults.iter().next().expect("there is a fault");
        assert_eq!(fault.message(), wrong);
        assert_eq!(fault.helps(), ["for the field write  record['user-id']"]);
    }
}

#[test]
fn a_table_that_is_missing_is_said_before_the_run() {
    let folder = Folder::with(&[("in.jsonl", "{\"id\":1}\n")]);
    let connection = tidegate_sql::open(folder.path("app.db"), tidegate_sql::Access::Create)
        .expect("a database can be made");
    connection
        .execute_batch("CREATE TABLE Users (id INTEGER PRIMARY KEY)")
        .expect("a table can be made");
    let sink = |sink: &str| {
        let said = folder.said(&format!(
            "source: {{ jsonl: in.jsonl, key: id }}\nsink: {{ {sink}, row: {{ id: id }} }}\n"
        ));
        said.contains("there is no table `nope` yet") && said.contains("create: true")
    };
    assert!(sink("sqlite: app.db, insert: nope"));
    assert!(!sink("sqlite: app.db, insert: nope, create: true"));
    assert!(!sink("sqlite: app.db, insert: users"));
    assert!(!sink("sqlite: new.db, insert: nope"));
    connection
        .execute_batch("DROP TABLE Users; CREATE TABLE tidegate_x (id INTEGER)")
        .expect("a table can be dropped");
    assert!(!sink("sqlite: app.db, insert: nope"));
}

#[test]
fn a_typed_column_compares_with_a_number() {
    let folder = Folder::with(&[("users.csv", CSV)]);
    let (plan, _) = folder
        .load("source: { csv: users.csv, key: id, where: age > 18, types: { age: int } }\n")
        .expect("the flow is right");
    assert!(plan.source.filter.is_some());
}

#[test]
fn json_lines_may_hold_more_than_their_first_records_show() {
    let folder = Folder::with(&[(
        "in.jsonl",
        "{\"id\":1,\"name\":\"x\"}\n{\"id\":2,\"user\":3}\n",
    )]);
    let head = "source: { jsonl: in.jsonl, key: id }\nservices:\n  api: { base: \"http://x.example\", rate: 1/s }\n";
    let said = [
        folder.said(&format!(
            "{head}steps:\n  a:\n    api: GET /{{{{ nmae }}}}\n"
        )),
        folder.said(&format!("{head}steps:\n  user:\n    api: GET /x\n")),
    ];
    insta::assert_snapshot!(said.join("\n\n----\n\n"));
}

#[test]
fn a_query_is_tried() {
    let folder = Folder::with(&[]);
    let connection = tidegate_sql::open(folder.path("app.db"), tidegate_sql::Access::Create)
        .expect("a database can be made");
    connection
        .execute_batch("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)")
        .expect("a table can be made");
    let (plan, _) = folder
        .load("source:\n  sqlite: app.db\n  query: SELECT id, name FROM users\n  key: id\n")
        .expect("the flow is right");
    assert!(
        matches!(&plan.source.kind, SourceKind::Sqlite { key_column, .. } if key_column == "id")
    );
    let source =
        |query: &str, rest: &str| format!("source:\n  sqlite: app.db\n  query: {query}\n{rest}");
    let said = [
        folder.said(&source("SELECT id, nam FROM users", "  key: id\n")),
        folder.said(&source("SELECT id FROM user", "  key: id\n")),
        folder.said(&source("SELECT id, name FROM users", "  key: uid\n")),
        folder.said(&source("SELECT id, name FROM users", "  key: id + 1\n")),
        folder.said(&source("SELECT id, name FROM users", "  key: [id, name]\n")),
        folder.said(&source("SELECT id, name FROM users", "")),
        folder.said("source: { sqlite: app.db, key: id }\n"),
    ];
    insta::assert_snapshot!(said.join("\n\n----\n\n"));
}

#[test]
fn a_flow_file_that_cannot_be_read_is_a_fault() {
    let folder = Folder::with(&[]);
    std::fs::write(folder.path("latin.yaml"), b"name: x\nname: caf\xe9\n")
        .expect("a file can be written");
    for (name, word) in [
        ("gone.yaml", "no such flow file"),
        ("latin.yaml", "see line 2"),
    ] {
        let given = tidegate_runner::plan::Given {
            sets: &[],
            env: &|_| None,
        };
        let faults =
            tidegate_runner::plan::load(&folder.path(name), &given).expect_err("it cannot be read");
        assert!(faults.to_string().contains(word), "{faults}");
    }
}
