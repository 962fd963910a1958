//! Latencies in logarithmic buckets: constant size, constant time, at most 3.2 % off.

use std::time::Duration;

/// Buckets per doubling, as a power of two.
const PRECISION: u32 = 4;
const PER_OCTAVE: usize = 1 << PRECISION;
/// 2^46 ns are 19 hours; what is longer counts as that.
const MAX_BITS: u32 = 46;
const BUCKETS: usize = (MAX_BITS - PRECISION + 1) as usize * PER_OCTAVE;

#[derive(Debug)]
pub(super) struct Histogram {
    counts: Box<[u64]>,
    total: u64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self {
            counts: vec![0; BUCKETS].into(),
            total: 0,
        }
    }

    pub(super) fn record(&mut self, value: Duration) {
        self.counts[bucket(value)] += 1;
        self.total += 1;
    }

    pub(super) fn count(&self) -> u64 {
        self.total
    }

    pub(super) fn clear(&mut self) {
        self.counts.fill(0);
        self.total = 0;
    }

    /// The value that a share `q` of all values does not exceed, in milliseconds; 0 when there is none.
    pub(super) fn quantile_ms(&self, q: f64) -> f64 {
        quantile_ns(&[self], q) / 1e6
    }

    /// The value that a share `q` of all values in several histograms does not exceed; 0 when there is none.
    pub(super) fn quantile_of(histograms: &[&Self], q: f64) -> Duration {
        Duration::from_nanos(quantile_ns(histograms, q) as u64)
    }
}

fn quantile_ns(histograms: &[&Histogram], q: f64) -> f64 {
    let total: u64 = histograms.iter().map(|histogram| histogram.total).sum();
    let rank = ((total as f64 * q).ceil() as u64).max(1);
    let mut seen = 0;
    for index in 0..BUCKETS {
        seen += histograms
            .iter()
            .map(|histogram| histogram.counts[index])
            .sum::<u64>();
        if seen >= rank {
            return middle_ns(index);
        }
    }
    0.0
}

/// Values below 16 ns have a bucket each; above, each doubling has 16.
fn bucket(value: Duration) -> usize {
    let nanos = u64::try_from(value.as_nanos())
        .unwrap_or(u64::MAX)
        .min((1 << MAX_BITS) - 1);
    let bits = u64::BITS - nanos.leading_zeros();
    if bits <= PRECISION {
        return nanos as usize;
    }
    let shift = bits - PRECISION - 1;
    shift as usize * PER_OCTAVE + (nanos >> shift) as usize
}

fn middle_ns(index: usize) -> f64 {
    if index < PER_OCTAVE {
        return index as f64;
    }
    let shift = index / PER_OCTAVE - 1;
    let low = ((PER_OCTAVE + index % PER_OCTAVE) as u64) << shift;
    low as f64 + ((1u64 << shift) as f64) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_back_within_five_percent() {
        let mut nanos = 20u64;
        while nanos < 1 << 45 {
            let mut histogram = Histogram::new();
            histogram.record(Duration::from_nanos(nanos));
            let error = (histogram.quantile_ms(0.5) * 1e6 / nanos as f64 - 1.0).abs();
            assert!(error <= 0.05, "{nanos} ns is off by {error}");
            nanos += nanos / 7 + 1;
        }
    }

    #[test]
    fn quantiles_come_from_the_order_of_the_values() {
        let mut histogram = Histogram::new();
        for ms in 1..=100 {
            histogram.record(Duration::from_millis(ms));
        }
        for (q, ms) in [(0.5, 50.0), (0.95, 95.0), (0.99, 99.0)] {
            let read = histogram.quantile_ms(q);
            assert!((read / ms - 1.0f64).abs() <= 0.05, "{q}: {read}");
        }
    }

    #[test]
    fn nothing_measured_reads_as_zero_and_the_absurd_does_not_overflow() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.quantile_ms(0.5), 0.0);
        histogram.record(Duration::MAX);
        histogram.record(Duration::ZERO);
        assert_eq!(histogram.quantile_ms(0.5), 0.0);
    }
}
