use super::{NAMES, given, mismatch, refuse};
use crate::expr::{escape, predicates, scope};
use minijinja::{
    Environment, Error, State,
    value::{Kwargs, Rest, Value, ValueKind},
};

pub(super) fn add_to(environment: &mut Environment<'static>) {
    environment.add_filter("first", |value: &Value| {
        end("first", value, |items| items.into_iter().next())
    });
    environment.add_filter("last", |value: &Value| {
        end("last", value, |mut items| items.pop())
    });
    environment.add_filter("join", join);
    environment.add_filter("map", map);
    environment.add_filter("list", |value: &Value| {
        items("list", value).map(Value::from)
    });
    environment.add_filter("reverse", reverse);
    environment.add_filter("keys", keys);
    environment.add_filter("values", |value: &Value| {
        Ok::<_, Error>(
            pairs("values", value)?
                .into_iter()
                .map(|pair| pair.1)
                .collect::<Vec<_>>(),
        )
    });
    environment.add_filter("items", entries);
    environment.add_filter("attr", attr);
    environment.add_filter("batch", batch);
    environment.add_filter(
        "select",
        |state: &mut State<'_, '_>, value: &Value, test: Rest<Value>| {
            keep(state, "select", value, None, &test, true)
        },
    );
    environment.add_filter(
        "reject",
        |state: &mut State<'_, '_>, value: &Value, test: Rest<Value>| {
            keep(state, "reject", value, None, &test, false)
        },
    );
    environment.add_filter(
        "selectattr",
        |state: &mut State<'_, '_>, value: &Value, name: &Value, test: Rest<Value>| {
            keep(state, "selectattr", value, Some(name), &test, true)
        },
    );
    environment.add_filter(
        "rejectattr",
        |state: &mut State<'_, '_>, value: &Value, name: &Value, test: Rest<Value>| {
            keep(state, "rejectattr", value, Some(name), &test, false)
        },
    );
}

/// The items of a list, all of them defined.
pub(super) fn items(filter: &str, value: &Value) -> Result<Vec<Value>, Error> {
    given(filter, value)?;
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return Err(mismatch(filter, value));
    }
    let items: Vec<Value> = value.try_iter()?.collect();
    items.iter().try_for_each(|item| given(filter, item))?;
    Ok(items)
}

fn end(
    filter: &str,
    value: &Value,
    pick: impl Fn(Vec<Value>) -> Option<Value>,
) -> Result<Value, Error> {
    pick(items(filter, value)?).ok_or_else(|| refuse(format!("`{filter}` was given an empty list")))
}

fn join(value: &Value, separator: Option<&str>) -> Result<String, Error> {
    let mut out = String::new();
    for (index, item) in items("join", value)?.iter().enumerate() {
        if index > 0 {
            out.push_str(separator.unwrap_or(""));
        }
        let text = escape::plain_text("join", item);
        out.push_str(&text.map_err(|_| {
            refuse(format!(
                "item {index} of `join` is no text, number or boolean"
            ))
        })?);
    }
    Ok(out)
}

/// `map(attribute='total')`, `map(attribute='total', default=0)`, or `map('lower')`.
fn map(
    state: &mut State<'_, '_>,
    value: &Value,
    filter: Option<&str>,
    arguments: Rest<Value>,
    options: Kwargs,
) -> Result<Value, Error> {
    let attribute: Option<&str> = options.get("attribute")?;
    let default: Option<Value> = options.get("default")?;
    options.assert_all_used()?;
    let mut mapped = Vec::new();
    for (index, item) in items("map", value)?.into_iter().enumerate() {
        mapped.push(match (filter, attribute) {
            (None, Some(name)) => attribute_of("map", &item, name, index, default.as_ref())?,
            (Some(filter), None) if !NAMES.contains(&filter) => {
                return Err(refuse(format!("no filter `{filter}` for `map`")));
            }
            (Some(filter), None) => {
                let mut all = vec![item];
                all.extend(arguments.iter().cloned());
                state.apply_filter(filter, &all)?
            }
            _ => {
                return Err(refuse(
                    "`map` needs either attribute='NAME' or the name of a filter",
                ));
            }
        });
    }
    Ok(mapped.into())
}

