//! What can be said on the command line.

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use std::{path::PathBuf, time::Duration};

/// Makes the calls that a flow file describes, for each record of a file or table: inside the limits, resumable, with
/// nothing lost.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 every record done; 1 unexpected error; 2 usage or flow file; 3 finished with dead letters;
4 stopped by a signal, resumable; 5 gave up because a service or the sink stayed unavailable, resumable."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a flow, or go on where it was stopped
    Run(Run),
    /// Make one call per record, without a flow file
    Map(Map),
    /// Look for faults in a flow file; sends nothing
    Check(Check),
    /// Evaluate an expression for the record on standard input
    Eval {
        /// The expression, as in `row`
        expression: String,
    },
    /// Say how far a flow has come
    Status(Which),
    /// Dead letters: look at them, try them again, drop them
    #[command(subcommand)]
    Dead(Dead),
    /// Print the JSON schema of the flow file
    Schema,
    /// Run a small job against a local API that misbehaves
    Demo(Demo),
}

/// A flow and where its journal is.
#[derive(Debug, ClapArgs)]
pub(crate) struct Which {
    /// The flow file
    pub(crate) flow: PathBuf,
    #[command(flatten)]
    pub(crate) given: Given,
    /// Folder of the journal, unless the sink holds it [default: .tidegate beside the flow file]
    #[arg(long, value_name = "DIR", env = "TIDEGATE_STATE")]
    pub(crate) state: Option<PathBuf>,
}

#[derive(Debug, Default, ClapArgs)]
pub(crate) struct Given {
    /// Give a variable of `vars:` another value
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) sets: Vec<(String, String)>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    pub(crate) how: How,
    /// Forget the journal and start over; file outputs are kept as NAME.1
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Go on although the flow means something else than when it began
    #[arg(long)]
    pub(crate) accept_flow_change: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct How {
    /// Work on at most this many records
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Bars on a terminal, plain lines elsewhere; `json` one object every 5 s; `none` errors only
    #[arg(long, value_enum, default_value_t = Progress::Auto)]
    pub(crate) progress: Progress,
    /// Write the report there, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// How long started work may take to finish after a signal
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) grace: Duration,
}

impl Default for How {
    fn default() -> Self {
        How {
            limit: None,
            progress: Progress::Auto,
            report: None,
            grace: Duration::from_secs(10),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    Auto,
    Plain,
    Json,
    None,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Map {
    /// The records: a .jsonl or .csv file (also .gz), or `-`
    pub(crate) input: PathBuf,
    /// The call, such as 'GET https://api.example.com/users/{{ id }}'
    pub(crate) call: String,
    /// Requests open at once
    #[arg(short = 'j', long, value_name = "N", default_value_t = 16)]
    pub(crate) in_flight: usize,
    /// Such as 100/s, 6000/m, 10/h
    #[arg(long)]
    pub(crate) rate: Option<String>,
    /// The key of a record [default: its bytes]
    #[arg(long, value_name = "EXPR")]
    pub(crate) key: Option<String>,
    /// Where the records go, with their answers
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub(crate) output: PathBuf,
    /// Write the flow file that this stands for, and do not run it
    #[arg(long, value_name = "FLOW")]
    pub(crate) save: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) how: How,
    /// Folder of the journal [default: .tidegate here]
    #[arg(long, value_name = "DIR", env = "TIDEGATE_STATE")]
    pub(crate) state: Option<PathBuf>,
    /// Forget the journal and start over
    #[arg(long)]
    pub(crate) fresh: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Check {
    /// The flow file
    pub(crate) flow: PathBuf,
    #[command(flatten)]
    pub(crate) given: Given,
    /// Show the requests of the first N records, as they would be sent, with secrets hidden
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "3")]
    pub(crate) sample: Option<usize>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Dead {
    /// Print dead letters as JSON lines
    List(Letters),
    /// Work on dead letters again
    Retry(Retry),
    /// Forget dead letters: their records are not worked on again
    Drop(Letters),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Letters {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Only those for which this holds, such as "step == 'orders' and status == 500"
    #[arg(long = "where", value_name = "EXPR")]
    pub(crate) condition: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Retry {
    #[command(flatten)]
    pub(crate) letters: Letters,
    #[command(flatten)]
    pub(crate) how: How,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Demo {
    /// The folder for the demo's files; made if missing
    #[arg(default_value = "tidegate-demo")]
    pub(crate) folder: PathBuf,
    /// How many records
    #[arg(long, default_value_t = 400)]
    pub(crate) records: u32,
    /// Another number, another pattern of faults
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    #[arg(long, value_enum, default_value_t = Progress::Auto)]
    pub(crate) progress: Progress,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn duration(text: &str) -> Result<Duration, String> {
    tidegate_runner::flow::parse_duration(text)
        .ok_or_else(|| "write a time such as 500ms, 10s or 2m".to_owned())
}
