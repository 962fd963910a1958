//! What a service says it will still accept: as long as that is known, no more is sent than that.

use tokio::time::Instant;

use super::{op::Quota, state::State};

/// What remains of a quota until it is renewed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remaining {
    left: u64,
    resets: Instant,
    /// The attempt whose answer said so; a later one is younger.
    said_to: u64,
}

impl Remaining {
    fn holds(&self, now: Instant) -> bool {
        now < self.resets
    }
}

/// The quota of one service.
#[derive(Debug, Default)]
pub(super) struct QuotaWatch {
    remaining: Option<Remaining>,
}

impl QuotaWatch {
    /// An answer to the attempt `said_to` said what remains, while `others` were on their way.
    ///
    /// Whether the service has counted those is not known, so that they are taken as not counted. What an earlier attempt
    /// is told may be older than what is known, and only lowers it.
    fn learn(&mut self, left: u64, resets: Instant, said_to: u64, others: usize, now: Instant) {
        let left = left.saturating_sub(others as u64);
        self.remaining = Some(match self.remaining {
            Some(known) if known.holds(now) && said_to < known.said_to => Remaining {
                left: known.left.min(left),
                ..known
            },
            _ => Remaining {
                left,
                resets,
                said_to,
            },
        });
    }

    /// Whether an attempt beside `called` others, who will take theirs, is more than what remains. Until when, if so.
    pub(super) fn is_spent(&self, called: usize, now: Instant) -> Option<Instant> {
        let remaining = self.remaining.as_ref()?;
        let is_spent = remaining.holds(now) && remaining.left <= called as u64;
        is_spent.then_some(remaining.resets)
    }

    /// An attempt is sent.
    pub(super) fn take(&mut self, now: Instant) {
        self.remaining = self.remaining.filter(|remaining| remaining.holds(now));
        if let Some(remaining) = &mut self.remaining {
            remaining.left = remaining.left.saturating_sub(1);
        }
    }
}

impl State {
    /// An answer to the attempt with this pass said what remains of the service's quota.
    pub(super) fn learn_quota(&mut self, pass: u64, quota: Quota, now: Instant) {
        match quota.reset_at {
            _ if quota.remaining == 0 => self.quota_spent(quota.reset_at, now),
            Some(resets) if resets > now => {
                let others = self.limiter.in_flight.saturating_sub(1);
                let quota_watch = &mut self.limiter.quota;
                quota_watch.learn(quota.remaining, resets, pass, others, now);
            }
            // Without a time there is no telling for how long it holds.
            _ => {}
        }
        self.call_next(now);
    }

    /// If nothing remains, and no answer is on its way that could say otherwise, the service pauses.
    pub(super) fn pause_if_spent(&mut self, now: Instant) {
        if self.limiter.in_flight + self.queue.called() == 0
            && let Some(resets) = self.limiter.quota.is_spent(0, now)
        {
            self.limiter.quota = QuotaWatch::default();
            self.pause.start(resets, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn those_on_their_way_are_taken_off_and_so_is_each_that_is_sent() {
        let (mut quota, now) = (QuotaWatch::default(), Instant::now());
        quota.learn(5, now + MINUTE, 1, 2, now);
        for _ in 0..3 {
            assert_eq!(quota.is_spent(0, now), None);
            quota.take(now);
        }
        assert_eq!(quota.is_spent(0, now), Some(now + MINUTE));
    }

    #[test]
    fn what_is_kept_for_others_is_not_left() {
        let (mut quota, now) = (QuotaWatch::default(), Instant::now());
        quota.learn(2, now + MINUTE, 1, 0, now);
        assert_eq!(quota.is_spent(1, now), None);
        assert_eq!(quota.is_spent(2, now), Some(now + MINUTE));
    }

    #[test]
    fn older_news_only_lower_it_and_younger_replace_it() {
        let (mut quota, now) = (QuotaWatch::default(), Instant::now());
        quota.learn(3, now + MINUTE, 7, 0, now);
        quota.learn(9, now + MINUTE, 6, 0, now);
        assert_eq!(quota.is_spent(3, now), Some(now + MINUTE));
        quota.learn(1, now + MINUTE, 5, 0, now);
        assert_eq!(quota.is_spent(1, now), Some(now + MINUTE));
        quota.learn(9, now + MINUTE, 8, 0, now);
        assert_eq!(quota.is_spent(8, now), None);
    }

    #[test]
    fn it_is_forgotten_when_it_is_renewed() {
        let (mut quota, now) = (QuotaWatch::default(), Instant::now());
        quota.learn(1, now + MINUTE, 1, 3, now);
        assert_eq!(quota.is_spent(0, now), Some(now + MINUTE));
        assert_eq!(quota.is_spent(0, now + MINUTE), None);
        quota.take(now + MINUTE);
        quota.learn(4, now + 2 * MINUTE, 0, 0, now + MINUTE);
        assert_eq!(quota.is_spent(3, now + MINUTE), None);
    }
}
