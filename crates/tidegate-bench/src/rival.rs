//! What one writes by hand instead of a flow file: reqwest, `buffer_unordered`, backon, JSON lines in and out.
//!
//! It is meant to be good of its kind: the two requests of a record overlap, every request has a timeout and jittered
//! exponential retries, the output is buffered. It has no limit of the rate, no journal, and cannot be resumed.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use futures_util::{StreamExt, future::try_join, stream};
use reqwest::{Client, StatusCode};
use serde_json::{Map, Value};

type Failure = Box<dyn Error + Send + Sync>;

/// Works through `INPUT OUTPUT BASE LIMIT`, the arguments of the process: `LIMIT` records at a time, two requests each.
///
/// # Errors
///
/// Files that cannot be read or written. Records that fail are counted on standard error.
pub async fn run(arguments: impl IntoIterator<Item = String>) -> Result<(), Failure> {
    let arguments: Vec<String> = arguments.into_iter().collect();
    let [input, output, base, limit] = &arguments[..] else {
        return Err("usage: INPUT OUTPUT BASE LIMIT".into());
    };
    let client = Client::builder().timeout(Duration::from_secs(2)).build()?;
    let mut out = BufWriter::new(File::create(output)?);
    let mut failed = 0_u64;

    let lines = BufReader::new(File::open(input)?).lines();
    let mut results = stream::iter(lines)
        .map(|line| enrich(&client, base, line))
        .buffer_unordered(limit.parse()?);
    while let Some(result) = results.next().await {
        match result {
            Ok(record) => {
                serde_json::to_writer(&mut out, &record)?;
                out.write_all(b"\n")?;
            }
            Err(error) => {
                failed += 1;
                writeln!(std::io::stderr(), "{error}")?;
            }
        }
    }
    out.flush()?;
    if failed == 0 {
        Ok(())
    } else {
        Err(format!("{failed} records failed").into())
    }
}

/// The record with both answers in it.
async fn enrich(
    client: &Client,
    base: &str,
    line: std::io::Result<String>,
) -> Result<Map<String, Value>, Failure> {
    let mut record: Map<String, Value> = serde_json::from_str(&line?)?;
    let id = record.get("id").ok_or("a record without id")?;
    let (user, orders) = try_join(
        get(client, format!("{base}/users/{id}")),
        get(client, format!("{base}/orders/{id}")),
    )
    .await?;
    record.insert("user".into(), user);
    record.insert("orders".into(), orders);
    Ok(record)
}

async fn get(client: &Client, url: String) -> reqwest::Result<Value> {
    let attempt = || async {
        let answer = client.get(&url).send().await?.error_for_status()?;
        answer.json::<Value>().await
    };
    attempt
        .retry(
            ExponentialBuilder::default()
                .with_jitter()
                .with_max_times(5),
        )
        .when(may_be_repeated)
        .await
}

fn may_be_repeated(error: &reqwest::Error) -> bool {
    match error.status() {
        Some(status) => status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS,
        None => true,
    }
}
