//! From a file to a plan: the entry points.

use std::{fs, io, path::Path, sync::Arc};

use super::{Plan, compiler::Compiler, meaning, sink, source, steps};
use crate::flow::{Fault, Faults, Flow, FlowText, Found, Warning};

/// What a flow takes from outside its file.
pub struct Given<'a> {
    /// `--set NAME=VALUE`, in the order given; the last of a name counts.
    pub sets: &'a [(String, String)],
    /// The environment. Asked only for names that the file mentions.
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

impl std::fmt::Debug for Given<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The environment holds secrets.
        f.debug_struct("Given")
            .field("sets", &self.sets)
            .finish_non_exhaustive()
    }
}

/// Reads a flow file and makes a plan of it.
///
/// Files that the flow names are looked at where that proves more (the header of a CSV file, the columns of a query);
/// nothing is written, and nothing is sent.
///
/// # Errors
///
/// All faults of the file, each with its place. A file that cannot be read is a fault too.
pub fn load(path: &Path, given: &Given<'_>) -> Result<(Plan, Vec<Warning>), Faults> {
    let unreadable = |message: String, help: &str| {
        let file = FlowText {
            name: path.display().to_string(),
            text: String::new(),
        };
        Faults::new(Arc::new(file), vec![Fault::error(message).help(help)])
    };
    let bytes = fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => unreadable(
            "there is no such flow file".to_owned(),
            "look at the name and the folder",
        ),
        _ => unreadable(
            format!("the flow file cannot be read: {error}"),
            "look at its permissions",
        ),
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        unreadable(
            format!("the flow file is not UTF-8: see line {line}"),
            "save it as UTF-8",
        )
    })?;
    load_text(&text, path, given)
}

/// As [`load`], for a text that stands for the file at `path`, which need not exist.
///
/// # Errors
///
/// As [`load`].
pub fn load_text(
    text: &str,
    path: &Path,
    given: &Given<'_>,
) -> Result<(Plan, Vec<Warning>), Faults> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let file = Arc::new(FlowText {
        name: path.display().to_string(),
        text: text.to_owned(),
    });
    let mut found = Found::default();
    let plan = Flow::read(Arc::clone(&file), &mut found)
        .and_then(|flow| compile(&flow, path, given, &mut found));
    let warnings = found.finish(&file)?;
    Ok((plan.expect("a flow without a fault has a plan"), warnings))
}

/// None: there is a fault among what was found.
fn compile(flow: &Flow, path: &Path, given: &Given<'_>, found: &mut Found) -> Option<Plan> {
    let mut compiler = Compiler::new(flow, path, given, found);
    let source = source::compile(&mut compiler);
    let services = super::services::compile(&mut compiler);
    let steps = steps::compile(&mut compiler);
    let sink = sink::compile(&mut compiler);
    let dead_letter = sink::dead_letter(&mut compiler);
    sink::check_places(
        &mut compiler,
        source.as_ref(),
        sink.as_ref(),
        dead_letter.as_ref(),
    );
    let reads_details = compiler.reads_details;
    let (vars, env) = compiler.finish();
    if found.any_fault() {
        return None;
    }
    Some(Plan {
        file: path.to_owned(),
        name: flow
            .name
            .as_ref()
            .map_or_else(|| file_name(path), |name| name.value.clone()),
        meaning: meaning::of(flow),
        rerun: flow.rerun,
        vars,
        env,
        source: source?,
        services: services?,
        steps: steps?,
        reads_details,
        sink,
        dead_letter,
        records: super::RecordsPlan {
            in_flight: flow.records.in_flight,
            memory: flow.records.memory,
            order: flow.records.order,
            window: flow.records.window,
            deadline: flow
                .records
                .deadline
                .as_ref()
                .map(|deadline| deadline.value),
        },
    })
}

/// The same for every way to write the path; a file that does not exist has only the way that was written.
fn file_name(path: &Path) -> String {
    fs::canonicalize(path)
        .unwrap_or_else(|_| path.to_owned())
        .display()
        .to_string()
}
