//! `vars:` and `--set`.

use minijinja::value::{Value, ValueKind};
use std::collections::BTreeMap;

use super::load::Given;
use crate::{
    expr::json,
    flow::{Fault, Flow, Found, Kind, Node, Scalar, Span, did_you_mean},
};

/// The values of the file, with those of `--set` in their place.
pub(super) fn read(flow: &Flow, given: &Given<'_>, found: &mut Found) -> BTreeMap<String, Value> {
    let declared = &flow.vars.entries;
    let mut vars: BTreeMap<String, Value> = declared
        .iter()
        .map(|(name, node)| (name.text.clone(), value(node)))
        .collect();
    for (name, text) in given.sets {
        let Some((key, node)) = declared.iter().find(|(key, _)| key.text == *name) else {
            let fault = Fault::error(format!("--set {name}: the flow declares no such variable"));
            let near = did_you_mean(name, declared.iter().map(|(key, _)| key.text.as_str()));
            found.add(fault.help(near.unwrap_or_else(|| format!("vars: {{ {name}: VALUE }}"))));
            continue;
        };
        match set(node, text) {
            Some(value) => {
                vars.insert(name.clone(), value);
            }
            None => found.add(not_like(name, text, &key.span, node)),
        }
    }
    vars
}

/// A YAML value as an expression sees it.
fn value(node: &Node) -> Value {
    match node {
        Node::Scalar(scalar) => scalar_value(scalar),
        Node::List(items, _) => items.iter().map(value).collect(),
        Node::Map(map) => Value::from_pairs(
            map.entries
                .iter()
                .map(|(key, node)| (key.text.clone(), value(node))),
        ),
        Node::Broken(_) => Value::from(()),
    }
}

fn scalar_value(scalar: &Scalar) -> Value {
    match scalar.kind() {
        Kind::Null => Value::from(()),
        Kind::Bool(value) => Value::from(value),
        // What is a number here is one in JSON.
        Kind::Number(_) => json::parse(scalar.text.as_bytes())
            .unwrap_or_else(|_| Value::from(scalar.text.as_str())),
        Kind::Text => Value::from(scalar.text.as_str()),
    }
}

/// The text as the type of the declared value: a number stays a number. A text, or null, takes any text.
fn set(declared: &Node, text: &str) -> Option<Value> {
    let Node::Scalar(declared) = declared else {
        let given = json::parse(text.as_bytes()).ok()?;
        let same = matches!(
            (declared, given.kind()),
            (Node::List(..), ValueKind::Seq) | (Node::Map(_), ValueKind::Map)
        );
        return same.then_some(given);
    };
    match declared.kind() {
        Kind::Null | Kind::Text => Some(Value::from(text)),
        Kind::Bool(_) => text.parse::<bool>().ok().map(Value::from),
        Kind::Number(_) => json::parse(text.as_bytes())
            .ok()
            .filter(|value| value.kind() == ValueKind::Number),
    }
}

fn not_like(name: &str, text: &str, at: &Span, declared: &Node) -> Fault {
    let fault = Fault::error(format!(
        "--set {name}={text}: the flow declares {}",
        declared.what()
    ))
    .at(at);
    fault.help(match declared {
        Node::List(..) | Node::Map(_) => "give it as JSON".to_owned(),
        _ => format!("give {} as well, or declare a text", declared.what()),
    })
}
