//! A local API that misbehaves, as a process of its own: `misbehave --503 0.05 --429 0.02 --rate 100 --strict`.
//!
//! Prints its address on the first line of standard output, serves until it is interrupted, then prints its counts.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use tidegate_test::{Api, Builder};

const USAGE: &str = "\
usage: misbehave [--port N] [--seed N] [--latency MS | --latency MIN..MAX] [--503 SHARE] [--429 SHARE]
                 [--retry-after SECONDS] [--hang SHARE] [--gone SHARE] [--rate PER_SECOND] [--strict] [--remember]
shares are between 0 and 1; without arguments nothing goes wrong, on any free port of 127.0.0.1";

fn main() -> ExitCode {
    match configured(std::env::args().skip(1)).and_then(serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let said = writeln!(io::stderr(), "misbehave: {error}\n{USAGE}");
            // Without standard error the exit code is all there is.
            ExitCode::from(if said.is_ok() { 2 } else { 3 })
        }
    }
}

fn serve(builder: Builder) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let api = builder.start().await?;
        say(&api.base_url())?;
        tokio::signal::ctrl_c().await?;
        say(&api.stats().to_json())?;
        api.shutdown().await;
        Ok(())
    })
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

fn configured(mut arguments: impl Iterator<Item = String>) -> Result<Builder, Box<dyn Error>> {
    let mut builder = Api::builder();
    let (mut throttled, mut retry_after) = (0.0, 1);
    while let Some(name) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .ok_or_else(|| format!("{name} needs a value"))
        };
        builder = match name.as_str() {
            "--port" => builder.port(parse(&name, &value()?)?),
            "--seed" => builder.seed(parse(&name, &value()?)?),
            "--503" => builder.unavailable(parse(&name, &value()?)?),
            "--hang" => builder.hangs(parse(&name, &value()?)?),
            "--gone" => builder.gone(parse(&name, &value()?)?),
            "--rate" => builder.rate_limit(parse(&name, &value()?)?),
            "--strict" => builder.strict(true),
            "--remember" => builder.remember(true),
            "--latency" => {
                let value = value()?;
                let (min, max) = value.split_once("..").unwrap_or((&value, &value));
                let (min, max) = (parse(&name, min)?, parse(&name, max)?);
                builder.latency(Duration::from_millis(min), Duration::from_millis(max))
            }
            "--429" => {
                throttled = parse(&name, &value()?)?;
                builder
            }
            "--retry-after" => {
                retry_after = parse(&name, &value()?)?;
                builder
            }
            _ => return Err(format!("unknown argument {name}").into()),
        };
    }
    Ok(builder.throttled(throttled, retry_after))
}

fn parse<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{name} does not take {value:?}"))
}
