//! The typed flow: what the file says, every part with its place, nothing compiled yet.

use std::{sync::Arc, time::Duration};

use super::{
    fault::{Fault, FlowText, Found},
    fields::{Fields, expected},
    keys,
    service::{self, Service},
    sink::{self, Sink},
    source::{self, Source},
    step::{self, Step},
    tree::{Map, Node, Scalar, Span},
    yaml,
};
use crate::plan::{Order, Rerun};

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spanned<T> {
    pub(crate) value: T,
    pub(crate) at: Span,
}

impl Spanned<String> {
    pub(crate) fn of(scalar: &Scalar) -> Spanned<String> {
        Spanned {
            value: scalar.text.clone(),
            at: scalar.span.clone(),
        }
    }
}

/// A whole flow file.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) text: Arc<FlowText>,
    pub(crate) name: Option<Spanned<String>>,
    pub(crate) rerun: Rerun,
    pub(crate) vars: Map,
    pub(crate) records: Records,
    pub(crate) source: Source,
    pub(crate) services: Vec<Service>,
    pub(crate) steps: Vec<Step>,
    pub(crate) sink: Option<Sink>,
    /// The file of dead letters.
    pub(crate) dead_letter: Option<Node>,
}

/// `records:`.
#[derive(Debug)]
pub(crate) struct Records {
    pub(crate) in_flight: usize,
    pub(crate) memory: usize,
    pub(crate) order: Order,
    pub(crate) window: usize,
    pub(crate) deadline: Option<Spanned<Duration>>,
}

impl Flow {
    /// Reads a file's text. None: too broken to go on; the faults say why.
    pub(crate) fn read(text: Arc<FlowText>, found: &mut Found) -> Option<Flow> {
        let root = match yaml::parse(&text.text, found) {
            Some(root) if !root.is_null() => root,
            Some(_) | None => {
                if !found.any_fault() {
                    found.add(
                        Fault::error("the flow file is empty")
                            .help("it needs at least  source: { jsonl: FILE }"),
                    );
                }
                return None;
            }
        };
        let top = Fields::open(&root, &keys::FLOW, found)?;
        check_version(&top, found);
        let records = records(&top, found);
        let services = service::read_all(&top, found);
        let steps = step::read_all(&top, &services, found);
        let source = source::read(&top, &root, found);
        let sink = sink::read(&top, found);
        Some(Flow {
            // Only a name, so braces in it mean themselves.
            name: top.text("name", found).map(Spanned::of),
            rerun: top
                .one_of("rerun", &[("new", Rerun::New), ("all", Rerun::All)], found)
                .unwrap_or(Rerun::New),
            vars: vars(&top, found),
            records,
            source: source?,
            services,
            steps,
            sink,
            dead_letter: sink::dead_letter(&top, found),
            text,
        })
    }
}

fn check_version(top: &Fields<'_>, found: &mut Found) {
    let Some(version) = top.text("version", found) else {
        return;
    };
    if version.text != "1" {
        let fault = Fault::error(format!(
            "version `{}` of the flow file is not known here",
            version.text
        ))
        .at(&version.span);
        found.add(fault.help("version: 1"));
    }
}

fn records(top: &Fields<'_>, found: &mut Found) -> Records {
    let empty = Node::Map(Map {
        entries: Vec::new(),
        span: 0..0,
    });
    let node = top.get("records").unwrap_or(&empty);
    let fields = Fields::open(node, &keys::RECORDS, found);
    let fields = match &fields {
        Some(fields) => fields,
        None => {
            &Fields::open(&empty, &keys::RECORDS, found).expect("an empty map has no wrong key")
        }
    };
    let in_flight = fields.count_or_default("in_flight", 1, found) as usize;
    let deadline = fields.duration("deadline", found);
    Records {
        in_flight,
        memory: fields.size_or_default("memory", found),
        order: fields
            .one_of(
                "order",
                &[("any", Order::Any), ("input", Order::Input)],
                found,
            )
            .unwrap_or(Order::Any),
        window: fields
            .count("window", 1, found)
            .map_or(in_flight.saturating_mul(4), |window| window as usize),
        deadline: deadline
            .zip(fields.get("deadline"))
            .map(|(value, node)| Spanned {
                value,
                at: node.span().clone(),
            }),
    }
}

fn vars(top: &Fields<'_>, found: &mut Found) -> Map {
    let vars = top.map("vars", "a map of names and values", found).cloned();
    let vars = vars.unwrap_or(Map {
        entries: Vec::new(),
        span: 0..0,
    });
    for (name, value) in &vars.entries {
        if !super::values::is_name(&name.text) {
            found.add(bad_name(name, "a variable"));
        }
        refuse_placeholders(value, found);
    }
    vars
}

fn refuse_placeholders(value: &Node, found: &mut Found) {
    match value {
        Node::Scalar(scalar) if scalar.text.contains("{{") => {
            expected(value, "a value without placeholders", found);
        }
        Node::List(items, _) => items
            .iter()
            .for_each(|item| refuse_placeholders(item, found)),
        Node::Map(map) => {
            let values = map.entries.iter().map(|(_, value)| value);
            values.for_each(|value| refuse_placeholders(value, found));
        }
        Node::Scalar(_) | Node::Broken(_) => {}
    }
}

/// The fault of a name that no expression could mention.
pub(super) fn bad_name(name: &Scalar, what: &str) -> Fault {
    let meant: String = name
        .text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    let meant = if meant.starts_with(|c: char| c.is_ascii_digit()) {
        format!("_{meant}")
    } else {
        meant
    };
    let fault =
        Fault::error(format!("`{}` cannot be the name of {what}", name.text)).at(&name.span);
    fault
        .label("an expression could not mention it: plain letters, digits and `_` only")
        .help_if((!meant.is_empty()).then(|| format!("call it `{meant}`")))
}
