//! The service's quota: nobody is sent until it is renewed, and then one probe first.
//!
//! One stray 429 is a matter of the call that drew it. The service pauses only on evidence: it said that nothing remains,
//! or at least half of the recent attempts were throttled.

use std::time::Duration;

use tokio::time::Instant;

use super::call::after;

#[derive(Debug)]
pub(super) struct Pause {
    until: Option<Instant>,
    /// Pauses in a row without a success between them.
    rounds: u32,
    recent: Recent,
}

impl Pause {
    pub(super) fn new(rate: Option<f64>) -> Self {
        Self {
            until: None,
            rounds: 0,
            recent: Recent::new(rate),
        }
    }

    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    pub(super) fn rounds(&self) -> u32 {
        self.rounds
    }

    pub(super) fn resize(&mut self, rate: Option<f64>) {
        self.recent = Recent::new(rate);
    }

    /// Notes an answer. Whether half of the recent ones were throttled.
    pub(super) fn note(&mut self, throttled: bool) -> bool {
        self.recent.push(throttled);
        throttled && self.until.is_none() && self.recent.half_throttled()
    }

    /// Nobody is sent before `until`; a later end stays.
    pub(super) fn start(&mut self, until: Instant, now: Instant) {
        if self.until.is_none_or(|known| known <= now) {
            self.rounds = self.rounds.saturating_add(1);
        }
        self.until = self.until.max(Some(until));
        self.recent.clear();
    }

    /// The probe could not prove anything: try again after `delay`.
    pub(super) fn prolong(&mut self, now: Instant, delay: Duration) {
        self.until = Some(after(now, delay));
    }

    /// The probe succeeded. If its answer said that the quota is spent again, the new pause stays.
    pub(super) fn lift(&mut self, now: Instant) {
        if self.until.is_some_and(|until| until <= now) {
            self.until = None;
            self.rounds = 0;
        }
    }
}

/// Which of the last attempts were throttled.
#[derive(Debug)]
struct Recent {
    ring: Box<[bool]>,
    at: usize,
    throttled: usize,
}

impl Recent {
    /// One second of attempts, at least 10. More than 4096 say nothing more.
    fn new(rate: Option<f64>) -> Self {
        let size = rate.unwrap_or(0.0).ceil().clamp(10.0, 4096.0) as usize;
        Self {
            ring: vec![false; size].into(),
            at: 0,
            throttled: 0,
        }
    }

    fn push(&mut self, throttled: bool) {
        let oldest = std::mem::replace(&mut self.ring[self.at], throttled);
        self.throttled = self.throttled + usize::from(throttled) - usize::from(oldest);
        self.at = (self.at + 1) % self.ring.len();
    }

    fn half_throttled(&self) -> bool {
        self.throttled * 2 >= self.ring.len()
    }

    fn clear(&mut self) {
        self.ring.fill(false);
        self.throttled = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_last_second_of_attempts_must_be_throttled() {
        let mut pause = Pause::new(Some(100.0));
        for _ in 0..49 {
            assert!(!pause.note(true));
        }
        assert!(!pause.note(false));
        assert!(pause.note(true));
    }

    #[test]
    fn old_attempts_are_forgotten() {
        let mut pause = Pause::new(None);
        for _ in 0..100 {
            assert!(!pause.note(true));
            for _ in 0..9 {
                assert!(!pause.note(false));
            }
        }
    }

    #[test]
    fn a_pause_does_not_become_shorter_and_uses_its_evidence_once() {
        let mut pause = Pause::new(None);
        let now = Instant::now();
        let end = now + Duration::from_secs(9);
        pause.start(end, now);
        pause.start(now + Duration::from_secs(3), now);
        assert_eq!((pause.until(), pause.rounds()), (Some(end), 1));
        pause.lift(now);
        assert_eq!(pause.until(), Some(end));
        pause.lift(end);
        assert_eq!((pause.until(), pause.rounds()), (None, 0));
        assert!(!pause.note(true));
    }
}
