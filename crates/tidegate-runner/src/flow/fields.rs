//! Reading one map by its table: every unknown key and wrong type is a fault, and reading goes on.

use std::time::Duration;

use super::{
    fault::{Fault, Found},
    keys::{Others, Table},
    suggest::did_you_mean,
    tree::{Kind, Map, Node, Scalar, Span},
    values::{self, BadRate},
};

/// A map whose keys have been checked against its table.
#[derive(Debug)]
pub(crate) struct Fields<'t> {
    map: &'t Map,
    table: &'static Table,
}

impl<'t> Fields<'t> {
    /// Checks the keys. None: it is no map, and a fault says so at `node`.
    pub(crate) fn open(
        node: &'t Node,
        table: &'static Table,
        found: &mut Found,
    ) -> Option<Fields<'t>> {
        let Node::Map(map) = node else {
            expected(
                node,
                &format!("a map with the keys of {}", table.name),
                found,
            );
            return None;
        };
        for (key, _) in &map.entries {
            if !table.has(&key.text)
                && (table.others == Others::Refused || table.is_later(&key.text))
            {
                found.add(unknown_key(key, table, table.names()));
            }
        }
        Some(Fields { map, table })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'t Node> {
        debug_assert!(
            self.table.has(name),
            "`{name}` is in no table, so the schema does not know it"
        );
        self.map.get(name)
    }

    /// The default of a key, as the file would write it.
    pub(crate) fn default_of(&self, name: &str) -> &'static str {
        self.table.default_of(name)
    }

    /// The key itself, for faults about the whole entry.
    pub(crate) fn key(&self, name: &str) -> Option<&'t Scalar> {
        self.map
            .entries
            .iter()
            .map(|(key, _)| key)
            .find(|key| key.text == name)
    }

    /// Entries that the table does not hold.
    pub(crate) fn others(&self) -> impl Iterator<Item = &'t (Scalar, Node)> {
        self.map
            .entries
            .iter()
            .filter(|(key, _)| !self.table.has(&key.text) && !self.table.is_later(&key.text))
    }

    pub(crate) fn text(&self, name: &str, found: &mut Found) -> Option<&'t Scalar> {
        text(self.get(name)?, found)
    }

    /// A text without placeholders.
    pub(crate) fn word(&self, name: &str, found: &mut Found) -> Option<&'t Scalar> {
        word(self.get(name)?, found)
    }

    pub(crate) fn duration(&self, name: &str, found: &mut Found) -> Option<Duration> {
        let scalar = self.scalar(name, "a duration such as 2s, 500ms, 10m or 1h", found)?;
        let duration = values::parse_duration(&scalar.text);
        if duration.is_none() {
            let bare = scalar.text.parse::<f64>().is_ok();
            let fault = Fault::error(format!("`{}` is no duration", scalar.text)).at(&scalar.span);
            let fault = if bare {
                fault.label("the unit is missing")
            } else {
                fault
            };
            let meant = if bare {
                format!("{name}: {}s", scalar.text)
            } else {
                format!("write it as  {name}: 2s  or 500ms, 10m, 1h")
            };
            found.add(fault.help(meant));
        }
        duration
    }

    /// A duration, or the default of the table.
    pub(crate) fn duration_or_default(&self, name: &str, found: &mut Found) -> Duration {
        let default = || {
            values::parse_duration(self.table.default_of(name))
                .expect("a default in a table is right")
        };
        self.duration(name, found).unwrap_or_else(default)
    }

    pub(crate) fn size_or_default(&self, name: &str, found: &mut Found) -> usize {
        let default =
            || values::size(self.table.default_of(name)).expect("a default in a table is right");
        let Some(scalar) = self.scalar(name, "a size such as 10MB, 200kB or 16MiB", found) else {
            return default();
        };
        values::size(&scalar.text).unwrap_or_else(|| {
            let fault = Fault::error(format!("`{}` is no size", scalar.text)).at(&scalar.span);
            found.add(fault.help(format!("write it as  {name}: 10MB  or 200kB, 16MiB")));
            default()
        })
    }

    pub(crate) fn count(&self, name: &str, least: u64, found: &mut Found) -> Option<u64> {
        count(self.get(name)?, name, least, found)
    }

    pub(crate) fn count_or_default(&self, name: &str, least: u64, found: &mut Found) -> u64 {
        let default = || {
            self.table
                .default_of(name)
                .parse()
                .expect("a default in a table is right")
        };
        self.count(name, least, found).unwrap_or_else(default)
    }

    pub(crate) fn boolean(&self, name: &str, found: &mut Found) -> Option<bool> {
        let node = self.get(name)?;
        if let Node::Scalar(scalar) = node {
            if let Kind::Bool(value) = scalar.kind() {
                return Some(value);
            }
            if let Some(meant) = meant_boolean(&scalar.text) {
                let fault = Fault::error(format!("`{name}` is true or false")).at(&scalar.span);
                found.add(fault.help(format!("{name}: {meant}")));
                return None;
            }
        }
        expected(node, "true or false", found);
        None
    }

    /// One of some words, each with what it stands for.
    pub(crate) fn one_of<T: Copy>(
        &self,
        name: &str,
        words: &[(&str, T)],
        found: &mut Found,
    ) -> Option<T> {
        one_of(self.get(name)?, words, found)
    }

    /// Requests a second, and the entry as the file writes it.
    pub(crate) fn rate(&self, name: &str, found: &mut Found) -> Option<(f64, String)> {
        let scalar = match self.get(name)? {
            Node::List(items, span) => {
                if let Some(second) = items.get(1) {
                    found.add(
                        Fault::error("a service has one rate as yet")
                            .at(second.span())
                            .label("quotas beside it are reserved for a later version")
                            .help("keep the first entry of the list"),
                    );
                }
                match items.first() {
                    Some(first) => text(first, found)?,
                    None => {
                        found.add(
                            Fault::error("an empty list of rates")
                                .at(span)
                                .help("rate: 100/s"),
                        );
                        return None;
                    }
                }
            }
            _ => self.scalar(name, "a rate such as 100/s", found)?,
        };
        let fault = match values::rate(&scalar.text) {
            Ok(rate) => return Some((rate, scalar.text.clone())),
            Err(BadRate::Zero) => Fault::error("a rate of 0 sends nothing")
                .help("leave `rate` out, or say how many: 100/s"),
            Err(BadRate::Form) => Fault::error(format!("`{}` is no rate", scalar.text))
                .help("write it as  rate: 100/s  or 6000/m, 10/h, 5/d"),
            Err(BadRate::Word(word)) => {
                Fault::error(format!("a rate of {word} is reserved for a later version"))
                    .help("a rate counts requests: 100/s")
            }
            Err(BadRate::Quota) => {
                Fault::error("a quota for the run is reserved for a later version")
                    .help("rate: 100/s")
            }
        };
        found.add(fault.at(&scalar.span));
        None
    }

    /// Entries of a map whose values the caller reads.
    pub(crate) fn map(&self, name: &str, expects: &str, found: &mut Found) -> Option<&'t Map> {
        match self.get(name)? {
            Node::Map(map) => Some(map),
            node => {
                expected(node, expects, found);
                None
            }
        }
    }

    /// A word, or a list of them.
    pub(crate) fn words(&self, name: &str, found: &mut Found) -> Vec<&'t Scalar> {
        match self.get(name) {
            None => Vec::new(),
            Some(Node::List(items, _)) => {
                items.iter().filter_map(|item| word(item, found)).collect()
            }
            Some(node) => word(node, found).into_iter().collect(),
        }
    }

    fn scalar(&self, name: &str, expects: &str, found: &mut Found) -> Option<&'t Scalar> {
        scalar(self.get(name)?, expects, found)
    }
}

