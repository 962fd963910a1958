//! One module per command; each gives the exit code.

mod check;
mod dead;
mod demo;
mod eval;
mod map;
mod run;
mod status;
mod summary;

use crate::{
    args::{Args, Command, Given},
    out,
};
use std::{path::Path, sync::Arc};
use tidegate_runner::{
    flow::Warning,
    plan::{self, Plan},
};

/// The exit codes that do not come out of a report.
const OK: u8 = 0;
const UNEXPECTED: u8 = 1;
const USAGE: u8 = 2;

pub(crate) fn run(args: Args) -> u8 {
    match args.command {
        Command::Run(args) => run::run(&args),
        Command::Map(args) => map::map(&args),
        Command::Check(args) => check::check(&args),
        Command::Eval { expression } => eval::eval(&expression),
        Command::Status(args) => status::status(&args),
        Command::Dead(args) => dead::dead(&args),
        Command::Schema => schema(),
        Command::Demo(args) => demo::demo(&args),
    }
}

fn schema() -> u8 {
    let text = serde_json::to_string_pretty(&tidegate_runner::flow::schema())
        .expect("a JSON value has a form");
    out::data(format!("{text}\n").as_bytes());
    OK
}

/// Loads a flow file; faults are shown, and the exit code is that of faults.
fn load(flow: &Path, given: &Given) -> Result<(Arc<Plan>, Vec<Warning>), u8> {
    let environment = |name: &str| std::env::var(name).ok();
    let given = plan::Given {
        sets: &given.sets,
        env: &environment,
    };
    match plan::load(flow, &given) {
        Ok((plan, warnings)) => Ok((Arc::new(plan), warnings)),
        Err(faults) => {
            out::say(faults.render(out::look()));
            Err(USAGE)
        }
    }
}
