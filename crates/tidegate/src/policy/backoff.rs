//! How long to wait before the next try.

use std::time::Duration;

/// `base × 2^step`, at most `cap`.
fn ceiling(base: Duration, cap: Duration, step: u32) -> Duration {
    base.saturating_mul(1u32.checked_shl(step).unwrap_or(u32::MAX))
        .min(cap)
}

/// A delay between zero and the ceiling of this step: spreads callers as widely as possible.
pub(super) fn full_jitter(
    rng: &mut fastrand::Rng,
    base: Duration,
    cap: Duration,
    step: u32,
) -> Duration {
    up_to(rng, ceiling(base, cap, step))
}

/// A delay between half and all of the ceiling of this step: for a single prober, who needs no spreading but a minimum.
pub(super) fn half_jitter(
    rng: &mut fastrand::Rng,
    base: Duration,
    cap: Duration,
    step: u32,
) -> Duration {
    let half = ceiling(base, cap, step) / 2;
    half + up_to(rng, half)
}

fn up_to(rng: &mut fastrand::Rng, most: Duration) -> Duration {
    let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(rng.u64(0..=nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Duration = Duration::from_millis(50);
    const CAP: Duration = Duration::from_secs(20);

    #[test]
    fn the_ceiling_doubles_up_to_the_cap_and_does_not_overflow() {
        assert_eq!(ceiling(BASE, CAP, 0), BASE);
        assert_eq!(ceiling(BASE, CAP, 3), BASE * 8);
        assert_eq!(ceiling(BASE, CAP, 40), CAP);
        assert_eq!(ceiling(Duration::MAX, CAP, 31), CAP);
    }

    /// The vectors of the AWS SDK for Rust (smithy-rs 09ae416, `retries/strategy/standard.rs`), in milliseconds.
    #[test]
    fn the_ceiling_is_that_of_aws() {
        for (base, step, expected) in [
            (1_000, 0, 1_000),
            (1_000, 1, 2_000),
            (1_000, 2, 4_000),
            (3_000, 0, 3_000),
            (3_000, 1, 6_000),
            (3_000, 2, 12_000),
            (30, 0, 30),
            (30, 1, 60),
            (30, 2, 120),
            (1_000, 32, 20_000),
            (10_000, 100_000, 20_000),
        ] {
            let ceiling = ceiling(Duration::from_millis(base), CAP, step);
            assert_eq!(ceiling, Duration::from_millis(expected), "{base} {step}");
        }
    }

    /// By the test of Kolmogorov and Smirnov: even spreading exceeds this distance once in 10,000 seeds.
    fn is_even(mut delays: Vec<Duration>, least: Duration, most: Duration) -> bool {
        delays.sort();
        let count = delays.len() as f64;
        let distance = delays.iter().enumerate().map(|(i, delay)| {
            let share = (*delay - least).div_duration_f64(most - least);
            (share - i as f64 / count)
                .abs()
                .max((share - (i + 1) as f64 / count).abs())
        });
        distance.fold(0.0, f64::max) <= 2.23 / count.sqrt()
    }

    #[test]
    fn jitter_is_spread_evenly_between_its_bounds() {
        let mut rng = fastrand::Rng::with_seed(1);
        for step in [0, 1, 5, 9, 40] {
            let most = ceiling(BASE, CAP, step);
            let mut draw = |jitter: fn(&mut _, _, _, _) -> _| {
                (0..10_000)
                    .map(|_| jitter(&mut rng, BASE, CAP, step))
                    .collect::<Vec<Duration>>()
            };
            let (full, half) = (draw(full_jitter), draw(half_jitter));
            assert!(is_even(full.clone(), Duration::ZERO, most), "{step}");
            assert!(is_even(half, most / 2, most), "{step}");
            assert!(!is_even(full, Duration::ZERO, most.mul_f64(1.1)), "{step}");
        }
    }

    #[test]
    fn jitter_stays_within_its_bounds() {
        let mut rng = fastrand::Rng::with_seed(1);
        for step in 0..12 {
            let most = ceiling(BASE, CAP, step);
            assert!(full_jitter(&mut rng, BASE, CAP, step) <= most);
            let half = half_jitter(&mut rng, BASE, CAP, step);
            assert!(half >= most / 2 && half <= most);
        }
    }
}
