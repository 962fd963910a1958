//! The thread that hears signals. A thread and not a task, so that a poll that never returns cannot hide them.

use super::Shutdown;
use crate::cancel::{Node, Reason, Signal, after};
use std::{
    io,
    sync::{Arc, OnceLock},
    thread::{self, JoinHandle},
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
    time::Instant,
};

/// Hears signals until it is dropped.
#[derive(Debug)]
pub(super) struct Listener {
    first: Arc<OnceLock<Signal>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// When this returns, signals no longer end the process by themselves.
    pub(super) fn start(node: Arc<Node>, on: Shutdown) -> io::Result<Listener> {
        let first = Arc::new(OnceLock::new());
        if !on.signals {
            return Ok(Listener {
                first,
                stop: None,
                thread: None,
            });
        }
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let mut signals = Signals::new(&runtime)?;
        let (stop, mut stopped) = oneshot::channel::<()>();
        let heard = first.clone();
        let thread = thread::Builder::new()
            .name("tidegate-signals".into())
            .spawn(move || {
                runtime.block_on(async {
                    loop {
                        let signal = tokio::select! {
                            signal = signals.next() => signal,
                            _ = &mut stopped => return,
                        };
                        if heard.set(signal).is_ok() {
                            node.cancel(
                                Reason::Shutdown(signal),
                                Some(after(Instant::now(), on.grace)),
                            );
                        } else {
                            (on.on_force)(signal);
                        }
                    }
                });
            })?;
        Ok(Listener {
            first,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The signal that came first.
    pub(super) fn first(&self) -> Option<Signal> {
        self.first.get().copied()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A hook that panicked has already been reported by the panic hook.
            drop(thread.join());
        }
    }
}

#[cfg(unix)]
struct Signals {
    int: tokio::signal::unix::Signal,
    term: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new(runtime: &Runtime) -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let _inside = runtime.enter();
        Ok(Signals {
            int: signal(SignalKind::interrupt())?,
            term: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.int.recv() => Signal::Int,
            _ = self.term.recv() => Signal::Term,
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn new(runtime: &Runtime) -> io::Result<Self> {
        let _inside = runtime.enter();
        tokio::signal::windows::ctrl_c().map(Signals)
    }

    async fn next(&mut self) -> Signal {
        self.0.recv().await;
        Signal::Int
    }
}
