use crate::support::{EXAMPLE, load};
use proptest::prelude::*;

/// A flow with a part of everything that is read in a way of its own.
const RICH: &str = "\
version: 1
name: \"närrisch\"
vars: { day: '2026-11-22', list: [1, 2] }
records: { in_flight: 8, deadline: 10m }
source:
  csv: größe.csv
  key: [id, \"record['First Name']\"]
  where: age > 18
  types: { age: int }
services:
  api:
    base: \"{{ env.API_URL }}\"
    auth: { basic: { user: ann, password: \"{{ env.TOKEN }}\" } }
    rate: [100/s]
    classify: { ok: [404], stop: \"body.e == 'ü'\" }
steps:
  size:
    api: POST /x/{{ id }}?q={{ name }}
    body:
      - 'it''s {{ id }}'
      - \"a\\u00e9\\\"{{ record['größe'] }}\"
      - |
        {{ id }}
        text
    each: { over: items, max: 5 }
sink: { sqlite: out.db, upsert: \"t(id)\", row: { id: id } }
";

/// Cuts something out and puts something in.
fn damaged(text: &str, at: usize, cut: usize, put: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = at % chars.len();
    let rest = (at + cut).min(chars.len());
    chars[..at]
        .iter()
        .chain(put.chars().collect::<Vec<_>>().iter())
        .chain(&chars[rest..])
        .collect()
}

/// What breaks YAML, expressions and byte counts.
fn piece() -> impl Strategy<Value = String> {
    let known = [
        "{{", "}}", "{", "}", "[", "]", "'", "\"", ": ", "- ", "\t", "\n", "#", " #", "&a", "*a",
        "!t", "|", ">", "ü", "𝄞", "\\", "%", "@", "`", "\u{feff}", "\r\n", "? ", "---\n", ",",
        "null", "{%", "<<: ",
    ];
    prop_oneof![
        proptest::sample::select(known.to_vec()).prop_map(str::to_owned),
        "\\PC{0,3}"
    ]
}

#[test]
fn the_flow_that_is_damaged_is_right() {
    crate::support::plan(RICH);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_flow_loads_or_has_faults_with_a_place(
        rich in any::<bool>(), at in any::<usize>(), cut in 0..8_usize, put in piece(), second in any::<usize>(), more in piece(),
    ) {
        let text = if rich { RICH } else { EXAMPLE };
        let text = damaged(&damaged(text, at, cut, &put), second, 0, &more);
        if let Err(faults) = load(&text) {
            prop_assert!(faults.len() > 0);
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
            for fault in faults.iter() {
                let span = fault.span().unwrap_or(0..0);
                prop_assert!(text.get(span.clone()).is_some(), "{span:?} of {}", fault.message());
            }
            prop_assert!(!faults.to_string().is_empty());
        }
    }
}
