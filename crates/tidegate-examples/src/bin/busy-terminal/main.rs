//! A terminal program that stays responsive while every core computes.
//!
//! It explores the Mandelbrot set: each view is computed on a pool with as many threads as there are cores, again and again
//! with twice the depth, and a key puts another view in its place at once. Arrows move, `+` and `-` zoom, `r` starts
//! anew, `q`, Esc and Ctrl-C leave. The last line shows how long keys took from being read to being drawn.
//!
//! ```sh
//! cargo run --release -p tidegate-examples --bin busy-terminal
//! cargo run --release -p tidegate-examples --bin busy-terminal -- --measure 10
//! ```
//!
//! `--measure` needs no terminal: keys come from a thread, and frames are made but go nowhere. It exits with 1 when more
//! than one key in a hundred took longer than 16 ms, the time of a frame. The maximum is printed and not judged: whatever
//! else runs on the machine has its part in it.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that talks to its user"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "it measures how late it is, by the real clock"
)]

mod app;
mod delays;
mod fractal;
mod keys;
mod painter;
mod screen;

use app::{App, Figures};
use clap::Parser;
use ratatui::{
    Terminal, TerminalOptions, Viewport,
    backend::{Backend, CrosstermBackend},
    layout::Rect,
};
use std::{
    io,
    process::{self, ExitCode},
    time::Duration,
};
use tidegate::{
    Reason, Scope, StopFlag,
    root::{self, Ended, Shutdown},
    stream::{Sender, channel},
};

/// What a person takes for at once: a frame at 60 Hz.
const AT_ONCE: Duration = Duration::from_millis(16);

/// Keys that wait for the loop. A person types ten in a second.
const KEYS: usize = 16;

/// A terminal program that stays responsive while every core computes.
#[derive(Debug, Parser)]
struct Args {
    /// Measures for so long without a terminal; exit code 1: more than one key in a hundred took longer than 16 ms.
    #[arg(long, value_name = "SECONDS")]
    measure: Option<u64>,
}

fn main() -> ExitCode {
    match Args::parse().measure {
        Some(seconds) => measure(Duration::from_secs(seconds)),
        None => explore(),
    }
}

fn explore() -> ExitCode {
    let terminal = match ratatui::try_init() {
        Ok(terminal) => terminal,
        Err(error) => return fail(&error),
    };
    // The second signal ends the process on the spot, and even that leaves the terminal clean.
    let on = Shutdown::new().on_force(|signal| {
        ratatui::restore();
        process::exit(128 + i32::from(signal.number()));
    });
    let ended = run(on, terminal, keys::read);
    ratatui::restore();
    match ended.result {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error),
    }
}

fn measure(time: Duration) -> ExitCode {
    let viewport = Viewport::Fixed(Rect::new(0, 0, 160, 50));
    // Escape sequences are made as for a terminal, and thrown away.
    let backend = CrosstermBackend::new(io::sink());
    let terminal = match Terminal::with_options(backend, TerminalOptions { viewport }) {
        Ok(terminal) => terminal,
        Err(error) => return fail(&error),
    };
    let keys = move |keys: Sender<keys::Key>, stop: StopFlag| keys::make(time, &keys, &stop);
    match run(Shutdown::new(), terminal, keys).result {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::from(u8::from(figures.keys.percentile(99) > AT_ONCE))
        }
        Err(error) => fail(&error),
    }
}

/// Runs until the thread of the keys has ended, a key says so, or a signal comes.
fn run<B, K>(on: Shutdown, terminal: Terminal<B>, keys: K) -> Ended<Figures, io::Error>
where
    B: Backend<Error = io::Error>,
    K: FnOnce(Sender<keys::Key>, StopFlag) -> io::Result<()> + Send + 'static,
{
    root::run(on, "busy-terminal", async |s: &Scope<io::Error>| {
        let (typed, received) = channel(KEYS);
        let reader = s
            .spawn_thread("keys", move |stop| keys(typed, stop))
            .map_err(io::Error::other)?;
        let figures = App::new(s, terminal)?.run(received).await?;
        s.cancel(Reason::User("the user has left"), Duration::ZERO);
        drop(reader);
        Ok(figures)
    })
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("busy-terminal: {error}");
    ExitCode::from(2)
}
