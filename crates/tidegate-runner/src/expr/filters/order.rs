use super::{
    lists::{attribute_of, items},
    refuse,
};
use crate::expr::path::describe;
use minijinja::{
    Environment, Error,
    value::{Kwargs, Value, ValueKind},
};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

pub(super) fn add_to(environment: &mut Environment<'static>) {
    environment.add_filter("min", |value: &Value, by: Kwargs| {
        extreme("min", value, &by, Ordering::Less)
    });
    environment.add_filter("max", |value: &Value, by: Kwargs| {
        extreme("max", value, &by, Ordering::Greater)
    });
    environment.add_filter("sort", sort);
    environment.add_filter("unique", unique);
    environment.add_filter("groupby", groupby);
}

/// Items beside what they are ordered by; all of one kind, for text and numbers have no order between them.
fn ordered_by(filter: &str, value: &Value, options: &Kwargs) -> Result<Vec<(Value, Value)>, Error> {
    let attribute: Option<&str> = options.get("attribute")?;
    let mut keyed = Vec::new();
    for (index, item) in items(filter, value)?.into_iter().enumerate() {
        let key = attribute.map_or_else(
            || Ok(item.clone()),
            |name| attribute_of(filter, &item, name, index, None),
        )?;
        let is_ordered = matches!(
            key.kind(),
            ValueKind::Number | ValueKind::String | ValueKind::Bool
        );
        let is_like_first = keyed
            .first()
            .is_none_or(|(first, _): &(Value, Value)| first.kind() == key.kind());
        if !is_ordered || !is_like_first {
            return Err(refuse(format!(
                "`{filter}` cannot order {} at item {index}",
                describe(&key)
            )));
        }
        keyed.push((key, item));
    }
    Ok(keyed)
}

fn extreme(
    filter: &str,
    value: &Value,
    options: &Kwargs,
    wanted: Ordering,
) -> Result<Value, Error> {
    let keyed = ordered_by(filter, value, options)?;
    options.assert_all_used()?;
    let best = keyed.into_iter().reduce(|best, next| {
        if next.0.cmp(&best.0) == wanted {
            next
        } else {
            best
        }
    });
    best.map(|(_, item)| item)
        .ok_or_else(|| refuse(format!("`{filter}` was given an empty list")))
}

fn sort(value: &Value, options: Kwargs) -> Result<Value, Error> {
    let reverse: Option<bool> = options.get("reverse")?;
    let mut keyed = ordered_by("sort", value, &options)?;
    options.assert_all_used()?;
    keyed.sort_by(|a, b| {
        if reverse == Some(true) {
            b.0.cmp(&a.0)
        } else {
            a.0.cmp(&b.0)
        }
    });
    Ok(keyed
        .into_iter()
        .map(|(_, item)| item)
        .collect::<Vec<_>>()
        .into())
}

/// The first of all items that are equal, in their order.
fn unique(value: &Value) -> Result<Value, Error> {
    let mut seen = BTreeSet::new();
    Ok(items("unique", value)?
        .into_iter()
        .filter(|item| seen.insert(item.clone()))
        .collect::<Vec<_>>()
        .into())
}

/// A list of `{ key, items }`, in the order in which the keys first appear.
fn groupby(value: &Value, name: &str) -> Result<Value, Error> {
    let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
    let mut places = BTreeMap::new();
    for (index, item) in items("groupby", value)?.into_iter().enumerate() {
        let key = attribute_of("groupby", &item, name, index, None)?;
        let place = *places.entry(key.clone()).or_insert_with(|| {
            groups.push((key, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(item);
    }
    let groups = groups
        .into_iter()
        .map(|(key, items)| Value::from_pairs([("key", key), ("items", Value::from(items))]));
    Ok(groups.collect::<Vec<_>>().into())
}
