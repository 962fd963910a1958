//! What goes wrong, and when.

use super::service::{Stragglers, checked_factor, checked_share};
use fastrand::Rng;
use std::{ops::Range, time::Duration};
use tokio::time::Instant;

/// Something that is wrong with the service for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trouble(Kind);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Slower(f64),
    Straggling(Stragglers),
    Failing(f64),
    Silent,
    Refusing,
    Throttling {
        per_second: f64,
        retry_after: Option<Duration>,
    },
    NeverUnder(Duration),
}

impl Trouble {
    /// Only this share of the capacity is there: 0.3 makes every request take 1/0.3 times as long.
    ///
    /// # Panics
    ///
    /// If the share is not above 0 and at most 1.
    #[track_caller]
    pub fn brown_out(capacity: f64) -> Self {
        assert!(
            capacity > 0.0 && capacity <= 1.0,
            "the capacity left is {capacity}; it must be above 0 and at most 1"
        );
        Self(Kind::Slower(1.0 / capacity))
    }

    /// Every request takes so many times as long.
    ///
    /// # Panics
    ///
    /// If the factor is not above 0.
    #[track_caller]
    pub fn slow_down(factor: f64) -> Self {
        Self(Kind::Slower(checked_factor(factor)))
    }

    /// A `share` of the requests takes `factor` times as long.
    ///
    /// # Panics
    ///
    /// If the share is not within 0 and 1, or the factor is not above 0.
    #[track_caller]
    pub fn stragglers(share: f64, factor: f64) -> Self {
        Self(Kind::Straggling(Stragglers::new(share, factor)))
    }

    /// A `share` of the requests fails, as with a 500, after having been worked on.
    ///
    /// # Panics
    ///
    /// If the share is not within 0 and 1.
    #[track_caller]
    pub fn failing(share: f64) -> Self {
        Self(Kind::Failing(checked_share(share)))
    }

    /// An outage without an answer: what is sent meanwhile is lost.
    pub const fn silent() -> Self {
        Self(Kind::Silent)
    }

    /// An outage in which every connection is refused, which takes 1 ms.
    pub const fn refusing() -> Self {
        Self(Kind::Refusing)
    }

    /// Requests above `per_second` are answered with a 429 after 1 ms; after a silence a tenth of a second's requests
    /// may come at once.
    ///
    /// # Panics
    ///
    /// If the rate is not above 0.
    #[track_caller]
    pub fn throttling(per_second: f64) -> Self {
        let per_second = checked_factor(per_second);
        Self(Kind::Throttling {
            per_second,
            retry_after: None,
        })
    }

    /// As [`throttling`](Self::throttling), and each 429 asks to be asked again only after a delay (`Retry-After`).
    ///
    /// # Panics
    ///
    /// If the rate is not above 0.
    #[track_caller]
    pub fn throttling_with_delay(per_second: f64, retry_after: Duration) -> Self {
        let per_second = checked_factor(per_second);
        Self(Kind::Throttling {
            per_second,
            retry_after: Some(retry_after),
        })
    }

    /// No answer comes earlier than `least` after its request, however little there is to do.
    pub const fn never_under(least: Duration) -> Self {
        Self(Kind::NeverUnder(least))
    }
}

/// What becomes of a request that arrives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Admission {
    Served,
    Lost,
    Refused,
    Throttled { retry_at: Option<Instant> },
}

/// All troubles of a scenario.
#[derive(Debug)]
pub(super) struct Troubles {
    began: Instant,
    all: Vec<(Range<Duration>, Trouble)>,
    /// Of each that throttles: when the next request is due.
    due: Vec<Instant>,
}

impl Troubles {
    pub(super) fn new(began: Instant, all: Vec<(Range<Duration>, Trouble)>) -> Self {
        Self {
            began,
            due: vec![began; all.len()],
            all,
        }
    }

