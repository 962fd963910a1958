//! What a flow means, as a hash: an unfinished run may go on only if this is the same.
//!
//! Limits, retries, timeouts, comments, the order of headers and of steps, and where dead letters are shown may change
//! in the middle of a run; what a row holds and which records there are may not.

use super::AsBody;
use crate::flow::{ClassifyKeys, Flow, Kind, Map, Node, SinkKind, SourceFormat, Step};

pub(super) fn of(flow: &Flow) -> [u8; 16] {
    let mut canon = Canon::default();
    // A later version that hashes otherwise changes this word, and says so when it refuses.
    canon.word("tidegate flow 1");
    source(flow, &mut canon);
    let mut steps: Vec<_> = flow.steps.iter().collect();
    steps.sort_by(|a, b| a.name.value.cmp(&b.name.value));
    for step in steps {
        self::step(flow, step, &mut canon);
    }
    sink(flow, &mut canon);
    let hash = canon.hasher.finalize();
    let mut short = [0; 16];
    short.copy_from_slice(&hash.as_bytes()[..16]);
    short
}

fn source(flow: &Flow, canon: &mut Canon) {
    let source = &flow.source;
    canon.word("source");
    canon.node(&source.place);
    match &source.format {
        SourceFormat::Jsonl => canon.word("jsonl"),
        SourceFormat::Csv { delimiter, types } => {
            canon.word("csv");
            canon.word(&delimiter.to_string());
            for (column, kind) in types {
                canon.word(column);
                canon.word(&format!("{:?}", kind.value));
            }
        }
        SourceFormat::Sqlite { query } => {
            canon.word("sqlite");
            canon.word(query.value.trim());
        }
    }
    canon.optional("key", source.key.as_ref());
    canon.optional("where", source.filter.as_ref());
    canon.word(&format!("{:?}", source.duplicates));
}

fn step(flow: &Flow, step: &Step, canon: &mut Canon) {
    canon.word("step");
    canon.word(&step.name.value);
    canon.word(
        step.service
            .map_or("", |index| flow.services[index].name.value.as_str()),
    );
    canon.word(step.method.as_str());
    canon.word(step.call.text[step.target_from..].trim());
    canon.entries("query", step.query.as_ref());
    canon.entries("headers", step.headers.as_ref());
    canon.optional("body", step.body.as_ref());
    canon.entries("form", step.form.as_ref());
    canon.optional("when", step.when.as_ref());
    canon.optional("each", step.each.as_ref().map(|each| &each.over));
    canon.optional("otherwise", step.otherwise.as_ref());
    canon.entries(
        "classify",
        step.classify.as_ref().map(|ClassifyKeys { map }| map),
    );
    canon.word(match step.as_body {
        AsBody::Auto => "auto",
        AsBody::Json => "json",
        AsBody::Text => "text",
        AsBody::Bytes => "bytes",
    });
    let mut after: Vec<_> = step.after.iter().map(|name| name.value.as_str()).collect();
    after.sort_unstable();
    after.into_iter().for_each(|name| canon.word(name));
}

fn sink(flow: &Flow, canon: &mut Canon) {
    canon.word("sink");
    let Some(sink) = &flow.sink else { return };
    canon.node(&sink.place);
    match &sink.kind {
        SinkKind::Jsonl { .. } => canon.word("jsonl"),
        SinkKind::Csv { .. } => canon.word("csv"),
        SinkKind::Sqlite { table, verb, .. } => {
            canon.word(table);
            canon.word(&format!("{verb:?}"));
        }
    }
    // The order of columns is part of what is written.
    if let Some(row) = &sink.row {
        canon.word("row");
        for (column, node) in &row.entries {
            canon.word(&column.text);
            canon.node(node);
        }
    }
}

/// Feeds the hash so that no two flows run into each other: each part with its kind and length.
#[derive(Default)]
struct Canon {
    hasher: blake3::Hasher,
}

impl Canon {
    fn word(&mut self, word: &str) {
        self.part(b'w', word);
    }

    fn part(&mut self, kind: u8, text: &str) {
        self.hasher.update(&[kind]);
        self.hasher.update(&(text.len() as u64).to_le_bytes());
        self.hasher.update(text.as_bytes());
    }

    fn optional(&mut self, key: &str, node: Option<&Node>) {
        if let Some(node) = node {
            self.word(key);
            self.node(node);
        }
    }

    fn entries(&mut self, key: &str, map: Option<&Map>) {
        if let Some(map) = map {
            self.word(key);
            self.map(map);
        }
    }

    fn node(&mut self, node: &Node) {
        match node {
            Node::Scalar(scalar) => match scalar.kind() {
                Kind::Null => self.part(b'0', ""),
                Kind::Bool(_) => self.part(b'b', &scalar.text),
                Kind::Number(_) => self.part(b'n', &scalar.text),
                Kind::Text => self.part(b't', scalar.text.trim()),
            },
            Node::List(items, _) => {
                self.part(b'l', &items.len().to_string());
                items.iter().for_each(|item| self.node(item));
            }
            Node::Map(map) => self.map(map),
            Node::Broken(_) => {}
        }
    }

    fn map(&mut self, map: &Map) {
        self.part(b'm', &map.entries.len().to_string());
        let mut entries: Vec<_> = map.entries.iter().collect();
        entries.sort_by(|(a, _), (b, _)| a.text.cmp(&b.text));
        for (key, node) in entries {
            self.word(&key.text);
            self.node(node);
        }
    }
}
