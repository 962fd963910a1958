//! Sources and sinks of every kind.

use crate::support::{Case, Server, csv_rows, gunzip, gzip, json_lines, numbered, table};
use rusqlite::types::Value as Cell;
use serde_json::json;
use std::fmt::Write as _;
use tidegate_test::Api;

const STEPS: &str = "
services: { api: { base: $API } }
steps: { user: { api: 'GET /users/{{ id }}' } }
";

fn api() -> Api {
    Api::builder().spawn_thread().expect("a local API")
}

fn case(api: &Api, source: &str, sink: &str) -> Case {
    let dead = "dead_letter: { jsonl: dead.jsonl }";
    Case::new(
        &api.base_url(),
        &format!("source: {source}{STEPS}sink: {sink}\n{dead}\n"),
    )
}

#[test]
fn standard_input_to_standard_output() {
    let api = api();
    let case = case(
        &api,
        "{ jsonl: '-', key: id }",
        "{ jsonl: '-', row: { id: id, name: user.name } }",
    );
    let end = case
        .fed(&["run", "flow.yaml"], b"{\"id\":1}\n{\"id\":2}\n")
        .exits(0);
    assert_eq!(numbered(&end.lines()), [1, 2]);
    assert!(end.lines().iter().any(|row| row["name"] == "User 2"));
}

#[test]
fn standard_input_that_comes_again_is_matched_by_key() {
    let api = api();
    let case = case(
        &api,
        "{ jsonl: '-', key: id }",
        "{ jsonl: out.jsonl, row: { id: id } }",
    );
    let args = ["run", "flow.yaml", "--report", "report.json"];
    assert_eq!(
        case.fed(&args, b"{\"id\":1}\n{\"id\":2}\n")
            .exits(0)
            .counts(),
        [2, 0, 0, 0]
    );
    assert_eq!(
        case.fed(&args, b"{\"id\":3}\n{\"id\":2}\n{\"id\":1}\n")
            .exits(0)
            .counts(),
        [1, 0, 2, 0]
    );
    assert_eq!(api.stats().requests, 3);
}

#[test]
fn csv_cells_are_text_until_they_have_a_type() {
    let api = api();
    let source = "{ csv: in.csv, key: id, types: { spend: float, active: bool, n: int, since: date }, where: active and n > 1 }";
    let row = "{ id: id, code: code, spend: spend * 2, n: n + 1, since: since, empty: empty }";
    let case = case(&api, source, &format!("{{ jsonl: out.jsonl, row: {row} }}"));
    case.write(
        "in.csv",
        "id,code,spend,active,n,since,empty\r\n1,007,1.25,true,2,2026-01-02,\r\n2,x,1,false,9,2026-01-02,\r\n3,\"a \"\"b\"\",\nc\",3,true,1,2026-01-02,\r\n4,y,,true,5,2026-01-02,z\r\n",
    );
    let end = case.run(&[]);
    let rows = json_lines(&case.bytes("out.jsonl"));
    assert_eq!(
        rows,
        [
            json!({ "id": "1", "code": "007", "spend": 2.5, "n": 3, "since": "2026-01-02", "empty": "" })
        ]
    );
    // An empty cell of a typed column is null, and null has no double.
    let end = end.exits(3);
    assert_eq!(
        (
            end.count("filtered"),
            end.count("dead"),
            end.count("skipped")
        ),
        (2, 1, 2)
    );
}

#[test]
fn a_bad_value_of_a_typed_column_dies_with_its_line() {
    let api = api();
    let case = case(
        &api,
        "{ csv: in.csv, key: id, types: { n: int } }",
        "{ csv: out.csv, row: { id: id, n: n } }",
    );
    case.write("in.csv", "id,n\n1,10\n2,ten\n3,\n");
    assert_eq!(case.run(&[]).exits(3).counts(), [2, 1, 0, 0]);
    let (header, mut rows) = csv_rows(&case.bytes("out.csv"));
    rows.sort();
    assert_eq!(
        (header, rows),
        (
            vec!["id".to_owned(), "n".to_owned()],
            vec![
                vec!["1".to_owned(), "10".to_owned()],
                vec!["3".to_owned(), String::new()]
            ]
        )
    );
    let dead = json_lines(&case.bytes("dead.jsonl"));
    assert_eq!(dead[0]["line"], 3);
    assert!(
        dead[0]["cause"].as_str().expect("a text").contains("ten"),
        "{}",
        dead[0]
    );
}

