use crate::support::{EXAMPLE, plan};

fn same(from: &str, to: &str) -> bool {
    assert!(EXAMPLE.contains(from), "{from}");
    plan(EXAMPLE).meaning == plan(&EXAMPLE.replacen(from, to, 1)).meaning
}

#[test]
fn limits_and_looks_do_not_change_the_meaning() {
    for (from, to) in [
        ("rate: 100/s", "rate: 50/s"),
        ("in_flight: 64", "in_flight: 8"),
        ("retry: 5", "retry: { times: 1, base: 1s }"),
        ("    timeout: 2s               # per attempt\n", ""),
        ("retry: 5", "breaker: true"),
        ("retry: 5", "hedge: { after: 150ms }"),
        ("retry: 5", "queue: { limit: 8 }"),
        ("# per attempt", "# another comment"),
        (
            "{ jsonl: users.jsonl, key: id }",
            "\n  key: \"id\"\n  jsonl: 'users.jsonl'",
        ),
        ("dead_letter: { jsonl: dead.jsonl }", ""),
        ("source:", "name: x\nrecords: { in_flight: 5 }\nsource:"),
        (
            "  user:\n    api: GET /users/{{ id }}\n",
            "  user:\n    timeout: 5s\n    api: GET /users/{{ id }}\n",
        ),
    ] {
        assert!(same(from, to), "{from} -> {to}");
    }
}

#[test]
fn the_order_of_steps_does_not_change_the_meaning() {
    let user = "  user:\n    api: GET /users/{{ id }}\n";
    let moved = EXAMPLE
        .replacen(user, "", 1)
        .replacen("\nsink:", &format!("{user}\nsink:"), 1);
    assert_eq!(plan(EXAMPLE).meaning, plan(&moved).meaning);
}

#[test]
fn what_is_read_asked_and_written_is_the_meaning() {
    for (from, to) in [
        ("users.jsonl", "others.jsonl"),
        ("key: id", "key: email"),
        ("key: id", "key: id, where: active == true"),
        ("key: id", "key: id, duplicates: skip"),
        ("GET /users/", "GET /people/"),
        ("GET /users/", "DELETE /users/"),
        ("  orders:    ", "  orders:\n    when: user.x == 1\n#"),
        ("  orders:    ", "  orders:\n    query: { a: b }\n#"),
        ("  orders:    ", "  orders:\n    otherwise: none\n#"),
        ("name: user.name", "name: user.first"),
        (
            "    id: id\n    name: user.name\n",
            "    name: user.name\n    id: id\n",
        ),
        ("out.db", "other.db"),
        ("upsert: users(id)", "insert: users"),
        ("upsert: users(id)", "upsert: people(id)"),
    ] {
        assert!(!same(from, to), "{from} -> {to}");
    }
}
