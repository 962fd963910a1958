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
