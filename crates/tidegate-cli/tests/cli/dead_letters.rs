//! Dead letters: what they say, and what becomes of them.

use crate::support::{Case, Server, json_lines, numbered, table};
use serde_json::json;

const FLOW: &str = "
source: { jsonl: in.jsonl, key: id }
services: { api: { base: $API, retry: { times: 2, base: 1ms } } }
steps:
  user: { api: 'GET /users/{{ id }}' }
  orders: { api: 'GET /orders/{{ user.id }}' }
sink: { jsonl: out.jsonl, row: { id: id } }
dead_letter: { jsonl: dead.jsonl }
";

/// Ids below 10 fare well; 10 to 19 are gone; the orders of 20 to 29 fail each time. With `mended` nothing fails.
fn server() -> Server {
    Server::start(|request, _| {
        let id: u64 = request
            .target
            .rsplit('/')
            .next()
            .expect("a segment")
            .parse()
            .expect("an id");
        let mended = request.headers.contains_key("x-mended");
        match (id, request.target.starts_with("/orders")) {
            (10..20, _) if !mended => (404, format!("{{\"error\":\"no {id}\"}}")),
            (20..30, true) if !mended => (500, "broken\n".to_owned()),
            _ => (200, format!("{{\"id\":{id}}}")),
        }
    })
}

fn mended() -> String {
    FLOW.replace(
        "services: { api: {",
        "services: { api: { headers: { X-Mended: 'yes' },",
    )
}

/// A case in which 9 records are done, 2 gone and 1 broken.
fn with_dead(server: &Server) -> Case {
    let case = Case::new(&server.base(), FLOW);
    case.records((1..=9).chain([10, 11, 20]));
    assert_eq!(case.run(&[]).exits(3).counts(), [9, 3, 0, 0]);
    case
}

#[test]
fn a_dead_letter_says_what_happened_to_which_record() {
    let server = server();
    let case = with_dead(&server);
    let mut letters = json_lines(&case.bytes("dead.jsonl"));
    letters.sort_by_key(|letter| letter["record"]["id"].as_u64());
    assert_eq!(letters.len(), 3);
    let gone = &letters[0];
    assert_eq!(gone["record"], json!({ "id": 10 }));
    assert_eq!((&gone["key"], &gone["line"]), (&json!("10"), &json!(10)));
    assert_eq!(
        (&gone["step"], &gone["status"], &gone["attempts"]),
        (&json!("user"), &json!(404), &json!(1))
    );
    assert!(gone["body"].as_str().expect("a body").contains("no 10"));
    assert!(gone["cause"].as_str().expect("a cause").contains("404"));
    assert!(gone["at"].as_str().expect("a time").ends_with('Z'));
    let broken = &letters[2];
    assert_eq!(
        (&broken["step"], &broken["status"], &broken["attempts"]),
        (&json!("orders"), &json!(500), &json!(3))
    );
}

#[test]
fn the_report_and_the_account_name_the_causes() {
    let server = server();
    let case = Case::new(&server.base(), FLOW);
    case.records((1..=9).chain([10, 11, 20]));
    let end = case
        .run(&[])
        .exits(3)
        .says("dead letters, by cause")
        .says("tidegate dead retry flow.yaml");
    assert_eq!(end.report("dead_by.0.count"), 2);
    assert_eq!(end.report("dead_by.0.step"), "user");
    assert_eq!(end.report("dead_by.0.status"), 404);
    assert_eq!(end.report("steps.orders.dead"), 1);
    assert_eq!(end.report("dead_outstanding"), 3);
}

#[test]
fn a_run_ends_with_3_as_long_as_dead_letters_are_outstanding() {
    let server = server();
    let case = with_dead(&server);
    let again = case.run(&[]).exits(3);
    assert_eq!(again.counts(), [0, 0, 12, 0]);
    assert_eq!(json_lines(&case.bytes("dead.jsonl")).len(), 3);
}

#[test]
fn dead_list_prints_those_for_which_the_condition_holds() {
    let server = server();
    let case = with_dead(&server);
    let list = |condition: &str| {
        case.tidegate(&["dead", "list", "flow.yaml", "--where", condition])
            .exits(0)
            .lines()
            .len()
    };
    assert_eq!(
        case.tidegate(&["dead", "list", "flow.yaml"])
            .exits(0)
            .lines()
            .len(),
        3
    );
    assert_eq!(list("step == 'user'"), 2);
    assert_eq!(list("status == 500 and attempts == 3"), 1);
    assert_eq!(list("id == 11"), 1);
    assert_eq!(list("step == 'nothing'"), 0);
    case.tidegate(&["dead", "list", "flow.yaml", "--where", "step =="])
        .exits(2)
        .says("--where");
    case.tidegate(&["dead", "list", "flow.yaml", "--where", "nosuch == 1"])
        .exits(2)
        .says("nosuch");
}

