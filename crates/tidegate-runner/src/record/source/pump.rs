//! Reading from something that may never answer, so that the reader's thread can be stopped all the same.

use std::{
    fs::File,
    io::{self, Read},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::Duration,
};

/// Chunks under way between the two threads.
const QUEUE: usize = 2;
const CHUNK: usize = 64 * 1024;
/// How soon a stop is noticed.
const LOOK: Duration = Duration::from_millis(50);

/// The reading end of a thread that reads a pipe or standard input.
///
/// That thread is the one exception from "every thread belongs to a scope": a read of a pipe cannot be interrupted, so
/// the thread is outlived when the run stops before its input ends. It holds nothing but its buffer, and ends by itself
/// when the pipe does.
#[derive(Debug)]
pub(super) struct Pump {
    chunks: Receiver<io::Result<Vec<u8>>>,
    current: Vec<u8>,
    taken: usize,
    stop: Arc<AtomicBool>,
}

impl Pump {
    pub(super) fn stdin(stop: Arc<AtomicBool>) -> Pump {
        Pump::start(stop, || Ok(Box::new(io::stdin())))
    }

    pub(super) fn file(path: PathBuf, stop: Arc<AtomicBool>) -> Pump {
        Pump::start(stop, move || Ok(Box::new(File::open(path)?)))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "its read may never return, and a scope would wait for it: the one thread without an owner"
    )]
    fn start(
        stop: Arc<AtomicBool>,
        open: impl FnOnce() -> io::Result<Box<dyn Read>> + Send + 'static,
    ) -> Pump {
        let (sender, chunks) = sync_channel(QUEUE);
        let body = move || match open() {
            Ok(reader) => copy(reader, &sender),
            // Nobody listens any more: there is nobody to tell.
            Err(error) => drop(sender.send(Err(error))),
        };
        std::thread::Builder::new()
            .name("tidegate-pipe".to_owned())
            .spawn(body)
            .map_or_else(
                |error| {
                    let (sender, chunks) = sync_channel(1);
                    drop(sender.send(Err(error)));
                    Pump {
                        chunks,
                        current: Vec::new(),
                        taken: 0,
                        stop: stop.clone(),
                    }
                },
                |_| Pump {
                    chunks,
                    current: Vec::new(),
                    taken: 0,
                    stop: stop.clone(),
                },
            )
    }
}

fn copy(mut reader: Box<dyn Read>, sender: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut chunk = vec![0; CHUNK];
        let read = match reader.read(&mut chunk) {
            Ok(0) => return,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return drop(sender.send(Err(error))),
        };
        chunk.truncate(read);
        if sender.send(Ok(chunk)).is_err() {
            return;
        }
    }
}

impl Read for Pump {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.current.len() {
            match self.chunks.recv_timeout(LOOK) {
                Ok(chunk) => {
                    self.current = chunk?;
                    self.taken = 0;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
                Err(RecvTimeoutError::Timeout) if self.stop.load(Ordering::Relaxed) => {
                    return Err(io::Error::other("stopped while waiting for input"));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        let rest = &self.current[self.taken..];
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        self.taken += count;
        Ok(count)
    }
}