    pub(super) fn admit(&mut self, now: Instant) -> Admission {
        let at = now - self.began;
        for ((span, trouble), due) in self.all.iter().zip(&mut self.due) {
            if !span.contains(&at) {
                continue;
            }
            match trouble.0 {
                Kind::Silent => return Admission::Lost,
                Kind::Refusing => return Admission::Refused,
                Kind::Throttling {
                    per_second,
                    retry_after,
                } => {
                    let burst = Duration::from_millis(100);
                    if *due > now + burst {
                        let retry_at = retry_after.map(|delay| now + delay);
                        return Admission::Throttled { retry_at };
                    }
                    *due = (*due).max(now) + Duration::from_secs_f64(1.0 / per_second);
                }
                Kind::Slower(_) | Kind::Straggling(_) | Kind::Failing(_) | Kind::NeverUnder(_) => {}
            }
        }
        Admission::Served
    }

    /// How many times as long a request takes that a worker begins with now.
    pub(super) fn factor(&self, now: Instant, rng: &mut Rng) -> f64 {
        self.at(now)
            .map(|trouble| match trouble {
                Kind::Slower(factor) => factor,
                Kind::Straggling(stragglers) => stragglers.draw(rng),
                _ => 1.0,
            })
            .product()
    }

    /// Whether a request fails that a worker begins with now.
    pub(super) fn fails(&self, now: Instant, rng: &mut Rng) -> bool {
        self.at(now).any(|trouble| match trouble {
            Kind::Failing(share) => rng.f64() < share,
            _ => false,
        })
    }

    /// The earliest instant of the answer to a request that arrives now.
    pub(super) fn not_before(&self, now: Instant) -> Instant {
        let least = self.at(now).map(|trouble| match trouble {
            Kind::NeverUnder(least) => least,
            _ => Duration::ZERO,
        });
        now + least.max().unwrap_or_default()
    }

    fn at(&self, now: Instant) -> impl Iterator<Item = Kind> {
        let at = now - self.began;
        self.all
            .iter()
            .filter(move |(span, _)| span.contains(&at))
            .map(|(_, trouble)| trouble.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn during_the_first_second(trouble: Trouble) -> (Troubles, Instant) {
        let began = Instant::now();
        (
            Troubles::new(began, vec![(Duration::ZERO..SECOND, trouble)]),
            began,
        )
    }

    #[test]
    fn trouble_begins_with_its_span_and_is_over_at_its_end() {
        let (troubles, began) = during_the_first_second(Trouble::brown_out(0.25));
        let mut rng = Rng::with_seed(1);
        assert_eq!(troubles.factor(began, &mut rng), 4.0);
        assert_eq!(troubles.factor(began + SECOND, &mut rng), 1.0);
    }

    #[test]
    fn throttling_lets_its_rate_through_and_says_when_to_come_back() {
        let delay = Duration::from_secs(7);
        let trouble = Trouble::throttling_with_delay(100.0, delay);
        let (mut troubles, began) = during_the_first_second(trouble);
        let mut served = 0;
        for ms in 0..1_000 {
            let now = began + Duration::from_millis(ms);
            match troubles.admit(now) {
                Admission::Served => served += 1,
                Admission::Throttled { retry_at } => assert_eq!(retry_at, Some(now + delay)),
                other => panic!("{other:?}"),
            }
        }
        // A second's worth and a tenth of a second's burst.
        assert!((109..=112).contains(&served), "{served}");
        assert_eq!(troubles.admit(began + SECOND), Admission::Served);
    }

    #[test]
    fn a_share_fails_and_an_answer_does_not_come_early() {
        let (troubles, began) = during_the_first_second(Trouble::failing(0.2));
        let mut rng = Rng::with_seed(1);
        let failed = (0..10_000)
            .filter(|_| troubles.fails(began, &mut rng))
            .count();
        assert!((1_850..2_150).contains(&failed), "{failed}");
        let (troubles, began) = during_the_first_second(Trouble::never_under(SECOND * 5));
        assert_eq!(troubles.not_before(began), began + SECOND * 5);
        assert_eq!(troubles.not_before(began + SECOND), began + SECOND);
    }
}