#[test]
fn dead_retry_does_them_again_and_empties_the_file() {
    let server = server();
    let case = with_dead(&server);
    case.flow(&mended());
    let asked = server.seen().len();
    let end = case
        .tidegate(&["dead", "retry", "flow.yaml", "--report", "report.json"])
        .exits(0);
    assert_eq!(end.counts(), [3, 0, 9, 0]);
    assert_eq!(
        server.seen().len() - asked,
        6,
        "only theirs were asked again"
    );
    assert_eq!(case.text("dead.jsonl"), "");
    assert_eq!(
        case.tidegate(&["dead", "list", "flow.yaml"])
            .exits(0)
            .stdout,
        ""
    );
    assert_eq!(
        numbered(&json_lines(&case.bytes("out.jsonl"))),
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 20]
    );
    assert_eq!(case.run(&[]).exits(0).counts(), [0, 0, 12, 0]);
}

#[test]
fn dead_retry_with_a_condition_leaves_the_others_dead() {
    let server = server();
    let case = with_dead(&server);
    case.flow(&mended());
    let retry = [
        "dead",
        "retry",
        "flow.yaml",
        "--where",
        "step == 'orders'",
        "--report",
        "report.json",
    ];
    assert_eq!(case.tidegate(&retry).exits(3).counts(), [1, 0, 11, 0]);
    assert_eq!(json_lines(&case.bytes("dead.jsonl")).len(), 2);
}

#[test]
fn a_retry_that_fails_again_leaves_one_letter_of_the_record() {
    let server = server();
    let case = with_dead(&server);
    let end = case
        .tidegate(&["dead", "retry", "flow.yaml", "--report", "report.json"])
        .exits(3);
    assert_eq!(end.counts(), [0, 3, 9, 0]);
    assert_eq!(json_lines(&case.bytes("dead.jsonl")).len(), 3);
}

#[test]
fn dead_drop_forgets_them_and_their_records_stay_undone() {
    let server = server();
    let case = with_dead(&server);
    case.tidegate(&["dead", "drop", "flow.yaml", "--where", "status == 404"])
        .exits(0)
        .says("dropped 2");
    case.run(&[]).exits(3);
    assert_eq!(json_lines(&case.bytes("dead.jsonl")).len(), 1);
    case.tidegate(&["dead", "drop", "flow.yaml"])
        .exits(0)
        .says("dropped 1");
    let asked = server.seen().len();
    assert_eq!(case.run(&[]).exits(0).counts(), [0, 0, 12, 0]);
    assert_eq!(case.text("dead.jsonl"), "");
    assert_eq!(server.seen().len(), asked);
}

#[test]
fn a_row_that_the_table_refuses_kills_its_record_only() {
    let server = server();
    let flow = FLOW.replace("jsonl: out.jsonl", "sqlite: out.db, insert: users");
    let case = Case::new(&server.base(), &flow);
    rusqlite::Connection::open(case.path("out.db"))
        .and_then(|database| {
            database.execute_batch("CREATE TABLE users (id INTEGER PRIMARY KEY CHECK (id <> 5))")
        })
        .expect("a database");
    case.records(1..=9);
    let end = case.run(&[]).exits(3);
    assert_eq!(end.counts(), [8, 1, 0, 0]);
    assert_eq!(table(&case.path("out.db"), "SELECT id FROM users").len(), 8);
    let letters = json_lines(&case.bytes("dead.jsonl"));
    assert_eq!(letters[0]["record"], json!({ "id": 5 }));
    let cause = letters[0]["cause"].as_str().expect("a text");
    assert!(cause.contains("CHECK constraint"), "{cause}");
    assert_eq!(end.report("dead_by.0.count"), 1);
}

#[test]
fn an_update_of_a_row_that_is_not_there_is_a_dead_letter() {
    let server = server();
    let flow = FLOW.replace(
        "jsonl: out.jsonl, row: { id: id }",
        "sqlite: out.db, update: users(id), row: { id: id, seen: true }",
    );
    let case = Case::new(&server.base(), &flow);
    rusqlite::Connection::open(case.path("out.db"))
        .and_then(|database| {
            database.execute_batch("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, seen); INSERT INTO users VALUES (1, 'a', 0), (2, 'b', 0)")
        })
        .expect("a database");
    case.records(1..=3);
    assert_eq!(case.run(&[]).exits(3).counts(), [2, 1, 0, 0]);
    assert_eq!(
        json_lines(&case.bytes("dead.jsonl"))[0]["record"],
        json!({ "id": 3 })
    );
    assert_eq!(
        table(&case.path("out.db"), "SELECT id FROM users WHERE seen").len(),
        2
    );
}

#[test]
fn dead_letters_survive_the_loss_of_their_file() {
    let server = server();
    let case = with_dead(&server);
    let before = case.text("dead.jsonl");
    std::fs::remove_file(case.path("dead.jsonl")).expect("it is there");
    case.run(&[]).exits(3);
    assert_eq!(case.text("dead.jsonl"), before, "the journal is the truth");
}

