//! `tidegate eval`.

use super::{OK, USAGE};
use crate::out;
use std::{
    collections::BTreeMap,
    io::{self, Read},
    sync::Arc,
};
use tidegate_runner::expr::{Expr, Globals, RunInfo, Scope, json};

/// More than any record that a flow takes by default.
const MOST: u64 = 16 * 1024 * 1024;

pub(super) fn eval(expression: &str) -> u8 {
    match value(expression) {
        Ok(mut line) => {
            line.push(b'\n');
            out::data(&line);
            OK
        }
        Err(message) => {
            out::error(message);
            USAGE
        }
    }
}

fn value(expression: &str) -> Result<Vec<u8>, String> {
    let compiled = Expr::compile(expression).map_err(|fault| {
        let caret = format!(
            "{}{}",
            " ".repeat(
                expression[..fault.at.start.min(expression.len())]
                    .chars()
                    .count()
            ),
            "^"
        );
        let help = fault
            .help
            .map(|help| format!("\nhelp: {help}"))
            .unwrap_or_default();
        format!("{}\n  {expression}\n  {caret}{help}", fault.message)
    })?;
    let mut record = Vec::new();
    io::stdin()
        .take(MOST)
        .read_to_end(&mut record)
        .map_err(|error| format!("cannot read the record: {error}"))?;
    let record = if record.trim_ascii().is_empty() {
        b"{}".to_vec()
    } else {
        record
    };
    let record = json::parse(&record)
        .map_err(|error| format!("the record on standard input is not JSON: {error}"))?;
    let env: BTreeMap<String, String> = compiled
        .mentions()
        .env
        .iter()
        .filter_map(|name| Some((name.clone(), std::env::var(name).ok()?)))
        .collect();
    let run = RunInfo {
        id: "eval".to_owned(),
        started: "1970-01-01T00:00:00Z".to_owned(),
    };
    let globals = Arc::new(Globals::new(Vec::new(), env, BTreeMap::new(), run));
    let value = compiled
        .eval(&Scope::new(&globals, record))
        .map_err(|error| match &error.help {
            Some(help) => format!("{error}\nhelp: {help}"),
            None => error.to_string(),
        })?;
    let mut line = Vec::new();
    json::to_json(&value, &mut line).map_err(|error| error.to_string())?;
    Ok(line)
}
