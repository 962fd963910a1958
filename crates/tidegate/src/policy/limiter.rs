//! Permits and rate as one machine: an attempt may leave when a permit is free *and* its token is due, and takes both then.
//!
//! Taking the token first would let waiters for a permit save tokens up and spend them all at once when permits return.

use std::time::Duration;

use tokio::time::Instant;

use super::quota::QuotaWatch;

/// What an attempt that wants to leave has to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    Now,
    /// For what is due then: a token, a new quota.
    At(Instant),
    /// For another attempt to end, or for one that was called to come.
    OnRelease,
}

#[derive(Debug)]
pub(super) struct Limiter {
    pub(super) in_flight: usize,
    pub(super) limit: usize,
    /// The most attempts there ever were in flight.
    pub(super) peak: usize,
    pub(super) rate: Option<Gcra>,
    pub(super) quota: QuotaWatch,
}

impl Limiter {
    pub(super) fn new(limit: usize, rate: Option<Gcra>) -> Self {
        Self {
            in_flight: 0,
            limit,
            peak: 0,
            rate,
            quota: QuotaWatch::default(),
        }
    }

    /// `called`: how many permits are kept for others, who were called and have not come yet.
    pub(super) fn ready(&self, called: usize, now: Instant) -> Ready {
        if self.in_flight + called >= self.limit {
            return Ready::OnRelease;
        }
        if let Some(resets) = self.quota.is_spent(called, now) {
            // An answer that is on its way may say that more remains.
            let alone = self.in_flight + called == 0;
            return if alone {
                Ready::At(resets)
            } else {
                Ready::OnRelease
            };
        }
        match &self.rate {
            // When the next token is due is known once those called have taken theirs.
            Some(_) if called > 0 => Ready::OnRelease,
            Some(rate) if !rate.due(now) => Ready::At(rate.next(now)),
            _ => Ready::Now,
        }
    }

    /// Takes permit and token. Only when [`ready`](Self::ready) says [`Ready::Now`].
    pub(super) fn take(&mut self, now: Instant) {
        self.in_flight += 1;
        self.peak = self.peak.max(self.in_flight);
        self.quota.take(now);
        if let Some(rate) = &mut self.rate {
            rate.book(now);
        }
    }

    pub(super) fn release(&mut self) {
        self.in_flight -= 1;
    }

    /// The earliest token for a caller behind `ahead` others, if there is a rate.
    pub(super) fn token_behind(&self, ahead: usize, now: Instant) -> Option<Instant> {
        let rate = self.rate.as_ref()?;
        let ahead = u32::try_from(ahead).unwrap_or(u32::MAX);
        rate.next(now).checked_add(
            rate.interval
                .saturating_mul(ahead)
                .saturating_sub(rate.tolerance),
        )
    }
}

/// The generic cell rate algorithm: evenly spaced tokens, each at an absolute time.
///
/// A sender that comes late, by at most the tolerance, does not move the tokens after its own; so timers that fire a
/// millisecond late cost no throughput. In any span `w` at most `(w + tolerance) / interval + 1` tokens are taken.
#[derive(Clone, Debug)]
pub(super) struct Gcra {
    per_second: f64,
    burst: u32,
    interval: Duration,
    tolerance: Duration,
    /// When the next token is due; none was taken yet if `None`.
    next: Option<Instant>,
}

/// Timers are exact to a millisecond; a sender later than this loses its place in the schedule.
const LEAST_TOLERANCE: Duration = Duration::from_millis(5);

impl Gcra {
    /// `per_second` is checked by the builder: finite, within [`RATES`](Self::RATES).
    pub(super) fn new(per_second: f64, burst: u32) -> Self {
        let interval = interval(per_second);
        let tolerance = LEAST_TOLERANCE.max(interval.saturating_mul(burst.saturating_sub(1)));
        Self {
            per_second,
            burst,
            interval,
            tolerance,
            next: None,
        }
    }

    /// From one in about eleven days to one a nanosecond.
    pub(super) const RATES: std::ops::RangeInclusive<f64> = 1e-6..=1e9;

    pub(super) fn per_second(&self) -> f64 {
        self.per_second
    }

    /// Changes the rate. What was booked stays booked, but the next token is at most one new interval away.
    pub(super) fn change(&mut self, per_second: f64, now: Instant) {
        let next = self.next.map(|next| next.min(now + interval(per_second)));
        *self = Self {
            next,
            ..Self::new(per_second, self.burst)
        };
    }

