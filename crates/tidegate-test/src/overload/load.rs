//! When calls begin.

use super::service::exponential;
use fastrand::Rng;
use std::time::Duration;

/// How many calls begin per second, how they are spread, and for how long. Nobody waits for an answer before the next
/// call begins: a slow service has no fewer callers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    pub(super) per_second: f64,
    pub(super) lasts: Duration,
    even: bool,
}

impl Load {
    /// Calls that know nothing of each other, so many per second on average.
    ///
    /// # Panics
    ///
    /// If there are none per second.
    #[track_caller]
    pub fn poisson(per_second: f64, lasts: Duration) -> Self {
        Self::new(per_second, lasts, false)
    }

    /// Calls at equal distances.
    ///
    /// # Panics
    ///
    /// If there are none per second.
    #[track_caller]
    pub fn even(per_second: f64, lasts: Duration) -> Self {
        Self::new(per_second, lasts, true)
    }

    #[track_caller]
    fn new(per_second: f64, lasts: Duration, even: bool) -> Self {
        assert!(
            per_second.is_finite() && per_second > 0.0,
            "the load is {per_second} calls per second; it must be above 0"
        );
        Self {
            per_second,
            lasts,
            even,
        }
    }

    /// The instants at which calls begin.
    pub(super) fn arrivals(self, mut rng: Rng) -> impl Iterator<Item = Duration> {
        let mut at = 0.0;
        std::iter::from_fn(move || {
            let gap = if self.even {
                1.0
            } else {
                exponential(&mut rng)
            };
            at += gap / self.per_second;
            Some(Duration::from_secs_f64(at)).filter(|at| *at < self.lasts)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn count(load: Load, seed: u64) -> usize {
        load.arrivals(Rng::with_seed(seed)).count()
    }

    #[test]
    fn an_even_load_is_exact() {
        assert_eq!(count(Load::even(100.0, MINUTE), 1), 5_999);
    }

    #[test]
    fn a_poisson_load_is_right_on_average_and_differs_by_seed() {
        let load = Load::poisson(800.0, MINUTE);
        let counts = [1, 2, 3].map(|seed| count(load, seed));
        // Five deviations of 48,000.
        assert!(
            counts.iter().all(|n| n.abs_diff(48_000) < 1_100),
            "{counts:?}"
        );
        assert_ne!(counts[0], counts[1]);
        assert_eq!(counts[0], count(load, 1));
    }
}