/// An attribute of an item of a list; `a.b` goes two levels deep. A default also stands in for null.
pub(super) fn attribute_of(
    filter: &str,
    item: &Value,
    name: &str,
    index: usize,
    default: Option<&Value>,
) -> Result<Value, Error> {
    let found = name
        .split('.')
        .try_fold(item.clone(), |value, part| scope::field(&value, part));
    match (found, default) {
        (Some(found), Some(default)) if found.is_none() => Ok(default.clone()),
        (Some(found), _) => Ok(found),
        (None, Some(default)) => Ok(default.clone()),
        (None, None) => Err(refuse(format!(
            "item {index} of `{filter}` has no `{name}`"
        ))),
    }
}

fn reverse(value: &Value) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        return Ok(Value::from(text.chars().rev().collect::<String>()));
    }
    Ok(items("reverse", value)?
        .into_iter()
        .rev()
        .collect::<Vec<_>>()
        .into())
}

fn pairs(filter: &str, value: &Value) -> Result<Vec<(Value, Value)>, Error> {
    given(filter, value)?;
    if value.kind() != ValueKind::Map {
        return Err(mismatch(filter, value));
    }
    value
        .try_iter()?
        .map(|key| value.get_item(&key).map(|item| (key, item)))
        .collect()
}

fn keys(value: &Value) -> Result<Value, Error> {
    Ok(pairs("keys", value)?
        .into_iter()
        .map(|pair| pair.0)
        .collect::<Vec<_>>()
        .into())
}

fn entries(value: &Value) -> Result<Value, Error> {
    Ok(pairs("items", value)?
        .into_iter()
        .map(|(key, item)| Value::from(vec![key, item]))
        .collect::<Vec<_>>()
        .into())
}

fn attr(value: &Value, name: &str) -> Result<Value, Error> {
    given("attr", value)?;
    scope::field(value, name).ok_or_else(|| refuse(format!("the value has no `{name}`")))
}

fn batch(value: &Value, size: usize) -> Result<Value, Error> {
    if size == 0 {
        return Err(refuse("`batch` needs a size of at least 1"));
    }
    let items = items("batch", value)?;
    Ok(items
        .chunks(size)
        .map(|chunk| Value::from(chunk.to_vec()))
        .collect::<Vec<_>>()
        .into())
}

/// `select('odd')`, `selectattr('paid')`, `selectattr('kind', 'eq', 'a')`. Without a test the value must be a boolean.
fn keep(
    state: &mut State<'_, '_>,
    filter: &str,
    value: &Value,
    attribute: Option<&Value>,
    test: &[Value],
    wanted: bool,
) -> Result<Value, Error> {
    let attribute = attribute
        .map(|name| name.as_str().ok_or_else(|| mismatch(filter, name)))
        .transpose()?;
    let mut kept = Vec::new();
    for (index, item) in items(filter, value)?.into_iter().enumerate() {
        let subject = attribute.map_or_else(
            || Ok(item.clone()),
            |name| attribute_of(filter, &item, name, index, None),
        )?;
        let passes = match test.split_first() {
            Some((name, arguments)) => {
                let name = name.as_str().ok_or_else(|| mismatch(filter, name))?;
                if !predicates::NAMES.contains(&name) {
                    return Err(refuse(format!("no test `{name}` for `{filter}`")));
                }
                let mut all = vec![subject];
                all.extend(arguments.iter().cloned());
                state.perform_test(name, &all)?
            }
            None if matches!(subject.kind(), ValueKind::Bool | ValueKind::None) => {
                subject.is_true()
            }
            None => {
                return Err(refuse(format!(
                    "item {index} of `{filter}` is neither true nor false"
                )));
            }
        };
        if passes == wanted {
            kept.push(item);
        }
    }
    Ok(kept.into())
}
