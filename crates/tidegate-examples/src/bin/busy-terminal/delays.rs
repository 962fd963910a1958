//! How long things took.

use std::{fmt, time::Duration};

const STEP: Duration = Duration::from_micros(100);

/// Up to 100 ms by steps; what took longer is in the last one.
const STEPS: usize = 1_001;

/// Counts of delays, from which any percentile can be asked in the same time however many there are.
#[derive(Debug)]
pub(crate) struct Delays {
    counts: [u64; STEPS],
    max: Duration,
}

impl Default for Delays {
    fn default() -> Self {
        Delays {
            counts: [0; STEPS],
            max: Duration::ZERO,
        }
    }
}

impl Delays {
    pub(crate) fn add(&mut self, delay: Duration) {
        let step = usize::try_from(delay.as_nanos() / STEP.as_nanos()).unwrap_or(usize::MAX);
        self.counts[step.min(STEPS - 1)] += 1;
        self.max = self.max.max(delay);
    }

    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The delay that so many of a hundred did not exceed, rounded up to a step.
    pub(crate) fn percentile(&self, percent: u64) -> Duration {
        let rank = (self.count() * percent).div_ceil(100);
        let mut seen = 0;
        let mut upper = Duration::ZERO;
        for count in &self.counts[..STEPS - 1] {
            upper += STEP;
            seen += count;
            if seen >= rank {
                return upper.min(self.max);
            }
        }
        self.max
    }
}

impl fmt::Display for Delays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |delay: Duration| delay.as_secs_f64() * 1e3;
        write!(
            f,
            "p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
            ms(self.percentile(50)),
            ms(self.percentile(99)),
            ms(self.max)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_value_that_so_many_do_not_exceed() {
        let mut delays = Delays::default();
        assert_eq!(delays.percentile(99), Duration::ZERO);
        for us in (1..=200).rev().map(|n| n * 100 - 1) {
            delays.add(Duration::from_micros(us));
        }
        assert_eq!(delays.percentile(50), Duration::from_millis(10));
        assert_eq!(delays.percentile(99), Duration::from_micros(19_800));
        assert_eq!(delays.percentile(100), Duration::from_micros(19_999));
    }

    #[test]
    fn a_delay_beyond_the_last_step_shows_as_the_maximum() {
        let mut delays = Delays::default();
        delays.add(Duration::from_secs(7));
        assert_eq!(delays.percentile(1), Duration::from_secs(7));
        assert_eq!((delays.count(), delays.max), (1, Duration::from_secs(7)));
    }
}
