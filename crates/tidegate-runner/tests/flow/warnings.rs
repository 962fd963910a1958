use crate::support::{EXAMPLE, load, with_steps};

#[test]
fn what_should_be_said_but_stops_nothing() {
    let flows = [
        EXAMPLE.replace(", key: id", ""),
        EXAMPLE.replace("    rate: 100/s\n", ""),
        with_steps("a:\n  api: POST /x\n  body: '{\"a\": 1}'"),
        with_steps("a:\n  api: GET /x #frag"),
        with_steps("a:\n  api: GET /x # a comment"),
        "source: { jsonl: in.jsonl, key: id }\nservices:\n  api: { base: http://x.example, rate: 1/s }\n".to_owned(),
    ];
    let said: Vec<_> = flows
        .iter()
        .map(|text| {
            load(text)
                .map(|(_, warnings)| warnings.join("\n\n"))
                .unwrap_or_else(|faults| panic!("{faults}"))
        })
        .collect();
    insta::assert_snapshot!(said.join("\n\n----\n\n"));
}
