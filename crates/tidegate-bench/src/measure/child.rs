//! What a child process costs: time, CPU, memory.

use std::fs;
use std::io;
use std::process::{Command, ExitStatus};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// How often the memory of a child is looked at. The kernel keeps the peak, so only growth in its last moments is missed.
const LOOK: Duration = Duration::from_millis(5);

/// What a child has used up, from start to end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) status: ExitStatus,
    pub(crate) wall: Duration,
    /// User and system time of all its threads.
    pub(crate) cpu: Duration,
    /// The most resident memory. 0 if it ended before the first look.
    pub(crate) peak_kib: u64,
}

impl Usage {
    pub(crate) fn peak_mib(&self) -> f64 {
        self.peak_kib as f64 / 1024.0
    }
}

/// Runs `command` to its end.
///
/// The system counts the CPU time of all children that have ended as one sum, so only one may run at a time.
pub(crate) fn run(command: &mut Command) -> io::Result<Usage> {
    let cpu_before = cpu_of_children()?;
    let started = Instant::now();
    let mut child = command.spawn()?;
    let pid = child.id();
    thread::scope(|scope| {
        let (ended, end) = mpsc::sync_channel::<()>(1);
        let peak = scope.spawn(move || watch_peak(pid, &end));
        let status = child.wait()?;
        let wall = started.elapsed();
        drop(ended);
        Ok(Usage {
            status,
            wall,
            cpu: cpu_of_children()? - cpu_before,
            peak_kib: peak.join().expect("looking at a file does not panic"),
        })
    })
}

fn watch_peak(pid: u32, end: &Receiver<()>) -> u64 {
    let mut peak = 0;
    loop {
        peak = peak.max(peak_kib(pid).unwrap_or(0));
        // The first look comes early, for children that live shortly.
        let pause = if peak == 0 { LOOK / 5 } else { LOOK };
        if end.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
            return peak;
        }
    }
}

/// Most resident memory of a process so far; none once it has ended.
fn peak_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

fn cpu_of_children() -> io::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let duration = |time: TimeVal| {
        let micros = time.tv_sec() * 1_000_000 + time.tv_usec();
        Duration::from_micros(micros.unsigned_abs())
    };
    Ok(duration(usage.user_time()) + duration(usage.system_time()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_works_costs_cpu_and_memory_and_says_how_it_ended() {
        let usage = run(Command::new("sh").args([
            "-c",
            "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 3",
        ]))
        .unwrap();
        assert_eq!(usage.status.code(), Some(3));
        assert!(usage.cpu > Duration::ZERO);
        assert!(usage.wall > Duration::ZERO);
        assert!(usage.peak_kib > 0);
    }

    #[test]
    fn a_program_that_does_not_exist_is_an_error() {
        assert!(run(&mut Command::new("/no/such/program")).is_err());
    }
}
