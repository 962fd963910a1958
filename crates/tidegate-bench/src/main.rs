//! Figures of Tidegate, each beside its rival: `cargo run --release -p tidegate-bench -- [NAME-PREFIX] [--peers] [--quick]
//! [--as-built]`.
//!
//! One line of JSON per figure on standard output; what is being measured is said on standard error. The exit code is 0
//! when every figure reached its target, 1 when one did not or could not be measured, 2 for wrong arguments.
//!
//! The API that is asked runs in this process, on a thread and a runtime of its own. Here that is as good as a process
//! of its own: while a child works, nothing else in this process does; and the instants of its requests can be compared
//! with ours.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    expect(clippy::unwrap_used, reason = "a test fails by panicking")
)]
#![expect(
    clippy::disallowed_methods,
    reason = "figures are of the real clock, and the rivals are what the bans replace"
)]

mod figure;
mod job;
mod measure;
mod policy;
mod programs;
mod proofs;
mod runner;
mod scenarios;
mod scope;
mod suite;
mod waiting;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use programs::Programs;
use suite::Setting;

/// Nobody matches on the errors of this program: they are printed.
type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

const USAGE: &str = "\
usage: tidegate-bench [NAME-PREFIX] [--peers] [--quick] [--as-built]
  NAME-PREFIX  only figures whose name begins so: scope/, runner/flaky
  --peers      also against rivals that are installed first (Python)
  --quick      fewer rounds and rows: does it work, not how good is it
  --as-built   the programs as they are in the target folder; default: they are built first";

fn main() -> ExitCode {
    if let Some(line) = waiting::child(std::env::args().skip(1)) {
        return match line.and_then(|line| Ok(writeln!(io::stdout(), "{line}")?)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                say(&format!("tidegate-bench: {error}"));
                ExitCode::FAILURE
            }
        };
    }
    match arguments(std::env::args().skip(1))
        .map(|(prefix, setting)| measure_all(&prefix, &setting))
    {
        Ok(Ok(true)) => ExitCode::SUCCESS,
        Ok(Ok(false)) => ExitCode::FAILURE,
        Ok(Err(error)) => {
            say(&format!("tidegate-bench: {error}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            say(&format!("tidegate-bench: {error}\n{USAGE}"));
            ExitCode::from(2)
        }
    }
}

/// Whether every figure reached its target.
fn measure_all(prefix: &str, setting: &Setting) -> Fallible<bool> {
    let mut all_ok = true;
    for bench in suite::all().filter(|bench| bench.is_asked_for(prefix, setting)) {
        say(&format!("measuring {}", bench.names()));
        let figures = (bench.run)(setting).unwrap_or_else(|error| {
            bench
                .figures
                .iter()
                .map(|wanted| wanted.failed(&error))
                .collect()
        });
        for figure in figures {
            all_ok &= figure.ok;
            let mut out = io::stdout().lock();
            serde_json::to_writer(&mut out, &figure)?;
            writeln!(out)?;
        }
    }
    Ok(all_ok)
}

fn arguments(arguments: impl Iterator<Item = String>) -> Fallible<(String, Setting)> {
    let (mut prefix, mut peers, mut quick, mut as_built) = (None, false, false, false);
    for argument in arguments {
        match argument.as_str() {
            "--peers" => peers = true,
            "--quick" => quick = true,
            "--as-built" => as_built = true,
            flag if flag.starts_with('-') => return Err(format!("unknown argument {flag}").into()),
            _ if prefix.is_some() => return Err("one prefix at most".into()),
            _ => prefix = Some(argument),
        }
    }
    let prefix = prefix.unwrap_or_default();
    if !suite::all().any(|bench| bench.has(&prefix)) {
        return Err(format!("no figure begins with {prefix:?}").into());
    }
    if cfg!(debug_assertions) {
        return Err("figures come from the release profile: add --release".into());
    }
    Ok((
        prefix,
        Setting::new(peers, quick, Programs::beside_this_one(as_built)?),
    ))
}

fn say(line: &str) {
    // Without standard error there is nobody to tell.
    drop(writeln!(io::stderr(), "{line}"));
}