pub(crate) fn scalar<'t>(node: &'t Node, expects: &str, found: &mut Found) -> Option<&'t Scalar> {
    match node {
        Node::Scalar(scalar) if scalar.kind() != Kind::Null => Some(scalar),
        _ => {
            expected(node, expects, found);
            None
        }
    }
}

/// A text; a number or boolean is taken as it is written.
pub(crate) fn text<'t>(node: &'t Node, found: &mut Found) -> Option<&'t Scalar> {
    scalar(node, "a text", found)
}

pub(crate) fn word<'t>(node: &'t Node, found: &mut Found) -> Option<&'t Scalar> {
    let scalar = text(node, found)?;
    if scalar.text.contains("{{") {
        found.add(
            Fault::error("no placeholder can stand here")
                .at(&scalar.span)
                .label("this is read before the first record")
                .help("write the value out"),
        );
        return None;
    }
    Some(scalar)
}

pub(crate) fn count(node: &Node, name: &str, least: u64, found: &mut Found) -> Option<u64> {
    let scalar = scalar(node, "a whole number", found)?;
    match scalar.text.parse::<u64>() {
        Ok(number) if number >= least => Some(number),
        Ok(number) => {
            found.add(
                Fault::error(format!(
                    "`{name}` is {number}, but at least {least} is needed"
                ))
                .at(&scalar.span)
                .help(format!("{name}: {least}")),
            );
            None
        }
        Err(_) => {
            found.add(
                Fault::error(format!("`{}` is no whole number", scalar.text))
                    .at(&scalar.span)
                    .help(format!("write it as  {name}: 16")),
            );
            None
        }
    }
}

pub(crate) fn one_of<T: Copy>(node: &Node, words: &[(&str, T)], found: &mut Found) -> Option<T> {
    let known = words
        .iter()
        .map(|(word, _)| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ");
    let scalar = scalar(node, &format!("one of {known}"), found)?;
    let value = words
        .iter()
        .find(|(word, _)| *word == scalar.text)
        .map(|(_, value)| *value);
    if value.is_none() {
        let fault = Fault::error(format!("`{}` is none of {known}", scalar.text)).at(&scalar.span);
        let near = did_you_mean(&scalar.text, words.iter().map(|(word, _)| *word));
        found.add(fault.help(near.unwrap_or_else(|| format!("one of {known}"))));
    }
    value
}

/// The fault of a value of the wrong kind; nothing for what is broken already.
pub(crate) fn expected(node: &Node, expects: &str, found: &mut Found) {
    if let Node::Broken(_) = node {
        return;
    }
    let span: Span = match node {
        Node::Scalar(scalar) => scalar.span.clone(),
        node => node.span().clone(),
    };
    found.add(Fault::error(format!("expected {expects}, found {}", node.what())).at(&span));
}

/// A key that means nothing, with what may have been meant.
pub(crate) fn unknown_key<'n>(
    key: &Scalar,
    table: &Table,
    names: impl Iterator<Item = &'n str>,
) -> Fault {
    if table.is_later(&key.text) {
        let fault =
            Fault::error(format!("`{}` is reserved for a later version", key.text)).at(&key.span);
        return fault.help("leave it out");
    }
    let fault = Fault::error(format!("`{}` is no key of {}", key.text, table.name)).at(&key.span);
    let names: Vec<_> = names.collect();
    match did_you_mean(&key.text, names.iter().copied()) {
        Some(near) => fault.help(near),
        None => fault.note(format!("its keys: {}", names.join(", "))),
    }
}

/// What somebody means who writes `yes` or `on`.
pub(crate) fn meant_boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "on" | "true" | "1" => Some(true),
        "no" | "off" | "false" | "0" => Some(false),
        _ => None,
    }
}
