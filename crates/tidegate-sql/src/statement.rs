use crate::{TableSpec, Verb, ident, quote_ident};

/// The statement that makes the table.
pub(crate) fn create_sql(spec: &TableSpec) -> String {
    let TableSpec {
        table,
        columns,
        verb,
        ..
    } = spec;
    let columns = ident::quote_all(columns);
    let key = match verb {
        Verb::Upsert(key) | Verb::Update(key) => {
            format!(", PRIMARY KEY ({})", ident::quote_all(key))
        }
        Verb::Insert => String::new(),
    };
    format!("CREATE TABLE {} ({columns}{key})", quote_ident(table))
}

/// The statement that writes a row; `key` are the places of the key's columns.
pub(crate) fn write_sql(spec: &TableSpec, key: &[usize]) -> String {
    let TableSpec {
        table,
        columns,
        verb,
        ..
    } = spec;
    let table = quote_ident(table);
    let set = |value: &dyn Fn(usize) -> String| {
        let rest = (0..columns.len()).filter(|place| !key.contains(place));
        rest.map(|place| format!("{} = {}", quote_ident(&columns[place]), value(place)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let insert = || {
        let values: Vec<_> = (1..=columns.len())
            .map(|number| format!("?{number}"))
            .collect();
        format!(
            "INSERT INTO {table} ({}) VALUES ({})",
            ident::quote_all(columns),
            values.join(", ")
        )
    };
    match verb {
        Verb::Insert => insert(),
        Verb::Upsert(names) => {
            let set = set(&|place| format!("excluded.{}", quote_ident(&columns[place])));
            let action = if set.is_empty() {
                "NOTHING".to_owned()
            } else {
                format!("UPDATE SET {set}")
            };
            format!(
                "{} ON CONFLICT ({}) DO {action}",
                insert(),
                ident::quote_all(names)
            )
        }
        Verb::Update(_) => {
            let set = set(&|place| format!("?{}", place + 1));
            let is_key = key
                .iter()
                .map(|&place| format!("{} = ?{}", quote_ident(&columns[place]), place + 1));
            format!(
                "UPDATE {table} SET {set} WHERE {}",
                is_key.collect::<Vec<_>>().join(" AND ")
            )
        }
    }
}
