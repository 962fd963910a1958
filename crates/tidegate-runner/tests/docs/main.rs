//! The reference of the flow file says what the program does: its flows load, its faults are found, its defaults are
//! those of the schema.

use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};
use tidegate_runner::{
    flow,
    plan::{self, Given},
};

/// What a block needs of `services` to be a whole flow.
const SERVICES: &str = "services:\n  api: { base: \"https://api.example.com\", rate: 10/s }\n";
const SOURCE: &str = "source: { jsonl: records.jsonl, key: id }\n";

#[test]
fn every_flow_in_the_documents_loads() {
    for document in ["docs/flow-file.md", "README.md"] {
        let blocks = blocks(&read(document));
        assert!(!blocks.is_empty(), "{document} shows no flow");
        for block in blocks.iter().filter(|block| block.fault.is_none()) {
            if let Err(faults) = load(&block.whole()) {
                panic!("{document}, line {}: {faults}", block.line);
            }
        }
    }
}

#[test]
fn every_trap_is_caught_with_the_words_of_the_document() {
    let blocks = blocks(&read("docs/flow-file.md"));
    let traps: Vec<_> = blocks
        .iter()
        .filter_map(|block| Some((block, block.fault.as_deref()?)))
        .collect();
    assert!(!traps.is_empty());
    for (block, fault) in traps {
        match load(&block.whole()) {
            Ok(()) => panic!("line {}: nobody says \"{fault}\"", block.line),
            Err(faults) => assert!(
                faults.contains(fault),
                "line {}: not \"{fault}\" but {faults}",
                block.line
            ),
        }
    }
}

#[test]
fn every_key_stands_in_the_document_with_its_default() {
    let documented = key_tables(&read("docs/flow-file.md"));
    let expected = schema_tables()
        .into_iter()
        .map(|(table, schema)| (table, defaults(&schema)))
        .collect::<BTreeMap<_, _>>();
    assert_eq!(documented, expected);
}

#[test]
fn every_reserved_key_stands_in_the_document() {
    let document = read("docs/flow-file.md");
    let rows = document
        .lines()
        .skip_while(|line| *line != "| part | reserved |")
        .skip(2)
        .map_while(cells)
        .map(|cells| (unquoted(&cells[0]), unquoted(&cells[1])))
        .collect::<BTreeMap<_, _>>();
    let expected = schema_tables()
        .into_iter()
        .filter_map(|(table, schema)| {
            let words = schema["x-reserved"].as_array()?.iter();
            let words: Vec<_> = words.filter_map(Value::as_str).collect();
            Some((table, words.join(" ")))
        })
        .collect::<BTreeMap<_, _>>();
    assert_eq!(rows, expected);
}

/// A fenced block of YAML.
struct Block {
    /// The line of its first line, from 1.
    line: usize,
    /// What `check` says about it, if it is there to be refused: the words behind `fault:`.
    fault: Option<String>,
    text: String,
}

impl Block {
    /// The block with the parts that it leaves out, as a document shows only what it speaks of.
    fn whole(&self) -> String {
        let has = |key: &str| self.text.lines().any(|line| line.starts_with(key));
        let mut whole = self.text.clone();
        if !has("source:") {
            whole.push_str(SOURCE);
        }
        if !has("services:") && has("steps:") {
            whole.push_str(SERVICES);
        }
        whole
    }
}

fn blocks(document: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = document.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        let Some(info) = line.strip_prefix("```yaml") else {
            continue;
        };
        let text = lines
            .by_ref()
            .map(|(line, _)| line)
            .take_while(|line| *line != "```")
            .fold(String::new(), |text, line| text + line + "\n");
        blocks.push(Block {
            line: number + 1,
            fault: info.trim().strip_prefix("fault: ").map(str::to_owned),
            text,
        });
    }
    blocks
}

/// Loads a text as if it stood beside the examples, with every variable of the environment set.
fn load(text: &str) -> Result<(), String> {
    let given = Given {
        sets: &[],
        env: &|_| Some("a value".to_owned()),
    };
    let path = root().join("examples/documented.yaml");
    match plan::load_text(text, &path, &given) {
        Ok(_) => Ok(()),
        Err(faults) => Err(faults.to_string()),
    }
}

/// The tables of the schema by name; `flow` is the file itself.
fn schema_tables() -> BTreeMap<String, Value> {
    let schema = flow::schema();
    let named = schema["$defs"]
        .as_object()
        .expect("the schema names its parts")
        .clone();
    named
        .into_iter()
        .chain([("flow".to_owned(), schema)])
        .collect()
}

/// Each key with its default as a flow file writes it.
fn defaults(schema: &Value) -> BTreeMap<String, Option<String>> {
    let keys = schema["properties"].as_object().expect("a part has keys");
    let shown = |key: &Value| match key.get("default")? {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    keys.iter()
        .map(|(name, key)| (name.clone(), shown(key)))
        .collect()
}

/// The tables whose first head is "key of `PART`".
fn key_tables(document: &str) -> BTreeMap<String, BTreeMap<String, Option<String>>> {
    let mut tables = BTreeMap::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        let Some(part) = line.strip_prefix("| key of ") else {
            continue;
        };
        let part = part
            .split('`')
            .nth(1)
            .expect("a part is named in backticks");
        let rows = lines.by_ref().skip(1).map_while(cells);
        let rows = rows.map(|cells| {
            let default = (cells[1] != "–").then(|| unquoted(&cells[1]));
            (unquoted(&cells[0]), default)
        });
        let known = tables.insert(part.to_owned(), rows.collect());
        assert_eq!(known, None, "`{part}` has two tables");
    }
    tables
}

/// The cells of a row; none behind the table.
fn cells(line: &str) -> Option<Vec<String>> {
    let inside = line.strip_prefix('|')?.strip_suffix('|')?;
    Some(
        inside
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect(),
    )
}

fn unquoted(cell: &str) -> String {
    cell.trim_matches('`').to_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(document: &str) -> String {
    let path = root().join(document);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