#[test]
fn csv_goes_in_and_out_with_all_its_columns_when_there_is_no_row() {
    let api = api();
    let case = case(
        &api,
        "{ csv: in.csv, key: id, delimiter: ';' }",
        "{ csv: out.csv }",
    );
    case.write("in.csv", "\u{feff}id;name\n1;\"Ann; \"\"A\"\"\"\n2;Bob\n");
    case.run(&[]).exits(0);
    let (header, mut rows) = csv_rows(&case.bytes("out.csv"));
    rows.sort();
    assert_eq!(header, ["id", "name", "user"]);
    assert_eq!(rows[0][..2], ["1", "Ann; \"A\""]);
    assert_eq!(rows[1][..2], ["2", "Bob"]);
}

#[test]
fn a_quote_that_never_closes_ends_with_2_and_its_line() {
    let api = api();
    let case = case(
        &api,
        "{ csv: in.csv, key: id }",
        "{ jsonl: out.jsonl, row: { id: id } }",
    );
    let mut text = "id,name\n1,a\n2,\"b\n".to_owned();
    (3..50).for_each(|id| writeln!(text, "{id},c").expect("a text takes every line"));
    case.write("in.csv", text);
    case.tidegate(&["run", "flow.yaml"])
        .exits(2)
        .says("in.csv")
        .says("line 3");
}

#[test]
fn a_header_that_does_not_fit_ends_with_2_before_the_first_request() {
    for (header, said) in [
        ("name\nx\n", "id"),
        ("id,id\n1,2\n", "id"),
        ("id;name\n1;x\n", "id;name"),
        ("", "header"),
    ] {
        let api = api();
        let case = case(
            &api,
            "{ csv: in.csv, key: id }",
            "{ jsonl: out.jsonl, row: { id: id } }",
        );
        case.write("in.csv", header);
        case.tidegate(&["run", "flow.yaml"]).exits(2).says(said);
        assert_eq!(api.stats().requests, 0);
    }
}

#[test]
fn gzip_goes_in_and_out() {
    let api = api();
    let case = case(
        &api,
        "{ jsonl: in.jsonl.gz, key: id }",
        "{ jsonl: out.jsonl.gz, row: { id: id } }",
    );
    let rows: String = (1..=500).map(|id| format!("{{\"id\":{id}}}\n")).collect();
    case.write("in.jsonl.gz", gzip(&rows));
    case.run(&["--limit", "100"]).exits(0);
    assert_eq!(case.run(&[]).exits(0).counts(), [400, 0, 100, 0]);
    let out = gunzip(&case.bytes("out.jsonl.gz"));
    assert_eq!(
        numbered(&json_lines(out.as_bytes())),
        (1..=500).collect::<Vec<_>>()
    );
    assert_eq!(api.stats().requests, 500);
}

#[test]
fn a_gzip_file_that_is_cut_short_is_not_taken_for_a_whole_one() {
    let api = api();
    let case = case(
        &api,
        "{ jsonl: in.jsonl.gz, key: id }",
        "{ jsonl: out.jsonl, row: { id: id } }",
    );
    let rows: String = (1..=5_000).map(|id| format!("{{\"id\":{id}}}\n")).collect();
    let whole = gzip(&rows);
    case.write("in.jsonl.gz", &whole[..whole.len() / 2]);
    case.tidegate(&["run", "flow.yaml"])
        .exits(2)
        .says("in.jsonl.gz");
    case.write("in.jsonl.gz", &whole);
    case.run(&[]).exits(0);
    assert_eq!(
        numbered(&json_lines(&case.bytes("out.jsonl"))),
        (1..=5_000).collect::<Vec<_>>()
    );
}

#[test]
fn a_table_is_source_and_sink_in_one_file() {
    let api = api();
    let source = "{ sqlite: app.db, query: 'SELECT id, vat FROM companies', key: id }";
    let sink = "{ sqlite: app.db, update: companies(id), row: { id: id, name: user.name } }";
    let case = case(&api, source, sink);
    let database = rusqlite::Connection::open(case.path("app.db")).expect("a database");
    database
        .execute_batch(
            "CREATE TABLE companies (id INTEGER PRIMARY KEY, vat TEXT NOT NULL, name TEXT)",
        )
        .expect("a table");
    for id in 1..=700 {
        database
            .execute("INSERT INTO companies VALUES (?1, 'v', NULL)", [id])
            .expect("a row");
    }
    drop(database);
    assert_eq!(
        case.run(&["--limit", "300"]).exits(0).counts(),
        [300, 0, 0, 0]
    );
    let end = case.run(&[]).exits(0);
    assert_eq!(
        (end.count("done"), end.count("dead"), end.count("pending")),
        (400, 0, 0)
    );
    let wrong = table(
        &case.path("app.db"),
        "SELECT count(*) FROM companies WHERE name IS NOT 'User ' || id",
    );
    assert_eq!(wrong, [[Cell::Integer(0)]]);
    assert_eq!(api.stats().requests, 700);
}

