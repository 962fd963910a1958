//! How busy the machine is with others: a server that gets no processor sees requests late, and all at once.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// What `work` gives, and the longest time that a thread which wanted to run meanwhile had to wait for a processor.
pub(crate) fn longest_stall<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    const NAP: Duration = Duration::from_millis(2);
    thread::scope(|scope| {
        let (ended, end) = mpsc::sync_channel::<()>(1);
        let watching = scope.spawn(move || {
            let mut longest = Duration::ZERO;
            loop {
                let napping = Instant::now();
                if end.recv_timeout(NAP) != Err(RecvTimeoutError::Timeout) {
                    return longest;
                }
                longest = longest.max(napping.elapsed().saturating_sub(NAP));
            }
        });
        let output = work();
        drop(ended);
        let longest = watching.join().expect("napping does not panic");
        (output, longest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_is_done_once_and_its_result_kept() {
        let mut times = 0;
        let (output, _) = longest_stall(|| {
            times += 1;
            times
        });
        assert_eq!(output, 1);
    }
}
