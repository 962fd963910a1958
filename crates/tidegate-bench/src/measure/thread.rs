//! What a future costs when nothing else runs.

use std::future::Future;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Runtime};

use crate::Fallible;

/// A runtime on this thread alone, so that this thread's CPU time is all there is.
pub(crate) fn one_thread() -> Fallible<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// The CPU time this thread takes to run `future` to its end: without the time in which others had the processor.
pub(crate) fn cpu_of<T>(
    runtime: &Runtime,
    future: impl Future<Output = T>,
) -> Fallible<(Duration, T)> {
    // `getrusage` of a running thread is right to the scheduler's tick only.
    let clock = ClockId::CLOCK_THREAD_CPUTIME_ID;
    let before = Duration::from(clock_gettime(clock)?);
    let output = runtime.block_on(future);
    let after = Duration::from(clock_gettime(clock)?);
    Ok((after - before, output))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_costs_less_than_it_takes() {
        let runtime = one_thread().unwrap();
        // Real time, since that is what is not to be counted.
        let wait = tokio::time::sleep;
        let (cpu, output) = cpu_of(&runtime, async {
            wait(Duration::from_millis(100)).await;
            7
        })
        .unwrap();
        assert_eq!(output, 7);
        assert!(cpu < Duration::from_millis(50));
    }
}
