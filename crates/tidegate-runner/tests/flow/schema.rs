use crate::support::load;
use serde_json::Value;
use std::collections::BTreeMap;
use tidegate_runner::flow::schema;

/// Every key of a part of the schema with its example.
fn examples(part: &Value) -> BTreeMap<String, String> {
    let keys = part["properties"].as_object().expect("a part has keys");
    keys.iter()
        .map(|(name, key)| {
            (
                name.clone(),
                key["examples"][0]
                    .as_str()
                    .expect("a key has an example")
                    .to_owned(),
            )
        })
        .collect()
}

/// A flow in which `key: example` stands where the part belongs, with what it needs beside it.
fn flow(part: &str, key: &str, example: &str) -> String {
    let entry = format!("{key}: {example}");
    let source = "source: { jsonl: in.jsonl, key: id }";
    let service = |inside: &str| {
        let base = if inside.starts_with("base:") {
            ""
        } else {
            "\n    base: http://x.example"
        };
        format!("{source}\nservices:\n  api:{base}\n    {inside}\n")
    };
    let step = |inside: &str| {
        let api = "services: { api: { base: \"http://x.example\", rate: 1/s } }";
        format!(
            "{source}\n{api}\nsteps:\n  login: {{ api: GET /login }}\n  user: {{ api: GET /user }}\n  a:\n    api: GET /x\n    {inside}\n"
        )
    };
    match part {
        "flow" if matches!(key, "source" | "steps") => {
            let source = if key == "source" { "" } else { source };
            format!("{source}\nservices: {{ api: {{ base: \"http://x.example\" }} }}\n{entry}\n")
        }
        "flow" => format!("{source}\n{entry}\n"),
        "records" => format!("{source}\nrecords: {{ {entry} }}\n"),
        "service" => service(&entry),
        "slow" if key == "ratio" => {
            service(&format!("breaker: {{ slow: {{ after: 1s, {entry} }} }}"))
        }
        "slow" => service(&format!("breaker: {{ slow: {{ {entry} }} }}")),
        "retry" | "auth" | "tls" | "breaker" | "hedge" | "queue" => {
            service(&format!("{part}: {{ {entry} }}"))
        }
        "classify" => service(&format!("{part}:\n      {entry}")),
        "basic" if key == "user" => {
            service(&format!("auth: {{ basic: {{ {entry}, password: x }} }}"))
        }
        "basic" => service(&format!("auth: {{ basic: {{ user: x, {entry} }} }}")),
        "step" => step(&entry),
        "each" if key == "over" => step(&format!("each: {{ {entry} }}")),
        "each" => step(&format!("each: {{ over: user, {entry} }}")),
        "source" => match key {
            "jsonl" | "csv" => format!("source: {{ {entry}, key: id }}\n"),
            "sqlite" => format!("source: {{ {entry}, query: SELECT id, key: id }}\n"),
            "query" => format!("source:\n  sqlite: a.db\n  key: id\n  {entry}\n"),
            "key" => format!("source: {{ jsonl: in.jsonl, {entry} }}\n"),
            _ => format!("source: {{ csv: in.csv, key: id, {entry} }}\n"),
        },
        "sink" => match key {
            "jsonl" | "csv" => format!("{source}\nsink: {{ {entry} }}\n"),
            "sqlite" => format!("{source}\nsink: {{ {entry}, insert: t }}\n"),
            "insert" | "upsert" | "update" => {
                format!("{source}\nsink: {{ sqlite: a.db, {entry} }}\n")
            }
            "create" => format!("{source}\nsink: {{ sqlite: a.db, insert: t, {entry} }}\n"),
            _ => format!("{source}\nsink:\n  jsonl: a.jsonl\n  {entry}\n"),
        },
        "dead_letter" => format!("{source}\ndead_letter: {{ {entry} }}\n"),
        other => panic!("the schema has a part `{other}` that this test does not know"),
    }
}

fn parts() -> Vec<(String, Value)> {
    let schema = schema();
    let parts = schema["$defs"]
        .as_object()
        .expect("there are parts")
        .clone();
    parts
        .into_iter()
        .chain([("flow".to_owned(), schema)])
        .collect()
}

