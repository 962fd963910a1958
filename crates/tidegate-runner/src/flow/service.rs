//! `services:`.

use std::time::Duration;

use tidegate::policy::{Breaker, Hedge, Queue};

use super::{
    fault::{Fault, Found},
    fields::{Fields, expected},
    keys,
    limits::{self, Stage},
    model::{Spanned, bad_name},
    step::{ClassifyKeys, classify},
    tree::{Map, Node, Span},
};

/// One entry of `services:`.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: Spanned<String>,
    pub(crate) base: Option<Node>,
    pub(crate) headers: Option<Map>,
    pub(crate) auth: Option<(Auth, Span)>,
    pub(crate) in_flight: usize,
    pub(crate) rate: Option<(f64, String)>,
    pub(crate) burst: u32,
    pub(crate) timeout: Duration,
    pub(crate) retry: Retry,
    pub(crate) patience: Spanned<Duration>,
    pub(crate) breaker: Option<Stage<Breaker>>,
    pub(crate) hedge: Option<Stage<Hedge>>,
    pub(crate) queue: Option<Stage<Queue>>,
    pub(crate) max_body: usize,
    pub(crate) redirects: usize,
    pub(crate) allow: Vec<Spanned<String>>,
    pub(crate) tls_ca: Option<Node>,
    pub(crate) classify: Option<ClassifyKeys>,
}

/// `auth:`.
#[derive(Debug)]
pub(crate) enum Auth {
    Bearer(Node),
    Basic { user: Node, password: Node },
}

/// `retry:`.
#[derive(Debug)]
pub(crate) struct Retry {
    pub(crate) times: u32,
    pub(crate) base: Duration,
    pub(crate) cap: Duration,
}

pub(super) fn read_all(top: &Fields<'_>, found: &mut Found) -> Vec<Service> {
    let Some(services) = top.map("services", "a map of services by name", found) else {
        return Vec::new();
    };
    let mut list = Vec::new();
    for (name, node) in &services.entries {
        let word = name.text.replace('-', "_");
        if !super::values::is_name(&word) {
            found.add(bad_name(name, "a service"));
        }
        if let Some(taken) = taken(&name.text) {
            let fault = Fault::error(format!("a service cannot be called `{}`", name.text))
                .at(&name.span)
                .label(taken);
            found.add(fault.help(format!("call it `{}_api`", name.text)));
        }
        if let Some(fields) = Fields::open(node, &keys::SERVICE, found) {
            list.push(service(Spanned::of(name), &fields, found));
        }
    }
    list
}

/// Why a name is taken: a step names its service by a key, so the two must not collide, now or later.
fn taken(name: &str) -> Option<String> {
    let tables = [&keys::STEP, &keys::SOURCE, &keys::SINK];
    if let Some(table) = tables.iter().find(|table| table.has(name)) {
        return Some(format!("it is a key of {}", table.name));
    }
    tables
        .iter()
        .any(|table| table.is_later(name))
        .then(|| "the name is reserved for a later version".to_owned())
}

fn service(name: Spanned<String>, fields: &Fields<'_>, found: &mut Found) -> Service {
    let allow: Vec<_> = fields
        .words("allow", found)
        .into_iter()
        .map(Spanned::of)
        .collect();
    if fields.get("base").is_none() && fields.get("allow").is_none() {
        let fault = Fault::error(format!(
            "the service `{}` has neither `base` nor `allow`",
            name.value
        ))
        .at(&name.at);
        found.add(
            fault
                .help("base: https://HOST")
                .help("or, for whole URLs,  allow: public  or a list of hosts"),
        );
    }
    Service {
        base: fields.text("base", found).cloned().map(Node::Scalar),
        headers: fields
            .map("headers", "a map of header names and texts", found)
            .cloned(),
        auth: auth(fields, found),
        in_flight: fields.count_or_default("in_flight", 1, found) as usize,
        rate: fields.rate("rate", found),
        burst: narrow(fields.count_or_default("burst", 1, found)),
        timeout: not_zero(fields, "timeout", found),
        retry: retry(fields, found),
        patience: Spanned {
            value: fields.duration_or_default("patience", found),
            at: place_of(fields, "patience", &name.at),
        },
        breaker: limits::breaker(fields, found),
        hedge: limits::hedge(fields, found),
        queue: limits::queue(fields, found),
        max_body: fields.size_or_default("max_body", found),
        redirects: fields.count_or_default("redirects", 0, found) as usize,
        allow,
        tls_ca: tls(fields, found),
        classify: fields
            .get("classify")
            .and_then(|node| classify(node, found)),
        name,
    }
}