#[test]
fn without_row_the_record_keeps_its_own_bytes() {
    let server = Server::start(|_, _| (200, "{\"a\":1}".to_owned()));
    let flow =
        format!("source: {{ jsonl: in.jsonl, key: id }}{STEPS}sink: {{ jsonl: out.jsonl }}\n");
    let case = Case::new(&server.base(), &flow);
    case.write(
        "in.jsonl",
        "{\"id\":1, \"money\":19.90, \"big\":123456789012345678901234567890}\n",
    );
    case.run(&[]).exits(0);
    let text = case.text("out.jsonl");
    assert!(
        text.contains("19.90") && text.contains("123456789012345678901234567890"),
        "{text}"
    );
    assert!(text.contains("\"user\":{\"a\":1}"), "{text}");
}

#[test]
fn a_flow_without_a_sink_is_done_when_its_steps_are() {
    let api = api();
    let flow = format!("source: {{ jsonl: in.jsonl, key: id }}{STEPS}");
    let case = Case::new(&api.base_url(), &flow).rows(20);
    assert_eq!(case.run(&[]).exits(0).counts(), [20, 0, 0, 0]);
    assert_eq!(case.run(&[]).exits(0).counts(), [0, 0, 20, 0]);
    assert_eq!(api.stats().requests, 20);
}

#[test]
fn names_with_quotes_and_words_of_sql_are_only_names() {
    let api = api();
    let sink = "{ sqlite: out.db, insert: order, row: { select: id, 'a \"b\"; DROP TABLE x': user.name } }";
    let case = case(&api, "{ jsonl: in.jsonl, key: id }", sink).rows(2);
    case.run(&[]).exits(0);
    let rows = table(
        &case.path("out.db"),
        "SELECT \"select\", \"a \"\"b\"\"; DROP TABLE x\" FROM \"order\" ORDER BY 1",
    );
    assert_eq!(rows[1], [Cell::Integer(2), Cell::Text("User 2".to_owned())]);
}

#[test]
fn a_csv_file_that_was_begun_with_other_columns_is_refused() {
    let api = api();
    let case = case(&api, "{ csv: in.csv, key: id }", "{ csv: out.csv }");
    case.write("in.csv", "id,name\n1,a\n");
    case.run(&[]).exits(0);
    let before = case.bytes("out.csv");
    case.write("in.csv", "id,name,more\n1,a,x\n2,b,y\n");
    case.tidegate(&["run", "flow.yaml"])
        .exits(2)
        .says("row:")
        .says("out.csv");
    assert_eq!(case.bytes("out.csv"), before);
    assert_eq!(api.stats().requests, 1);
    case.write("in.csv", "id,name\n1,a\n2,b\n");
    assert_eq!(case.run(&[]).exits(0).counts(), [1, 0, 1, 0]);
}

#[test]
fn a_row_of_a_table_without_its_key_dies_with_its_number() {
    let api = api();
    let source = "{ sqlite: app.db, query: 'SELECT id FROM t', key: id }";
    let case = case(&api, source, "{ jsonl: out.jsonl, row: { id: id } }");
    rusqlite::Connection::open(case.path("app.db"))
        .and_then(|database| {
            database.execute_batch("CREATE TABLE t (id); INSERT INTO t VALUES (3), (NULL), (1)")
        })
        .expect("a table");
    let end = case.run(&[]).exits(3);
    assert_eq!(end.counts(), [2, 1, 0, 0]);
    assert_eq!(end.report("dead_by.0.example"), "record 1");
    // A row that appears below the ones that are done is seen by the next run.
    rusqlite::Connection::open(case.path("app.db"))
        .and_then(|database| database.execute_batch("INSERT INTO t VALUES (2)"))
        .expect("a row");
    assert_eq!(case.run(&[]).exits(3).count("done"), 1);
    assert_eq!(numbered(&json_lines(&case.bytes("out.jsonl"))), [1, 2, 3]);
}

#[test]
fn the_used_share_of_a_rate_is_a_share() {
    let api = api();
    let flow = format!(
        "source: {{ jsonl: in.jsonl, key: id }}{}",
        STEPS.replace("base: $API", "base: $API, rate: 1000/s")
    );
    let case = Case::new(&api.base_url(), &flow).rows(5);
    let used = case.run(&[]).exits(0).report("services.api.rate_used");
    assert!(
        (0.0..=1.0).contains(&used.as_f64().expect("a number")),
        "{used}"
    );
}
