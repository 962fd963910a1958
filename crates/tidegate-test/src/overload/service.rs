//! The simulated service: how many it serves at once, how long that takes, and what it does with the rest.

use fastrand::Rng;
use std::{f64::consts::TAU, time::Duration};

/// A service with so many workers, each of which serves one request at a time; the others wait, oldest first.
///
/// It does not hear that a client has given up: the request is served all the same, and that work is wasted.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    pub(super) workers: usize,
    pub(super) time: ServiceTime,
    pub(super) room: Option<usize>,
    pub(super) drops_expired: bool,
    pub(super) stops: bool,
}

impl Service {
    /// A service that serves `count` requests at once, each in a time drawn from `time`, with a queue without an end.
    ///
    /// # Panics
    ///
    /// If there are no workers.
    #[track_caller]
    pub fn workers(count: usize, time: ServiceTime) -> Self {
        assert!(count > 0, "a service without workers never answers");
        Self {
            workers: count,
            time,
            room: None,
            drops_expired: false,
            stops: false,
        }
    }

    /// A service in which no request waits for another.
    pub fn unlimited(time: ServiceTime) -> Self {
        Self::workers(usize::MAX, time)
    }

    /// At most so many wait; more are answered as overloaded, which takes 1 ms.
    #[must_use]
    pub fn queue(self, room: usize) -> Self {
        Self {
            room: Some(room),
            ..self
        }
    }

    /// What is overdue when its turn comes is not served: see [`Client::request_by`](super::Client::request_by).
    #[must_use]
    pub fn drop_expired(self) -> Self {
        Self {
            drops_expired: true,
            ..self
        }
    }

    /// What a client has given up is not served, or not to its end: the best that a connection closed early can do.
    #[must_use]
    pub fn stop_given_up(self) -> Self {
        Self {
            stops: true,
            ..self
        }
    }
}

/// How long one request takes a worker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ServiceTime {
    shape: Shape,
    stragglers: Stragglers,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    Fixed(Duration),
    Exponential { mean: Duration },
    LogNormal { median: Duration, sigma: f64 },
}

impl ServiceTime {
    /// Always the same.
    pub const fn fixed(time: Duration) -> Self {
        Self::of(Shape::Fixed(time))
    }

    /// Exponential, as in the textbooks of queues: many short ones, few long ones.
    pub const fn exponential(mean: Duration) -> Self {
        Self::of(Shape::Exponential { mean })
    }

    /// Log-normal, as measured services are: half take no longer than `median`; `sigma` is the deviation of the logarithm
    /// (0.5: 95 % take no longer than 2.3 medians).
    ///
    /// # Panics
    ///
    /// If `sigma` is negative or not a number.
    #[track_caller]
    pub fn log_normal(median: Duration, sigma: f64) -> Self {
        assert!(
            sigma.is_finite() && sigma >= 0.0,
            "sigma is {sigma}; it must be 0 or more"
        );
        Self::of(Shape::LogNormal { median, sigma })
    }

    /// A `share` of the requests takes `factor` times as long as it would.
    ///
    /// # Panics
    ///
    /// If the share is not within 0 and 1, or the factor is not above 0.
    #[must_use]
    #[track_caller]
    pub fn with_stragglers(self, share: f64, factor: f64) -> Self {
        Self {
            stragglers: Stragglers::new(share, factor),
            ..self
        }
    }

    const fn of(shape: Shape) -> Self {
        Self {
            shape,
            stragglers: Stragglers::NONE,
        }
    }

    pub(super) fn draw(&self, rng: &mut Rng) -> Duration {
        let body = match self.shape {
            Shape::Fixed(time) => time,
            Shape::Exponential { mean } => mean.mul_f64(exponential(rng)),
            Shape::LogNormal { median, sigma } => median.mul_f64((sigma * normal(rng)).exp()),
        };
        body.mul_f64(self.stragglers.draw(rng))
    }
}

/// A share of the requests that takes longer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stragglers {
    share: f64,
    factor: f64,
}

impl Stragglers {
    const NONE: Self = Self {
        share: 0.0,
        factor: 1.0,
    };

    #[track_caller]
    pub(super) fn new(share: f64, factor: f64) -> Self {
        Self {
            share: checked_share(share),
            factor: checked_factor(factor),
        }
    }

    pub(super) fn draw(self, rng: &mut Rng) -> f64 {
        if self.share > 0.0 && rng.f64() < self.share {
            self.factor
        } else {
            1.0
        }
    }
}

#[track_caller]
pub(super) fn checked_share(share: f64) -> f64 {
    assert!(
        (0.0..=1.0).contains(&share),
        "the share is {share}; it must be from 0 to 1"
    );
    share
}

#[track_caller]
pub(super) fn checked_factor(factor: f64) -> f64 {
    assert!(
        factor.is_finite() && factor > 0.0,
        "the factor is {factor}; it must be above 0"
    );
    factor
}

/// Exponential with the mean 1.
pub(super) fn exponential(rng: &mut Rng) -> f64 {
    // 1 - [0, 1) is never 0, whose logarithm has no end.
    -(1.0 - rng.f64()).ln()
}

/// Normal with mean 0 and deviation 1 (Box and Muller).
fn normal(rng: &mut Rng) -> f64 {
    (2.0 * exponential(rng)).sqrt() * (TAU * rng.f64()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: usize = 200_000;

    fn sorted(time: ServiceTime) -> Vec<f64> {
        let mut rng = Rng::with_seed(1);
        let mut draws: Vec<f64> = (0..N).map(|_| time.draw(&mut rng).as_secs_f64()).collect();
        draws.sort_by(f64::total_cmp);
        draws
    }

    #[track_caller]
    fn about(value: f64, expected: f64) {
        assert!(
            (value / expected - 1.0).abs() < 0.02,
            "{value}, expected {expected}"
        );
    }

    #[test]
    fn an_exponential_time_has_its_mean_and_its_quantiles() {
        let draws = sorted(ServiceTime::exponential(Duration::from_millis(10)));
        about(draws.iter().sum::<f64>() / N as f64, 0.010);
        about(draws[N / 2], 0.010 * 2f64.ln());
        about(draws[N / 100 * 99], 0.010 * 100f64.ln());
    }

    #[test]
    fn a_log_normal_time_has_its_median_and_its_quantiles() {
        let draws = sorted(ServiceTime::log_normal(Duration::from_millis(10), 0.5));
        about(draws[N / 2], 0.010);
        about(draws[N / 100 * 95], 0.010 * (0.5 * 1.645_f64).exp());
    }

    #[test]
    fn stragglers_have_their_share_and_their_factor() {
        let time = ServiceTime::fixed(Duration::from_millis(10)).with_stragglers(0.02, 20.0);
        let slow = sorted(time).iter().filter(|took| **took > 0.15).count();
        assert!((3_700..4_300).contains(&slow), "{slow} of {N}");
    }
}
