//! What goes on beside a process that runs: its pipes, and its end.

use crate::{Captured, Output, ProcessError, leader::Process};
use std::{
    io,
    os::fd::OwnedFd,
    pin::pin,
    process::{ChildStdin, ExitStatus},
    time::Duration,
};
use tidegate::{Stopped, Task, bridge::Promise, cancelled};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    join,
    net::unix::pipe,
    select,
    time::timeout,
};

/// How long pipes are read after the group was killed: what is in them is there, and only a process that has left the
/// group still holds one open.
const PIPES_AFTER_END: Duration = Duration::from_secs(1);

/// As much as a pipe holds on Linux.
const CHUNK: usize = 64 * 1024;

pub(crate) struct Plan {
    pub(crate) stdin: Option<Vec<u8>>,
    pub(crate) output_limit: usize,
    pub(crate) kill_after: Duration,
}

/// Feeds and reads the process until its end, and brings the end about when its scope is told to stop. Dropped, it kills
/// the group.
pub(crate) async fn tend(
    started: Promise<Result<Process, ProcessError>>,
    leader: Task<Option<ExitStatus>>,
    plan: Plan,
) -> Result<Output, ProcessError> {
    let mut process = match started.await {
        Ok(started) => started?,
        Err(_unresolved) => {
            return Err(ProcessError::NotStarted(
                leader.await.err().unwrap_or(Stopped::Panicked),
            ));
        }
    };
    let Plan {
        stdin,
        output_limit,
        kill_after,
    } = plan;
    let stdin = process.stdin.take().zip(stdin);
    let (mut stdout, mut stderr) = (
        Capture::new(process.stdout.take(), output_limit)?,
        Capture::new(process.stderr.take(), output_limit)?,
    );
    let (told, status, pipes) = {
        let mut pipes = pin!(async {
            let (fed, out, err) = join!(feed(stdin), stdout.read(), stderr.read());
            fed.and(out).and(err)
        });
        let mut done = None;
        let told = loop {
            select! {
                biased;
                _ = &mut process.exited => break None,
                reason = cancelled() => break Some(reason),
                result = &mut pipes, if done.is_none() => done = Some(result),
            }
        };
        if told.is_some() {
            process.terminate();
            // The outputs stay open as long as anybody in the group has them.
            let ended = async {
                let read = async {
                    if done.is_none() {
                        done = Some((&mut pipes).await);
                    }
                };
                join!(&mut process.exited, read)
            };
            drop(timeout(kill_after, ended).await);
        }
        // Kills who is left.
        drop(process);
        let status = leader.await.map_err(ProcessError::NotStarted)?;
        if done.is_none() {
            done = timeout(PIPES_AFTER_END, pipes).await.ok();
        }
        (told, status, done.unwrap_or(Ok(())))
    };
    pipes.map_err(ProcessError::Pipe)?;
    let output = Output {
        status: status.expect("a process that was handed over has an exit status"),
        stdout: stdout.end(),
        stderr: stderr.end(),
    };
    match told {
        None => Ok(output),
        Some(reason) => Err(ProcessError::Stopped {
            reason,
            output: Some(Box::new(output)),
        }),
    }
}

async fn feed(stdin: Option<(ChildStdin, Vec<u8>)>) -> io::Result<()> {
    let Some((pipe, bytes)) = stdin else {
        return Ok(());
    };
    let mut pipe = pipe::Sender::from_owned_fd(OwnedFd::from(pipe))?;
    match pipe.write_all(&bytes).await {
        // It has read what it wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// One output while it comes.
struct Capture {
    pipe: Option<pipe::Receiver>,
    captured: Captured,
    limit: usize,
}

impl Capture {
    fn new<P>(pipe: Option<P>, limit: usize) -> Result<Self, ProcessError>
    where
        OwnedFd: From<P>,
    {
        let open = |pipe: P| pipe::Receiver::from_owned_fd(OwnedFd::from(pipe));
        let pipe = pipe.map(open).transpose().map_err(ProcessError::Pipe)?;
        Ok(Capture {
            pipe,
            captured: Captured::default(),
            limit,
        })
    }

    async fn read(&mut self) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        while let Some(pipe) = &mut self.pipe {
            let n = pipe.read(&mut chunk).await?;
            if n == 0 {
                self.pipe = None;
            }
            let Captured { bytes, truncated } = &mut self.captured;
            let kept = n.min(self.limit - bytes.len());
            bytes.extend_from_slice(&chunk[..kept]);
            *truncated |= kept < n;
        }
        Ok(())
    }

    fn end(mut self) -> Captured {
        self.captured.truncated |= self.pipe.is_some();
        self.captured
    }
}