    fn due(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| next <= now)
    }

    fn next(&self, now: Instant) -> Instant {
        self.next.unwrap_or(now)
    }

    fn book(&mut self, now: Instant) {
        // `now - tolerance` is unrepresentable only just after the machine started; then nothing can be booked before it.
        let oldest = now.checked_sub(self.tolerance);
        let slot = match (self.next, oldest) {
            (Some(next), Some(oldest)) => next.max(oldest),
            (None, Some(oldest)) => oldest,
            (Some(next), None) => next,
            (None, None) => now,
        };
        self.next = Some(slot + self.interval);
    }
}

/// Rounded up, so that the rate is never exceeded.
fn interval(per_second: f64) -> Duration {
    Duration::from_nanos((1e9 / per_second).ceil() as u64)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The most tokens taken in any window of one second that begins with one of them.
    fn most_in_a_second(sends: &[Instant]) -> usize {
        sends
            .iter()
            .enumerate()
            .map(|(i, start)| {
                sends[i..]
                    .iter()
                    .take_while(|at| **at - *start < SECOND)
                    .count()
            })
            .max()
            .unwrap_or(0)
    }

    #[test]
    fn a_late_sender_does_not_push_later_tokens() {
        let start = Instant::now() + SECOND;
        let mut rate = Gcra::new(100.0, 1);
        rate.book(start);
        let first = rate.next(start);
        rate.book(first + Duration::from_millis(2));
        assert_eq!(rate.next(first), first + Duration::from_millis(10));
    }

    #[test]
    fn a_changed_rate_counts_from_now() {
        let start = Instant::now() + SECOND;
        let mut rate = Gcra::new(0.01, 1);
        rate.book(start);
        rate.change(10.0, start);
        assert_eq!(rate.next(start), start + Duration::from_millis(100));
        assert_eq!(rate.per_second(), 10.0);
    }

    proptest! {
        /// Against the definition: walk in small, irregular steps, send whenever the machine allows it, count windows.
        #[test]
        fn no_window_of_a_second_holds_more_than_rate_plus_burst(
            rate in 1u32..400,
            burst in 1u32..8,
            in_flight in 1usize..20,
            steps in prop::collection::vec((0u64..40_000, 0u64..3_000_000), 200..600),
        ) {
            let start = Instant::now() + 10 * SECOND;
            let mut now = start;
            let mut limiter = Limiter::new(in_flight, Some(Gcra::new(f64::from(rate), burst)));
            // The model: when each permit comes back.
            let mut ends: VecDeque<Instant> = VecDeque::new();
            let mut sends = Vec::new();
            for (step, work) in steps {
                now += Duration::from_micros(step);
                while ends.front().is_some_and(|end| *end <= now) {
                    ends.pop_front();
                    limiter.release();
                }
                while limiter.ready(0, now) == Ready::Now {
                    limiter.take(now);
                    sends.push(now);
                    let end = ends.back().copied().unwrap_or(now).max(now) + Duration::from_micros(work);
                    ends.push_back(end);
                    prop_assert!(ends.len() <= in_flight);
                }
                prop_assert_eq!(limiter.in_flight, ends.len());
                if ends.len() == in_flight {
                    prop_assert_eq!(limiter.ready(0, now), Ready::OnRelease);
                }
            }
            let burst = (f64::from(burst)).max(f64::from(rate) * LEAST_TOLERANCE.as_secs_f64());
            let most = (f64::from(rate) + burst + 1.0).floor() as usize;
            prop_assert!(most_in_a_second(&sends) <= most, "{} > {most}", most_in_a_second(&sends));
        }

        #[test]
        fn a_greedy_sender_that_is_a_little_late_gets_the_whole_rate(rate in 1u32..1000, late_us in 0u64..5_000) {
            let start = Instant::now() + 10 * SECOND;
            let mut machine = Gcra::new(f64::from(rate), 1);
            let mut now = start;
            for _ in 0..2 * rate {
                now = now.max(machine.next(now) + Duration::from_micros(late_us));
                machine.book(now);
            }
            prop_assert!(now - start <= 2 * SECOND + LEAST_TOLERANCE, "{:?}", now - start);
        }
    }
}