#[test]
fn every_key_of_the_schema_is_accepted_with_its_example() {
    for (part, schema) in parts() {
        for (key, example) in examples(&schema) {
            // The examples name variables that a test has not set.
            let text = flow(&part, &key, &example)
                .replace("env.API_TOKEN", "env.TOKEN")
                .replace("env.API_PASSWORD", "env.TOKEN");
            if let Err(faults) = load(&text) {
                panic!("{part}.{key}:\n{faults}\n{text}");
            }
        }
    }
}

/// No reader takes an unclosed placeholder, so a key that accepts one is read by nobody.
#[test]
fn every_key_of_the_schema_is_read() {
    for (part, schema) in parts() {
        // A name may be any text.
        for key in examples(&schema).into_keys().filter(|key| key != "name") {
            let text = flow(&part, &key, "\"{{ (\"");
            let at = text
                .find(&format!("{key}: \"{{{{ ("))
                .expect("the key stands in the flow");
            let faults = load(&text)
                .err()
                .unwrap_or_else(|| panic!("{part}.{key} is not read:\n{text}"));
            assert!(
                faults
                    .iter()
                    .any(|fault| fault.span().is_some_and(|span| span.end > at)),
                "{part}.{key}:\n{faults}"
            );
        }
    }
}

#[test]
fn a_key_that_is_not_in_the_schema_is_refused_in_every_part() {
    for (part, schema) in parts() {
        let (key, example) = examples(&schema)
            .into_iter()
            .next()
            .expect("a part has a key");
        let text = flow(&part, &key, &example);
        let known = format!("{key}: {example}");
        let separator =
            if text.contains(&format!("{{ {known}")) || text.contains(&format!(", {known}")) {
                ", "
            } else {
                "\n"
            };
        let start = text.find(&known).unwrap_or_else(|| panic!("{text}"));
        let indent =
            text[..start].len() - text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let separator = if separator == "\n" {
            format!("\n{}", " ".repeat(indent))
        } else {
            separator.to_owned()
        };
        let text = text.replacen(&known, &format!("zzz: 1{separator}{known}"), 1);
        let faults = load(&text).expect_err("the key means nothing");
        assert!(
            faults
                .iter()
                .any(|fault| fault.message().contains("`zzz` is no key of")),
            "{part}:\n{faults}\n{text}"
        );
    }
}

#[test]
fn reserved_keys_are_refused_by_name() {
    for (part, schema) in parts() {
        for key in schema["x-reserved"].as_array().into_iter().flatten() {
            let key = key.as_str().expect("a key is a text");
            let text = match part.as_str() {
                "source" => format!("source: {{ jsonl: in.jsonl, {key}: 1 }}\n"),
                "sink" => format!(
                    "source: {{ jsonl: in.jsonl }}\nsink: {{ jsonl: out.jsonl, {key}: 1 }}\n"
                ),
                "dead_letter" => {
                    format!("source: {{ jsonl: in.jsonl }}\ndead_letter: {{ {key}: x }}\n")
                }
                "each" => flow("each", key, "1"),
                part => flow(part, key, "1"),
            };
            let faults = load(&text).expect_err("the key is reserved");
            let expected = format!("`{key}` is reserved for a later version");
            assert!(
                faults.iter().any(|fault| fault.message() == expected),
                "{part}.{key}:\n{faults}"
            );
        }
    }
}

#[test]
fn every_default_has_its_reason() {
    for (part, schema) in parts() {
        for (name, key) in schema["properties"].as_object().expect("a part has keys") {
            let about = key["description"].as_str().unwrap_or_default();
            assert!(about.ends_with('.'), "{part}.{name}: {about}");
            let obvious = ["version", "times", "encoding", "header", "delimiter"];
            if key.get("default").is_some() && !obvious.contains(&name.as_str()) {
                assert!(
                    about.to_lowercase().contains("default"),
                    "{part}.{name} has a default, but no reason for it"
                );
            }
        }
    }
}

#[test]
fn references_lead_somewhere() {
    fn walk(value: &Value, schema: &Value) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(target)) = map.get("$ref") {
                    let pointer = target
                        .strip_prefix('#')
                        .expect("a reference stays in the file");
                    assert!(
                        schema.pointer(pointer).is_some_and(Value::is_object),
                        "{target}"
                    );
                }
                map.values().for_each(|value| walk(value, schema));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(value, schema)),
            _ => {}
        }
    }
    let schema = schema();
    walk(&schema, &schema);
}
