//! `tidegate map`: the flow file that one line stands for.

use super::{OK, USAGE, run};
use crate::{args::Map, out};
use std::{fmt::Write, fs, path::Path, sync::Arc};
use tidegate_runner::{
    engine::Options,
    plan::{self, Given},
};

pub(super) fn map(args: &Map) -> u8 {
    let text = match flow(args) {
        Ok(text) => text,
        Err(message) => {
            out::error(message);
            return USAGE;
        }
    };
    if let Some(path) = &args.save {
        return match save(path, &text) {
            Ok(()) => {
                out::say(format!(
                    "wrote {0}; run it with: tidegate run {0}",
                    path.display()
                ));
                OK
            }
            Err(error) => {
                out::error(format!("cannot write `{}`: {error}", path.display()));
                USAGE
            }
        };
    }
    let environment = |name: &str| std::env::var(name).ok();
    let file = Path::new("map.yaml");
    let plan = match plan::load_text(
        &text,
        file,
        &Given {
            sets: &[],
            env: &environment,
        },
    ) {
        Ok((plan, _)) => Arc::new(plan),
        Err(faults) => {
            out::say(faults.render(out::look()));
            out::say("(this is the flow file that the command stands for; see --save)");
            return USAGE;
        }
    };
    let options = Options {
        limit: args.how.limit,
        fresh: args.fresh,
        state: args.state.clone(),
        grace: args.how.grace,
        ..Options::default()
    };
    run::execute(plan, options, &args.how, file)
}

/// An existing file is somebody's work.
fn save(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)?
        .write_all(text.as_bytes())
}

fn flow(args: &Map) -> Result<String, String> {
    let wanted =
        "write the call as METHOD URL, such as 'GET https://api.example.com/users/{{ id }}'";
    let (method, url) = args.call.trim().split_once(' ').ok_or(wanted)?;
    let (scheme, rest) = url.trim().split_once("://").ok_or(wanted)?;
    let (host, path) = rest
        .find('/')
        .map_or((rest, "/"), |slash| rest.split_at(slash));
    if host.contains("{{") {
        return Err(
            "the host must not hold `{{`: data must not choose where requests go".to_owned(),
        );
    }
    let input = args.input.to_string_lossy();
    let stem = input.strip_suffix(".gz").unwrap_or(&input);
    let kind = if stem.ends_with(".csv") {
        "csv"
    } else {
        "jsonl"
    };
    let mut text = format!("name: {}\n", quoted(&format!("map {method} {url} {input}")));
    let mut line = |line: String| writeln!(text, "{line}").expect("a text takes every line");
    line("source:".to_owned());
    line(format!("  {kind}: {}", quoted(&input)));
    if let Some(key) = &args.key {
        line(format!("  key: {}", quoted(key)));
    }
    line("services:".to_owned());
    line("  api:".to_owned());
    line(format!(
        "    base: {}",
        quoted(&format!("{scheme}://{host}"))
    ));
    line(format!("    in_flight: {}", args.in_flight));
    if let Some(rate) = &args.rate {
        line(format!("    rate: {}", quoted(rate)));
    }
    line("steps:".to_owned());
    line("  answer:".to_owned());
    line(format!("    api: {}", quoted(&format!("{method} {path}"))));
    line("sink:".to_owned());
    line(format!(
        "  jsonl: {}",
        quoted(&args.output.to_string_lossy())
    ));
    Ok(text)
}

/// A text that YAML reads as it is: JSON's form of it.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text has a form in JSON")
}
