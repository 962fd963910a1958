//! `tidegate demo`: a small job against a local API that misbehaves.

use super::{UNEXPECTED, USAGE, run, summary};
use crate::{
    args::{self, Given, How},
    out, words,
};
use std::{fmt::Write, fs, io, time::Duration};
use tidegate_runner::engine::Options;
use tidegate_test::Api;

/// What the API allows.
const RATE: u32 = 100;

pub(super) fn demo(args: &args::Demo) -> u8 {
    match prepare(args) {
        Ok(api) => act(args, &api),
        Err(error) => {
            out::error(format!(
                "the demo cannot be set up in `{}`: {error}",
                args.folder.display()
            ));
            UNEXPECTED
        }
    }
}

/// The API, on a free port of this machine, and the files.
fn prepare(args: &args::Demo) -> io::Result<Api> {
    let api = Api::builder()
        .seed(args.seed)
        .latency(Duration::from_millis(20), Duration::from_millis(80))
        .unavailable(0.05)
        .throttled(0.02, 1)
        .hangs(0.01)
        .gone(0.01)
        .rate_limit(RATE)
        .spawn_thread()?;
    fs::create_dir_all(&args.folder)?;
    let mut users = String::new();
    for id in 1..=args.records {
        writeln!(users, "{{\"id\":{id}}}").expect("a text takes every line");
    }
    fs::write(args.folder.join("users.jsonl"), users)?;
    fs::write(args.folder.join("flow.yaml"), flow(&api.base_url()))?;
    Ok(api)
}

fn flow(base: &str) -> String {
    format!(
        "# Written by `tidegate demo`. The API lives as long as the demo runs.
source: {{ jsonl: users.jsonl, key: id }}

services:
  api:
    base: {base}
    in_flight: 64             # one cap shared by every step and every retry
    rate: {RATE}/s               # every attempt pays it
    timeout: 2s               # per attempt
    retry: 5                  # back-off with jitter, Retry-After and a budget are on

steps:                        # a step's name is where its answer lands
  user:
    api: GET /users/{{{{ id }}}}
  orders:                     # reads nothing of `user`, so both run at once
    api: GET /orders/{{{{ id }}}}

sink:                         # or a table:  sqlite: out.db  and  upsert: users(id)
  jsonl: out.jsonl
  row:
    id: id
    name: user.name
    orders: orders | length
    total: orders | map(attribute='total') | sum

dead_letter: {{ jsonl: dead.jsonl }}
"
    )
}

fn act(args: &args::Demo, api: &Api) -> u8 {
    let flow = args.folder.join("flow.yaml");
    out::say(format!(
        "A local API at {} answers with faults on purpose:",
        api.base_url()
    ));
    out::say("  5 % 503, 2 % 429 with Retry-After, 1 % hang, 1 % gone for ever; else 20 to 80 ms");
    out::say(format!(
        "Running {} for {} records:\n",
        flow.display(),
        words::count(args.records.into())
    ));
    let (plan, _) = match super::load(&flow, &Given::default()) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let how = How {
        progress: args.progress,
        ..How::default()
    };
    // A second demo in the same folder shows the same again, not that all is done already.
    let options = Options {
        fresh: true,
        ..Options::default()
    };
    let report = match run::report(plan.clone(), options, &how) {
        Ok(report) => report,
        Err(code) => return code,
    };
    summary::print(&report, &plan, &flow, args.progress);
    let stats = api.stats();
    let retries = report.services.get("api").map_or(0, |api| api.retries);
    out::say(format!(
        "\nWhat happened: {} requests for {} records. The API refused {} as unavailable\n\
         and {} as too fast, and let {} hang; {} attempts were repeated, inside the limit.\n\
         Dead letters, because the API says that these records are gone: {}.\n",
        words::count(stats.requests),
        words::count(report.read),
        words::count(stats.unavailable),
        words::count(stats.throttled),
        words::count(stats.hung),
        words::count(retries),
        words::count(report.dead),
    ));
    let [rows, letters] = ["out.jsonl", "dead.jsonl"].map(|name| args.folder.join(name));
    out::say("Look at");
    out::say(format!("  the result        head -n 3 {}", rows.display()));
    out::say(format!(
        "  the dead letters  head -n 3 {}",
        letters.display()
    ));
    out::say(format!("  the flow          cat {}", flow.display()));
    match report.exit {
        0 | 3 if report.pending == 0 => 0,
        0 => USAGE,
        code => code,
    }
}
