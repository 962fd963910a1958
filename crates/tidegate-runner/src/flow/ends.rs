//! What `source:` and `sink:` have in common: one key that names the file, and keys that belong to one format.

use super::{
    fault::{Fault, Found},
    fields::Fields,
    keys,
    tree::{Map, Node, Scalar},
};

/// The one key that says the format, and the file behind it.
pub(super) fn one_place<'t>(
    fields: &Fields<'t>,
    node: &'t Node,
    found: &mut Found,
) -> Option<(&'t Scalar, &'t Node)> {
    let mut keys = ["jsonl", "csv", "sqlite"]
        .into_iter()
        .filter_map(|name| fields.key(name));
    let Some(key) = keys.next() else {
        // A reserved kind (`postgres`, `nats`, `api`) has had its fault.
        let reserved = matches!(node, Node::Map(map) if map.entries.iter().any(|(key, _)| keys::SOURCE.is_later(&key.text) || keys::SINK.is_later(&key.text)));
        if !reserved {
            let first = node.span().start;
            let at = if let Node::Map(Map { entries, .. }) = node {
                entries
                    .first()
                    .map_or(first..first + 1, |(key, _)| key.span.clone())
            } else {
                first..first
            };
            found.add(
                Fault::error("which file is missing")
                    .at(&at)
                    .help("one of  jsonl: FILE, csv: FILE, sqlite: FILE"),
            );
        }
        return None;
    };
    if let Some(second) = keys.next() {
        found.add(
            Fault::error("one file at a time")
                .at(&second.span)
                .also(&key.span, "here is the other")
                .help("keep one of them"),
        );
        return None;
    }
    fields.text(&key.text, found)?;
    Some((key, fields.get(&key.text)?))
}

/// Keys that belong to another format.
pub(super) fn refuse_others(
    fields: &Fields<'_>,
    format: &Scalar,
    only: &[(&str, &[&str])],
    found: &mut Found,
) {
    for (name, formats) in only {
        if let Some(key) = fields.key(name)
            && !formats.contains(&format.text.as_str())
        {
            let fault =
                Fault::error(format!("`{name}` means nothing for {}", format.text)).at(&key.span);
            found.add(
                fault
                    .also(
                        &format.span,
                        format!("it belongs to {}", formats.join(" and ")),
                    )
                    .help("leave it out"),
            );
        }
    }
}
