//! `steps:`.

use std::time::Duration;

use super::{
    fault::{Fault, Found},
    fields::{Fields, count, expected, unknown_key},
    keys,
    model::{Spanned, bad_name},
    service::Service,
    suggest::did_you_mean,
    tree::{Map, Node, Scalar},
};
use crate::{expr::RESERVED, plan::AsBody};

/// One entry of `steps:`.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: Spanned<String>,
    /// Index of the service; none if there is none of that name, which is a fault.
    pub(crate) service: Option<usize>,
    pub(crate) method: http::Method,
    /// `METHOD TARGET` as written.
    pub(crate) call: Scalar,
    /// Where the target begins in `call`.
    pub(crate) target_from: usize,
    pub(crate) query: Option<Map>,
    pub(crate) headers: Option<Map>,
    pub(crate) body: Option<Node>,
    pub(crate) form: Option<Map>,
    pub(crate) as_body: AsBody,
    pub(crate) when: Option<Node>,
    pub(crate) each: Option<Each>,
    pub(crate) after: Vec<Spanned<String>>,
    pub(crate) otherwise: Option<Node>,
    pub(crate) classify: Option<ClassifyKeys>,
    pub(crate) idempotent: Option<bool>,
    pub(crate) timeout: Option<Duration>,
}

/// `each:`.
#[derive(Debug)]
pub(crate) struct Each {
    pub(crate) over: Node,
    pub(crate) keep_errors: bool,
    pub(crate) max: usize,
}

/// `classify:`, uncompiled.
#[derive(Debug)]
pub(crate) struct ClassifyKeys {
    pub(crate) map: Map,
}

/// Names that the expression language reads as itself.
const WORDS_OF_EXPRESSIONS: [&str; 13] = [
    "true", "false", "none", "True", "False", "None", "not", "and", "or", "in", "is", "if", "else",
];

pub(super) fn read_all(top: &Fields<'_>, services: &[Service], found: &mut Found) -> Vec<Step> {
    if top.get("steps").is_some_and(Node::is_null) {
        return Vec::new();
    }
    let Some(steps) = top.map("steps", "a map of steps by name", found) else {
        return Vec::new();
    };
    let mut list = Vec::new();
    for (name, node) in &steps.entries {
        check_name(name, found);
        if let Some(fields) = Fields::open(node, &keys::STEP, found)
            && let Some(step) = step(name, &fields, services, found)
        {
            list.push(step);
        }
    }
    list
}

fn check_name(name: &Scalar, found: &mut Found) {
    if !super::values::is_name(&name.text) {
        found.add(bad_name(name, "a step"));
    } else if RESERVED.contains(&name.text.as_str())
        || WORDS_OF_EXPRESSIONS.contains(&name.text.as_str())
    {
        let fault = Fault::error(format!("a step cannot be called `{}`", name.text)).at(&name.span);
        let fault = fault.label("in an expression this name means something else");
        found.add(fault.help(format!("call it `{}_answer`", name.text)));
    }
}

fn step(
    name: &Scalar,
    fields: &Fields<'_>,
    services: &[Service],
    found: &mut Found,
) -> Option<Step> {
    let call = call(name, fields, services, found);
    if let (Some(body), Some(form)) = (fields.key("body"), fields.key("form")) {
        found.add(
            Fault::error("a request has one body")
                .at(&form.span)
                .also(&body.span, "here is the other")
                .help("keep `body` or `form`"),
        );
    }
    let forms = [
        ("auto", AsBody::Auto),
        ("json", AsBody::Json),
        ("text", AsBody::Text),
        ("bytes", AsBody::Bytes),
    ];
    let rest = Step {
        name: Spanned::of(name),
        service: None,
        method: http::Method::GET,
        call: name.clone(),
        target_from: 0,
        query: fields.map("query", "a map of parameters", found).cloned(),
        headers: fields
            .map("headers", "a map of header names and texts", found)
            .cloned(),
        body: fields.get("body").cloned(),
        form: fields
            .map("form", "a map of names and texts", found)
            .cloned(),
        as_body: fields.one_of("as", &forms, found).unwrap_or(AsBody::Auto),
        when: fields.get("when").cloned(),
        each: fields.get("each").and_then(|node| each(node, found)),
        after: fields
            .words("after", found)
            .into_iter()
            .map(Spanned::of)
            .collect(),
        otherwise: fields.get("otherwise").cloned(),
        classify: fields
            .get("classify")
            .and_then(|node| classify(node, found)),
        idempotent: fields.boolean("idempotent", found),
        timeout: fields.duration("timeout", found),
    };
    let call = call?;
    Some(Step {
        service: call.service,
        method: call.method,
        call: call.text,
        target_from: call.target_from,
        ..rest
    })
}

struct Call {
    service: Option<usize>,
    method: http::Method,
    text: Scalar,
    target_from: usize,
}

