//! The thread that hears signals. A thread and not a task, so that a poll that never returns cannot hide them.

use super::{Shutdown, report::survivors, run::LAST_WAIT};
use crate::cancel::{Look, Node, Reason, Signal, after};
use std::{
    future::pending,
    io,
    sync::{Arc, OnceLock},
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
    time::{Instant, sleep_until},
};

/// A tree that needs longer to end after a signal is asked whom it waits for.
const SLOW: Duration = Duration::from_secs(1);
/// How much later than what ends by itself at the grace's end the tree is asked again.
const OVERDUE: Duration = Duration::from_millis(200);

/// Hears signals until it is dropped.
#[derive(Debug)]
pub(super) struct Listener {
    first: Arc<OnceLock<(Signal, Look)>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// When this returns, signals no longer end the process by themselves.
    #[expect(
        clippy::disallowed_methods,
        reason = "must hear a signal while every async thread is stuck; its owner joins it"
    )]
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
                    // When to ask whom the tree waits for, the next one last.
                    let mut asks = Vec::new();
                    loop {
                        let ask = asks.last().copied();
                        let ask = async {
                            match ask {
                                Some(at) => sleep_until(at).await,
                                None => pending().await,
                            }
                        };
                        let signal = tokio::select! {
                            biased;
                            _ = &mut stopped => return,
                            signal = signals.next() => signal,
                            () = ask => {
                                asks.pop();
                                if let Some((_, look)) = heard.get() {
                                    (on.on_waiting)(&survivors(&node, look));
                                }
                                continue;
                            }
                        };
                        let now = Instant::now();
                        if heard.set((signal, Look::now())).is_ok() {
                            node.cancel(Reason::Shutdown(signal), Some(after(now, on.grace)));
                            asks = vec![after(now, on.grace) + LAST_WAIT + OVERDUE];
                            if on.grace > SLOW {
                                asks.push(now + SLOW);
                            }
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
        self.first.get().map(|(signal, _)| *signal)
    }

    /// What was being polled when it came.
    pub(super) fn look(&self) -> Option<&Look> {
        self.first.get().map(|(_, look)| look)
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