/// Where a value stands; where it is left to its default, the name of what has it.
fn place_of(fields: &Fields<'_>, name: &str, otherwise: &Span) -> Span {
    let node = fields.get(name);
    node.map_or_else(|| otherwise.clone(), |node| node.span().clone())
}

fn auth(fields: &Fields<'_>, found: &mut Found) -> Option<(Auth, Span)> {
    let node = fields.get("auth")?;
    let at = fields.key("auth")?.span.clone();
    let fields = Fields::open(node, &keys::AUTH, found)?;
    match (fields.get("bearer"), fields.get("basic")) {
        (Some(bearer), None) => fields
            .text("bearer", found)
            .map(|_| (Auth::Bearer(bearer.clone()), at)),
        (None, Some(basic)) => {
            let basic = Fields::open(basic, &keys::BASIC, found)?;
            let (user, password) = (basic.get("user"), basic.get("password"));
            let (Some(user), Some(password)) = (user, password) else {
                found.add(
                    Fault::error("`basic` needs `user` and `password`")
                        .at(&at)
                        .help("basic: { user: NAME, password: \"{{ env.PASSWORD }}\" }"),
                );
                return None;
            };
            basic
                .text("user", found)
                .and(basic.text("password", found))?;
            Some((
                Auth::Basic {
                    user: user.clone(),
                    password: password.clone(),
                },
                at,
            ))
        }
        (Some(_), Some(basic)) => {
            found.add(
                Fault::error("a service proves itself in one way")
                    .at(basic.span())
                    .help("keep `bearer` or `basic`"),
            );
            None
        }
        (None, None) => {
            // A reserved or unknown key has had its fault; an empty map has not.
            if matches!(node, Node::Map(map) if map.entries.is_empty()) {
                expected(node, "`bearer` or `basic`", found);
            }
            None
        }
    }
}

fn retry(fields: &Fields<'_>, found: &mut Found) -> Retry {
    let times = || {
        keys::SERVICE
            .default_of("retry")
            .parse()
            .expect("a default in a table is right")
    };
    let ms = |name| {
        super::values::parse_duration(keys::RETRY.default_of(name))
            .expect("a default in a table is right")
    };
    let mut retry = Retry {
        times: times(),
        base: ms("base"),
        cap: ms("cap"),
    };
    match fields.get("retry") {
        None => {}
        Some(node @ Node::Map(_)) => {
            if let Some(fields) = Fields::open(node, &keys::RETRY, found) {
                retry.times = narrow(fields.count_or_default("times", 0, found));
                retry.base = fields.duration_or_default("base", found);
                retry.cap = fields.duration_or_default("cap", found);
                if retry.base > retry.cap {
                    let at = fields
                        .get("base")
                        .or(fields.get("cap"))
                        .map_or_else(|| node.span().clone(), |node| node.span().clone());
                    found.add(
                        Fault::error("the first back-off is longer than the longest")
                            .at(&at)
                            .help("make `base` shorter than `cap`"),
                    );
                }
            }
        }
        Some(_) => retry.times = fields.count("retry", 0, found).map_or(retry.times, narrow),
    }
    retry
}

fn tls(fields: &Fields<'_>, found: &mut Found) -> Option<Node> {
    let fields = Fields::open(fields.get("tls")?, &keys::TLS, found)?;
    fields.text("ca", found).cloned().map(Node::Scalar)
}

fn not_zero(fields: &Fields<'_>, name: &str, found: &mut Found) -> Duration {
    let duration = fields.duration_or_default(name, found);
    if duration.is_zero()
        && let Some(node) = fields.get(name)
    {
        found.add(
            Fault::error(format!("a {name} of 0 ends every attempt at once"))
                .at(node.span())
                .help(format!("{name}: 30s")),
        );
    }
    duration
}

/// Counts beyond 32 bits are as good as endless.
fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
