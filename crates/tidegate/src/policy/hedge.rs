//! When an attempt is hedged, and what pays for it.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    HedgeFigures,
    config::{Hedge, HedgeAfter},
    histogram::Histogram,
};

/// Latencies are forgotten after one to two of these: a service that became slow is not hedged as if it were still fast.
const PERIOD: Duration = Duration::from_secs(10);

/// How long a percentile is used before it is looked up again.
const FRESH: Duration = Duration::from_millis(100);

/// A hedge, in the unit of the balance.
const PRICE: u64 = 1_000;

#[derive(Debug)]
pub(super) struct HedgeWatch {
    rules: Hedge,
    /// In thousandths of a hedge, so that it is exact.
    balance: u64,
    latest: Histogram,
    before: Histogram,
    rotates: Option<Instant>,
    delay: Option<Duration>,
    fresh_until: Option<Instant>,
    pub(super) sent: u64,
    pub(super) won: u64,
    pub(super) refused: u64,
}

impl HedgeWatch {
    pub(super) fn new(rules: Hedge) -> Self {
        Self {
            balance: u64::from(rules.tokens) * PRICE,
            rules,
            latest: Histogram::new(),
            before: Histogram::new(),
            rotates: None,
            delay: None,
            fresh_until: None,
            sent: 0,
            won: 0,
            refused: 0,
        }
    }

    /// How long an attempt that begins now may take before it is hedged, if that is known.
    pub(super) fn delay(&mut self, now: Instant) -> Option<Duration> {
        match self.rules.after {
            HedgeAfter::Fixed(delay) => Some(delay.max(self.rules.min_delay)),
            HedgeAfter::Quantile(share) => {
                if self.fresh_until.is_none_or(|until| until <= now) {
                    self.rotate(now);
                    self.fresh_until = Some(now + FRESH);
                    let known = self.latest.count() + self.before.count();
                    self.delay = (known >= u64::from(self.rules.min_samples)).then(|| {
                        Histogram::quantile_of(&[&self.latest, &self.before], share)
                            .max(self.rules.min_delay)
                    });
                }
                self.delay
            }
        }
    }

    /// Notes how long an attempt took: one that succeeded, or that was given up while it was slow. Failures that come
    /// fast would make everything look fast.
    pub(super) fn record(&mut self, took: Duration, now: Instant) {
        self.rotate(now);
        self.latest.record(took);
    }

    /// A call succeeded.
    pub(super) fn earn(&mut self) {
        self.pay_in(u64::from(self.rules.earned_per_mille));
    }

    /// Takes the price of a hedge, if there is as much.
    pub(super) fn withdraw(&mut self) -> bool {
        let left = self.balance.checked_sub(PRICE);
        self.balance = left.unwrap_or(self.balance);
        left.is_some()
    }

    /// The hedge was paid for and not sent.
    pub(super) fn refund(&mut self) {
        self.pay_in(PRICE);
    }

    pub(super) fn figures(&self) -> HedgeFigures {
        HedgeFigures {
            delay: match self.rules.after {
                HedgeAfter::Fixed(delay) => Some(delay.max(self.rules.min_delay)),
                HedgeAfter::Quantile(_) => self.delay,
            },
            tokens: self.balance as f64 / PRICE as f64,
            sent: self.sent,
            won: self.won,
            refused: self.refused,
        }
    }

    fn pay_in(&mut self, amount: u64) {
        let most = u64::from(self.rules.tokens) * PRICE;
        self.balance = (self.balance + amount).min(most);
    }

    fn rotate(&mut self, now: Instant) {
        let due = *self.rotates.get_or_insert(now + PERIOD);
        if now < due {
            return;
        }
        std::mem::swap(&mut self.latest, &mut self.before);
        self.latest.clear();
        if now >= due + PERIOD {
            self.before.clear();
        }
        self.rotates = Some(now + PERIOD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(rules: Hedge) -> (HedgeWatch, Instant) {
        (HedgeWatch::new(rules), Instant::now())
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn the_delay_is_the_percentile_of_the_latest_attempts() {
        let (mut watch, now) = watch(Hedge::default());
        for n in 1..=100 {
            watch.record(ms(n), now);
        }
        let delay = watch.delay(now).expect("a hundred are enough");
        assert!(delay >= ms(92) && delay <= ms(99), "{delay:?}");
    }

    #[test]
    fn too_few_latencies_are_not_trusted() {
        let (mut watch, now) = watch(Hedge::default());
        for _ in 0..19 {
            watch.record(ms(5), now);
        }
        assert_eq!(watch.delay(now), None);
        watch.record(ms(5), now);
        assert_eq!(watch.delay(now), None, "looked up a moment ago");
        assert!(watch.delay(now + FRESH).is_some());
    }

    #[test]
    fn a_service_that_became_slow_is_known_to_be_slow_two_periods_later() {
        let (mut watch, mut now) = watch(Hedge::default());
        for _ in 0..1000 {
            watch.record(ms(5), now);
        }
        for _ in 0..20 {
            now += PERIOD / 10;
            for _ in 0..20 {
                watch.record(ms(80), now);
            }
        }
        let delay = watch.delay(now).expect("there are enough");
        assert!(delay > ms(70), "{delay:?}");
    }

    #[test]
    fn latencies_of_long_ago_are_forgotten_at_once() {
        let (mut watch, now) = watch(Hedge::default());
        for _ in 0..100 {
            watch.record(ms(5), now);
        }
        assert_eq!(watch.delay(now + 3 * PERIOD), None);
    }

    #[test]
    fn the_balance_pays_for_ten_hedges_and_for_one_more_after_twenty_successes() {
        let (mut watch, _) = watch(Hedge::default());
        assert_eq!((0..20).filter(|_| watch.withdraw()).count(), 10);
        for _ in 0..19 {
            watch.earn();
            assert!(!watch.withdraw());
        }
        watch.earn();
        assert!(watch.withdraw());
        watch.refund();
        assert_eq!(watch.figures().tokens, 1.0);
        for _ in 0..1000 {
            watch.earn();
        }
        assert_eq!(watch.figures().tokens, 10.0);
    }
}
