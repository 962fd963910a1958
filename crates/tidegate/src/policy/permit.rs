//! Permits that outlive their attempt.

use std::{fmt, sync::Arc};

use tokio::time::Instant;

use super::{gate::Shared, op::Attempt, state::State};

/// The permit of an attempt, kept by [`Attempt::keep_permit`]. Comes back when it is dropped.
#[must_use = "the permit comes back when this is dropped"]
pub struct Permit {
    shared: Arc<Shared>,
    pass: u64,
}

impl Attempt {
    /// Keeps the attempt's permit until the returned value is dropped, should that be after the attempt's end: for an
    /// answer whose body is still on its way.
    ///
    /// All else ends with the attempt: its timeout, its latency, its place as a probe. Of an attempt that has ended there
    /// is nothing left to keep.
    pub fn keep_permit(&self) -> Permit {
        self.shared.with(|state, _| state.keep(self.pass));
        Permit {
            shared: Arc::clone(&self.shared),
            pass: self.pass,
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared
            .with(|state, now| state.stop_keeping(self.pass, now));
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("policy", &self.shared.name)
            .finish_non_exhaustive()
    }
}

/// A pass whose permit somebody keeps.
#[derive(Debug, Default)]
pub(super) struct Kept {
    holders: u32,
    /// The attempt is over, so that the permit comes back with the last holder.
    ended: bool,
}

impl State {
    pub(super) fn keep(&mut self, pass: u64) {
        self.kept.entry(pass).or_default().holders += 1;
    }

    pub(super) fn stop_keeping(&mut self, pass: u64, now: Instant) {
        let kept = self.kept.get_mut(&pass);
        let kept = kept.expect("a pass is kept as long as it has holders");
        kept.holders -= 1;
        if kept.holders > 0 {
            return;
        }
        let ended = kept.ended;
        self.kept.remove(&pass);
        if ended {
            self.limiter.release();
            self.call_next(now);
        }
    }

    /// The attempt with this pass has ended: gives back its permit, or leaves it to whoever keeps it.
    pub(super) fn end_pass(&mut self, pass: u64) {
        match self.kept.get_mut(&pass) {
            Some(kept) => kept.ended = true,
            None => self.limiter.release(),
        }
    }
}
