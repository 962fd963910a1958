//! `breaker`, `hedge` and `queue` of a service: off, on with the defaults of the tables, or a map.

use std::time::Duration;

use tidegate::policy::{Breaker, Hedge, HedgeAfter, Queue, Slow};

use super::{
    fault::{Fault, Found},
    fields::{Fields, expected, meant_boolean, scalar},
    keys::{self, Table},
    tree::{Kind, Map, Node, Span},
    values,
};

/// A stage that is on.
#[derive(Debug)]
pub(crate) struct Stage<T> {
    pub(crate) rules: T,
    /// The entry's key.
    pub(crate) at: Span,
    /// What the file says of it; empty for `true`.
    map: Map,
}

impl<T> Stage<T> {
    /// The place of a value within, or of the whole entry where the file leaves it to the default.
    pub(crate) fn place_of(&self, path: &[&str]) -> &Span {
        let mut map = &self.map;
        for (depth, name) in path.iter().enumerate() {
            match map.get(name) {
                Some(Node::Map(inner)) if depth + 1 < path.len() => map = inner,
                Some(node) => return node.span(),
                None => break,
            }
        }
        &self.at
    }
}

pub(super) fn breaker(fields: &Fields<'_>, found: &mut Found) -> Option<Stage<Breaker>> {
    stage(fields, &keys::BREAKER, None, found, |own, found| {
        let rules = Breaker {
            window: longer_than_nothing(own, "window", found),
            min_calls: count(own, "min_calls", 1, found),
            failure_ratio: share_or_default(own, "failure_ratio", found),
            slow: own.get("slow").and_then(|node| slow(node, found)),
            consecutive: unless_false(own, "consecutive", found)
                .then(|| count(own, "consecutive", 1, found)),
            open_for: longer_than_nothing(own, "open_for", found),
            open_cap: own.duration_or_default("open_cap", found),
            probes: count(own, "probes", 1, found),
        };
        if rules.open_for > rules.open_cap {
            first_is_longest(own, found);
        }
        rules
    })
}

fn first_is_longest(own: &Fields<'_>, found: &mut Found) {
    let (at, meant) = match (own.get("open_for"), own.get("open_cap")) {
        (Some(Node::Scalar(first)), _) => (&first.span, format!("open_cap: {}", first.text)),
        (_, Some(Node::Scalar(cap))) => (&cap.span, format!("open_for: {}", cap.text)),
        _ => return,
    };
    let fault = Fault::error("the breaker is open for longer than it may be at most").at(at);
    found.add(fault.help(meant));
}

fn slow(node: &Node, found: &mut Found) -> Option<Slow> {
    if let Node::Scalar(scalar) = node {
        let meant = values::parse_duration(&scalar.text).map_or("5s", |_| &scalar.text);
        let fault = Fault::error("`slow` is a map").at(&scalar.span);
        found.add(fault.help(format!("slow: {{ after: {meant} }}")));
        return None;
    }
    let own = Fields::open(node, &keys::SLOW, found)?;
    let ratio = share_or_default(&own, "ratio", found);
    if own.get("after").is_none() {
        found.add(
            Fault::error("`slow` needs `after`")
                .at(node.span())
                .help("slow: { after: 5s }"),
        );
        return None;
    }
    let after = own.duration("after", found)?;
    if after.is_zero() {
        refuse_zero(&own, "after", "5s", found);
    }
    Some(Slow { after, ratio })
}

pub(super) fn hedge(fields: &Fields<'_>, found: &mut Found) -> Option<Stage<Hedge>> {
    stage(fields, &keys::HEDGE, Some("after"), found, |own, found| {
        Hedge {
            after: after(own, found),
            min_delay: own.duration_or_default("min_delay", found),
            min_samples: count(own, "min_samples", 1, found),
            tokens: count(own, "burst", 1, found),
            earned_per_mille: per_mille(own, found),
        }
    })
}

/// `p95` or a time.
fn after(own: &Fields<'_>, found: &mut Found) -> HedgeAfter {
    let default = || {
        let share = values::percentile(keys::HEDGE.default_of("after"));
        HedgeAfter::Quantile(share.expect("a default in a table is right"))
    };
    let Some(node) = own.get("after") else {
        return default();
    };
    let Some(scalar) = scalar(
        node,
        "a percentile such as p95, or a time such as 150ms",
        found,
    ) else {
        return default();
    };
    if let Some(share) = values::percentile(&scalar.text) {
        return HedgeAfter::Quantile(share);
    }
    match values::parse_duration(&scalar.text) {
        Some(time) if time.is_zero() => refuse_zero(own, "after", "150ms", found),
        Some(time) => return HedgeAfter::Fixed(time),
        None => {
            let meant = match scalar.text.trim_end_matches('%').parse::<f64>() {
                Ok(number) if scalar.text.ends_with('%') => format!("after: p{number}"),
                Ok(number) => format!("after: {number}ms"),
                Err(_) => "write it as  after: p95  or 150ms, 2s".to_owned(),
            };
            let message = format!("`{}` is neither a percentile nor a duration", scalar.text);
            found.add(Fault::error(message).at(&scalar.span).help(meant));
        }
    }
    default()
}

