//! An HTTP server that drains on shutdown.
//!
//! At `SIGTERM` or Ctrl-C it stops accepting, lets the requests under way finish within the grace, answers 503 to what
//! still comes on kept connections, and says what it had to cut and what would not end. Exit code 0: every request that
//! was taken has been answered; 1: not so; 2: it could not start.
//!
//! ```sh
//! cargo run -p tidegate-examples --bin draining-server &
//! curl 'localhost:8080/slow?ms=3000' & kill -TERM %1; wait
//! ```

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that talks to its operator"
)]

mod answer;
mod connection;
mod requests;

use clap::Parser;
use requests::Requests;
use std::{io, net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};
use tidegate::{
    Scope,
    root::{self, Ended, Shutdown},
};
use tokio::net::TcpListener;

/// An HTTP server that drains on shutdown.
#[derive(Debug, Parser)]
struct Args {
    /// Where to listen; port 0 means any.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// How long requests under way may take once told to stop.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 10_000)]
    grace_ms: u64,
    /// How long of the grace a kept connection without a request may be used for one, which is then refused.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 1_000)]
    linger_ms: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let requests = Arc::new(Requests::default());
    let on = Shutdown::new().grace(Duration::from_millis(args.grace_ms));
    let ended = root::run(on, "server", async |s: &Scope<io::Error>| {
        serve(s, &args, &requests).await
    });
    report(&ended, &requests)
}

/// Accepts until told to stop. Its scope then waits for the connections.
async fn serve(s: &Scope<io::Error>, args: &Args, requests: &Arc<Requests>) -> io::Result<()> {
    let grace = Duration::from_millis(args.grace_ms);
    let linger = Duration::from_millis(args.linger_ms);
    let listener = TcpListener::bind(args.listen).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            why = s.cancelled() => {
                println!("stopping: {why}");
                return Ok(());
            }
        };
        let Ok((stream, _)) = accepted else {
            // Out of descriptors, most likely: let others close theirs instead of spinning.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let requests = requests.clone();
        let connection = async move {
            // One that breaks is its own affair, not the server's.
            connection::serve(stream, linger, requests).await;
            Ok(())
        };
        // Waits while the scope has 1,024 of them: further clients wait in the system's queue. One that comes after the
        // news is not started, and so closed.
        drop(s.spawn_with_grace("connection", grace, connection).await);
    }
}

fn report(ended: &Ended<(), io::Error>, requests: &Requests) -> ExitCode {
    if let Err(error) = &ended.result {
        eprintln!("draining-server: {error}");
        return ExitCode::from(2);
    }
    let cut = requests.take_cut();
    println!(
        "{} answered, {} refused, {} cut",
        requests.answered(),
        requests.refused(),
        cut.len()
    );
    for request in &cut {
        println!("cut: {request}");
    }
    for survivor in &ended.survivors {
        println!("still running: {survivor}");
    }
    ExitCode::from(u8::from(!cut.is_empty() || !ended.survivors.is_empty()))
}
