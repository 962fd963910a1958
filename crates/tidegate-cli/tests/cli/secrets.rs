//! A secret from the environment is sent, and written nowhere.

use crate::support::{Case, Server};

const SECRET: &str = "s3cr3t-d0-n0t-write";

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) & 63;
            out.push(if digit <= chunk.len() {
                char::from(DIGITS[index as usize])
            } else {
                '='
            });
        }
    }
    out
}

#[track_caller]
fn written_nowhere(case: &Case, secret: &str) {
    for file in case.files() {
        let bytes = std::fs::read(&file).expect("a file");
        let found = bytes
            .windows(secret.len())
            .any(|window| window == secret.as_bytes());
        assert!(!found, "{} holds it", file.display());
    }
}

#[test]
fn a_token_is_in_no_stream_report_letter_or_journal_although_the_server_repeats_it() {
    // The worst server: it says in every refusal what it was sent.
    let server = Server::start(|request, _| {
        let said = format!(
            "you said {} at {}",
            request.headers["authorization"], request.target
        );
        let even = request.target.contains("/users/2") || request.target.contains("/users/4");
        if even {
            (422, said)
        } else {
            (200, "{}".to_owned())
        }
    });
    let flow = "
source: { jsonl: in.jsonl, key: id }
services:
  api:
    base: $API
    auth: { bearer: '{{ env.TOKEN }}' }
steps:
  user:
    api: GET /users/{{ id }}
    query: { key: '{{ env.TOKEN }}' }
    body: { key: '{{ env.TOKEN }}' }
sink: { jsonl: out.jsonl, row: { id: id } }
dead_letter: { jsonl: dead.jsonl }
";
    let case = Case::new(&server.base(), &flow.replace("GET /users", "PUT /users"))
        .env("TOKEN", SECRET)
        .rows(5);
    let end = case.run(&[]).exits(3);
    assert_eq!(end.counts(), [3, 2, 0, 0]);
    assert!(server.seen().iter().all(|request| {
        request.headers["authorization"] == format!("Bearer {SECRET}")
            && request.body.contains(SECRET)
    }));
    written_nowhere(&case, SECRET);
    assert!(
        case.text("dead.jsonl").contains("you said"),
        "the letter keeps the rest of the answer"
    );
    case.tidegate(&["dead", "list", "flow.yaml"]).exits(0);
    written_nowhere(&case, SECRET);
    case.tidegate(&["check", "flow.yaml", "--sample", "2"])
        .exits(0);
    written_nowhere(&case, SECRET);
}

#[test]
fn a_token_that_everybody_refuses_is_in_no_message() {
    let server = Server::start(|request, _| {
        (
            401,
            format!("bad token {}", request.headers["authorization"]),
        )
    });
    let flow = "
source: { jsonl: in.jsonl, key: id }
services: { api: { base: $API, auth: { bearer: '{{ env.TOKEN }}' } } }
steps: { user: { api: 'GET /users/{{ id }}' } }
sink: { jsonl: out.jsonl }
";
    let case = Case::new(&server.base(), flow)
        .env("TOKEN", SECRET)
        .rows(50);
    case.run(&[]).exits(5).says("bad token");
    written_nowhere(&case, SECRET);
}

#[test]
fn a_password_is_written_nowhere_in_its_encoded_form_either() {
    let encoded = base64(&format!("ann:{SECRET}"));
    let server = Server::start(|request, _| {
        (
            422,
            format!("you said {}", request.headers["authorization"]),
        )
    });
    let flow = "
source: { jsonl: in.jsonl, key: id }
services: { api: { base: $API, auth: { basic: { user: ann, password: '{{ env.PASSWORD }}' } } } }
steps: { user: { api: 'GET /users/{{ id }}' } }
sink: { jsonl: out.jsonl }
dead_letter: { jsonl: dead.jsonl }
";
    let case = Case::new(&server.base(), flow)
        .env("PASSWORD", SECRET)
        .rows(3);
    case.run(&[]).exits(3);
    assert_eq!(
        server.seen()[0].headers["authorization"],
        format!("Basic {encoded}")
    );
    written_nowhere(&case, SECRET);
    written_nowhere(&case, &encoded);
}

#[test]
fn a_record_cannot_choose_the_variable() {
    let server = Server::start(|_, _| (200, "{}".to_owned()));
    let flow = "
source: { jsonl: in.jsonl, key: id }
services: { api: { base: $API, headers: { X-Key: '{{ env.TOKEN }}' } } }
steps: { user: { api: 'GET /users/{{ id }}' } }
sink: { jsonl: out.jsonl, row: { id: id } }
";
    let case = Case::new(&server.base(), flow).env("TOKEN", "the-real-one");
    case.write("in.jsonl", "{\"id\":1,\"env\":{\"TOKEN\":\"forged\"}}\n");
    case.run(&[]).exits(0);
    assert_eq!(server.seen()[0].headers["x-key"], "the-real-one");
}