#[test]
fn a_line_that_is_no_record_is_retried_as_it_was() {
    let server = server();
    let case = Case::new(&server.base(), FLOW);
    case.write("in.jsonl", "{\"id\":1}\nnonsense\n{\"id\":2}\n");
    case.run(&[]).exits(3);
    let end = case
        .tidegate(&["dead", "retry", "flow.yaml", "--report", "report.json"])
        .exits(3);
    assert_eq!(end.counts(), [0, 1, 2, 0]);
    let letters = json_lines(&case.bytes("dead.jsonl"));
    assert_eq!(letters.len(), 1);
    assert_eq!(
        (&letters[0]["record"], &letters[0]["line"]),
        (&json!("nonsense"), &json!(2))
    );
}

#[test]
fn a_retried_row_that_the_table_refuses_again_stays_one_letter() {
    let server = server();
    let flow = FLOW.replace("jsonl: out.jsonl", "sqlite: out.db, insert: users");
    let case = Case::new(&server.base(), &flow);
    let database = rusqlite::Connection::open(case.path("out.db")).expect("a database");
    database
        .execute_batch("CREATE TABLE users (id INTEGER PRIMARY KEY CHECK (id <> 5))")
        .expect("a table");
    drop(database);
    case.records(1..=9);
    case.run(&[]).exits(3);
    let retry = ["dead", "retry", "flow.yaml", "--report", "report.json"];
    assert_eq!(case.tidegate(&retry).exits(3).counts(), [0, 1, 8, 0]);
    assert_eq!(json_lines(&case.bytes("dead.jsonl")).len(), 1);
    let mend = "ALTER TABLE users RENAME TO old; CREATE TABLE users (id INTEGER PRIMARY KEY); INSERT INTO users SELECT id FROM old; DROP TABLE old";
    rusqlite::Connection::open(case.path("out.db"))
        .and_then(|database| database.execute_batch(mend))
        .expect("a mended table");
    assert_eq!(case.tidegate(&retry).exits(0).counts(), [1, 0, 8, 0]);
    assert_eq!(table(&case.path("out.db"), "SELECT id FROM users").len(), 9);
    assert_eq!(case.text("dead.jsonl"), "");
}

#[test]
fn dead_letters_cannot_be_touched_while_a_run_is_active() {
    let server = server();
    let case = with_dead(&server);
    let slow = tidegate_test::Api::builder()
        .spawn_thread()
        .expect("a local API");
    slow.brown_out(0.0, std::time::Duration::from_secs(3_600));
    case.flow(
        &FLOW
            .replace("$API", &slow.base_url())
            .replace("services", "# limits may change\nservices"),
    );
    case.append("in.jsonl", "{\"id\":1000}\n");
    let run = case.start_run(&[]);
    crate::support::wait_until("it works", || slow.stats().open > 0);
    for command in ["drop", "retry"] {
        let other = std::process::Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(["dead", command, "flow.yaml"])
            .current_dir(case.path(""))
            .output()
            .expect("the program can be started");
        assert_eq!(
            other.status.code(),
            Some(2),
            "{command}: {}",
            String::from_utf8_lossy(&other.stderr)
        );
    }
    run.kill();
    assert_eq!(
        case.tidegate(&["dead", "list", "flow.yaml"])
            .exits(0)
            .lines()
            .len(),
        3
    );
}

#[test]
fn a_flow_that_was_never_run_has_no_dead_letters_to_touch() {
    let case = Case::new("http://127.0.0.1:9", FLOW);
    case.tidegate(&["dead", "list", "flow.yaml"])
        .exits(2)
        .says("not been run");
    assert!(!case.path(".tidegate").exists());
}

#[test]
fn a_retry_cannot_put_a_row_back_into_its_order_and_says_so() {
    let server = server();
    let ordered = format!("records: {{ order: input }}\n{}", FLOW.trim_start());
    let case = Case::new(&server.base(), &ordered);
    case.records([1, 10, 2]);
    case.run(&[]).exits(3);
    let asked = server.seen().len();
    case.tidegate(&["dead", "retry", "flow.yaml"])
        .exits(2)
        .says("order: input");
    assert_eq!(server.seen().len(), asked, "nothing was sent");
}

#[test]
fn a_secret_in_an_answer_is_hidden_also_where_the_body_is_cut() {
    const SECRET: &str = "supersecrettoken12345";
    // The cut at 500 bytes goes through the secret.
    let body = format!("{{{}{SECRET} and more", "x".repeat(490));
    let server = Server::start(move |_, _| (200, body.clone()));
    let flow = FLOW.replace(
        "services: { api: {",
        "services: { api: { headers: { X-Key: '{{ env.KEY }}' },",
    );
    let case = Case::new(&server.base(), &flow).env("KEY", SECRET).rows(1);
    case.run(&[]).exits(3).does_not_say("supers");
    let letter = case.text("dead.jsonl");
    assert!(letter.contains("not JSON"), "{letter}");
    assert!(!letter.contains("supers"), "{letter}");
}