/// The one entry that names a service.
fn call(
    name: &Scalar,
    fields: &Fields<'_>,
    services: &[Service],
    found: &mut Found,
) -> Option<Call> {
    let mut calls = Vec::new();
    for (key, value) in fields.others() {
        let service = services
            .iter()
            .position(|service| service.name.value == key.text);
        let like_a_call =
            matches!(value, Node::Scalar(scalar) if split_call(&scalar.text).is_some());
        if service.is_some() || like_a_call {
            calls.push((key, value, service));
        } else {
            let services = services.iter().map(|service| service.name.value.as_str());
            let names: Vec<&str> = keys::STEP
                .keys
                .iter()
                .map(|key| key.name)
                .chain(services)
                .collect();
            found.add(unknown_key(key, &keys::STEP, names.into_iter()));
        }
    }
    let Some((key, value, service)) = calls.first().copied() else {
        if fields.others().next().is_none() {
            let fault =
                Fault::error(format!("the step `{}` calls nothing", name.text)).at(&name.span);
            let service = services
                .first()
                .map_or("SERVICE", |service| service.name.value.as_str());
            found.add(fault.help(format!("{service}: GET /path/{{{{ id }}}}")));
        }
        return None;
    };
    if let Some((second, ..)) = calls.get(1) {
        let fault = Fault::error("a step calls one service")
            .at(&second.span)
            .also(&key.span, "it calls this one");
        found.add(fault.help("make a second step of it"));
    }
    if service.is_none() {
        let fault = Fault::error(format!("no service `{}`", key.text)).at(&key.span);
        let near = did_you_mean(
            &key.text,
            services.iter().map(|service| service.name.value.as_str()),
        );
        let known = services
            .iter()
            .map(|service| service.name.value.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        let fault = match near {
            Some(near) => fault.help(near),
            None => fault.help(format!(
                "services: {{ {}: {{ base: https://HOST }} }}",
                key.text
            )),
        };
        found.add(if known.is_empty() {
            fault.note("there are no services yet")
        } else {
            fault.note(format!("known here: {known}"))
        });
    }
    let Node::Scalar(text) = value else {
        expected(value, "`METHOD TARGET`, such as GET /users/{{ id }}", found);
        return None;
    };
    let (method, target_from) = method(text, found)?;
    Some(Call {
        service,
        method,
        text: text.clone(),
        target_from,
    })
}

const METHODS: [&str; 7] = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "PATCH"];

/// The method, in any case of letters, and where the target begins.
pub(super) fn split_call(text: &str) -> Option<(&'static str, usize)> {
    let (word, rest) = text.split_once(char::is_whitespace)?;
    let method = METHODS
        .iter()
        .find(|method| method.eq_ignore_ascii_case(word))?;
    Some((method, text.len() - rest.trim_start().len()))
}

fn method(text: &Scalar, found: &mut Found) -> Option<(http::Method, usize)> {
    let Some((method, target_from)) = split_call(&text.text) else {
        let fault = Fault::error("a call is written as `METHOD TARGET`").at(&text.span);
        let word = text.text.split_whitespace().next().unwrap_or_default();
        found.add(if METHODS.contains(&word) {
            fault.help(format!("{word} /path"))
        } else if text.text.starts_with('/') || text.text.starts_with("http") {
            fault.help(format!("GET {}", text.text))
        } else {
            fault.note(format!("methods: {}", METHODS.join(", ")))
        });
        return None;
    };
    if !text.text.starts_with(method) {
        let fault = Fault::error("a method is written in capitals").at(&text.span);
        found.add(fault.help(format!("{method} {}", &text.text[target_from..])));
    }
    Some((
        http::Method::from_bytes(method.as_bytes()).expect("a known method is valid"),
        target_from,
    ))
}

fn each(node: &Node, found: &mut Found) -> Option<Each> {
    let default_max: usize = keys::EACH
        .default_of("max")
        .parse()
        .expect("a default in a table is right");
    if !matches!(node, Node::Map(_)) {
        return Some(Each {
            over: node.clone(),
            keep_errors: false,
            max: default_max,
        });
    }
    let fields = Fields::open(node, &keys::EACH, found)?;
    let keep_errors = fields
        .one_of("on_error", &[("fail", false), ("keep", true)], found)
        .unwrap_or(false);
    let max = fields
        .get("max")
        .and_then(|node| count(node, "max", 1, found))
        .map_or(default_max, |max| max as usize);
    let Some(over) = fields.get("over") else {
        found.add(
            Fault::error("`each` needs the list")
                .at(node.span())
                .help("over: EXPRESSION"),
        );
        return None;
    };
    Some(Each {
        over: over.clone(),
        keep_errors,
        max,
    })
}

/// The keys are checked here, the values when they are compiled.
pub(super) fn classify(node: &Node, found: &mut Found) -> Option<ClassifyKeys> {
    Fields::open(node, &keys::CLASSIFY, found)?;
    match node {
        Node::Map(map) => Some(ClassifyKeys { map: map.clone() }),
        _ => None,
    }
}