/// `budget`, in thousandths.
fn per_mille(own: &Fields<'_>, found: &mut Found) -> u32 {
    let share = share_or_default(own, "budget", found) * 1_000.0;
    let whole = share.round();
    if (share - whole).abs() > 1e-6
        && let Some(node) = own.get("budget")
    {
        let fault = Fault::error("a budget goes in steps of 0.1%").at(node.span());
        found.add(fault.help(format!("budget: {}%", whole.max(1.0) / 10.0)));
    }
    whole as u32
}

pub(super) fn queue(fields: &Fields<'_>, found: &mut Found) -> Option<Stage<Queue>> {
    stage(fields, &keys::QUEUE, Some("limit"), found, |own, found| {
        Queue {
            max_waiting: count(own, "limit", 1, found) as usize,
            newest_first_after: unless_false(own, "newest_first_after", found)
                .then(|| own.duration_or_default("newest_first_after", found)),
        }
    })
}

/// Reads an entry that is false, true, or a map. `lone`: the key that a value alone may have been meant for.
fn stage<T>(
    fields: &Fields<'_>,
    table: &'static Table,
    lone: Option<&str>,
    found: &mut Found,
    read: impl FnOnce(&Fields<'_>, &mut Found) -> T,
) -> Option<Stage<T>> {
    let name = table.id;
    let (at, node) = (fields.key(name)?.span.clone(), fields.get(name)?);
    let map = match node {
        Node::Map(map) => map.clone(),
        Node::Scalar(scalar) if scalar.kind() == Kind::Bool(false) => return None,
        Node::Scalar(scalar) if scalar.kind() == Kind::Bool(true) => Map {
            entries: Vec::new(),
            span: scalar.span.clone(),
        },
        Node::Scalar(scalar) if scalar.kind() != Kind::Null => {
            let meant = match (meant_boolean(&scalar.text), lone) {
                (Some(meant), _) => format!("{name}: {meant}"),
                (None, Some(key)) => format!("{name}: {{ {key}: {} }}", scalar.text),
                (None, None) => format!("{name}: true"),
            };
            let fault = Fault::error(format!("`{name}` is true, false or a map")).at(&scalar.span);
            found.add(fault.help(meant));
            return None;
        }
        node => {
            let expects = format!("true, false or a map with the keys of {}", table.name);
            expected(node, &expects, found);
            return None;
        }
    };
    let node = Node::Map(map);
    let rules = read(&Fields::open(&node, table, found)?, found);
    let Node::Map(map) = node else { return None };
    Some(Stage { rules, at, map })
}

/// Whether an entry is anything but `false`, which means: not at all.
fn unless_false(own: &Fields<'_>, name: &str, found: &mut Found) -> bool {
    let Some(Node::Scalar(scalar)) = own.get(name) else {
        return true;
    };
    if matches!(scalar.text.as_str(), "none" | "never" | "off" | "no")
        || scalar.kind() == Kind::Null
    {
        let fault = Fault::error(format!("without it `{name}` is false")).at(&scalar.span);
        found.add(fault.help(format!("{name}: false")));
        return false;
    }
    scalar.kind() != Kind::Bool(false)
}

fn count(own: &Fields<'_>, name: &str, least: u64, found: &mut Found) -> u32 {
    let count = own.count_or_default(name, least, found);
    // Counts beyond 32 bits are as good as endless.
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn share_or_default(own: &Fields<'_>, name: &str, found: &mut Found) -> f64 {
    let default = || values::share(own.default_of(name)).expect("a default in a table is right");
    let Some(node) = own.get(name) else {
        return default();
    };
    let Some(scalar) = scalar(node, "a share such as 50%", found) else {
        return default();
    };
    values::share(&scalar.text).unwrap_or_else(|| {
        let meant = match scalar.text.trim_end_matches('%').trim_end().parse::<f64>() {
            // Without the rounding 0.29 would be 28.999999999999996%.
            Ok(part) if part > 0.0 && part <= 1.0 => {
                format!("{name}: {}%", (part * 1e5).round() / 1e3)
            }
            Ok(percent) if percent > 1.0 && percent <= 100.0 => format!("{name}: {percent}%"),
            _ => format!(
                "write it as  {name}: {}  or another part of 100%",
                own.default_of(name)
            ),
        };
        let message = format!("`{}` is no share", scalar.text);
        found.add(Fault::error(message).at(&scalar.span).help(meant));
        default()
    })
}

fn longer_than_nothing(own: &Fields<'_>, name: &str, found: &mut Found) -> Duration {
    let duration = own.duration_or_default(name, found);
    if duration.is_zero() {
        refuse_zero(own, name, own.default_of(name), found);
    }
    duration
}

fn refuse_zero(own: &Fields<'_>, name: &str, meant: &str, found: &mut Found) {
    if let Some(node) = own.get(name) {
        let fault = Fault::error(format!("`{name}` is no time at all")).at(node.span());
        found.add(fault.help(format!("{name}: {meant}")));
    }
}
