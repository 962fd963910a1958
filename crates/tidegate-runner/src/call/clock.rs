//! The time that a record's own requests take, for `records.deadline`.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Runs while at least one request of the record is open. Waiting for a token, a permit, a pause, a service that is down
/// or the next attempt is not charged: that is the service's doing, and `patience` bounds it.
#[derive(Debug)]
pub(super) struct Clock {
    deadline: Option<Duration>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: u32,
    since: Option<Instant>,
    charged: Duration,
}

/// A request is open until this is dropped.
#[derive(Debug)]
pub(super) struct Running<'c>(&'c Clock);

impl Clock {
    pub(super) fn new(deadline: Option<Duration>) -> Clock {
        Clock {
            deadline,
            state: Mutex::default(),
        }
    }

    /// Starts a request: gives what is left of the record's time. None without a deadline.
    pub(super) fn start(&self, now: Instant) -> Option<(Duration, Running<'_>)> {
        let deadline = self.deadline?;
        let mut state = self.lock();
        state.open += 1;
        let since = *state.since.get_or_insert(now);
        let charged = state.charged + now.saturating_duration_since(since);
        Some((deadline.saturating_sub(charged), Running(self)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.open -= 1;
        if state.open == 0
            && let Some(since) = state.since.take()
        {
            state.charged += since.elapsed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    fn left(clock: &Clock) -> Duration {
        clock.start(Instant::now()).expect("there is a deadline").0
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_time_of_open_requests_is_charged_and_once_for_two_at_a_time() {
        let clock = Clock::new(Some(Duration::from_secs(10)));
        let first = clock.start(Instant::now());
        advance(Duration::from_secs(1)).await;
        let second = clock.start(Instant::now());
        advance(Duration::from_secs(2)).await;
        drop((first, second));
        advance(Duration::from_secs(60)).await;
        assert_eq!(left(&clock), Duration::from_secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_left_when_the_time_is_used_up() {
        let clock = Clock::new(Some(Duration::from_secs(1)));
        let open = clock.start(Instant::now());
        advance(Duration::from_secs(5)).await;
        assert_eq!(left(&clock), Duration::ZERO);
        drop(open);
    }
}
