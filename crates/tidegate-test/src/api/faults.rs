//! What goes wrong with a request: a function of seed, path and attempt, so that a run can be repeated.

use std::time::Duration;

/// How often each thing goes wrong: shares between 0 and 1.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    pub(super) seed: u64,
    pub(super) unavailable: f64,
    pub(super) throttled: f64,
    pub(super) hangs: f64,
    pub(super) gone: f64,
    pub(super) latency: (Duration, Duration),
}

/// What to do with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    Unavailable,
    Throttled,
    Hang,
    Gone,
}

/// Keeps the draws of one request apart.
const DRAW_GONE: u64 = 1;
const DRAW_FAULT: u64 = 2;
const DRAW_LATENCY: u64 = 3;

impl Faults {
    /// Whether a decision needs the number of the attempt.
    pub(super) fn count_attempts(&self) -> bool {
        self.unavailable + self.throttled + self.hangs > 0.0
    }

    /// Decides about attempt number `attempt` at `path`, whose last segment is `id`.
    ///
    /// An id that is gone is gone on every path and for ever. `more` raises the share of 503.
    pub(super) fn decide(&self, path: &str, id: Option<&str>, attempt: u32, more: f64) -> Fault {
        if self.gone > 0.0 && id.is_some_and(|id| self.draw(id, 0, DRAW_GONE) < self.gone) {
            return Fault::Gone;
        }
        if !self.count_attempts() && more == 0.0 {
            return Fault::None;
        }
        let drawn = self.draw(path, attempt, DRAW_FAULT);
        let mut bound = 0.0;
        for (share, fault) in [
            (self.hangs, Fault::Hang),
            (self.throttled, Fault::Throttled),
            (self.unavailable + more, Fault::Unavailable),
        ] {
            bound += share;
            if drawn < bound {
                return fault;
            }
        }
        Fault::None
    }

    /// How long attempt number `attempt` at `path` takes.
    pub(super) fn latency(&self, path: &str, attempt: u32) -> Duration {
        let (min, max) = self.latency;
        if min == max {
            return min;
        }
        min + (max - min).mul_f64(self.draw(path, attempt, DRAW_LATENCY))
    }

    /// An even draw from 0 up to 1.
    fn draw(&self, text: &str, attempt: u32, which: u64) -> f64 {
        let mixed = mix(self.seed ^ mix(which << 32 | u64::from(attempt)) ^ hash(text));
        // 53 bits are what an f64 holds exactly.
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// FNV-1a, finished by [`mix`]. Written out since the draws must not change with a compiler or a crate.
pub(super) fn hash(text: &str) -> u64 {
    let fnv = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    mix(fnv)
}

/// The finisher of SplitMix64: neighbours become strangers.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults() -> Faults {
        Faults {
            seed: 7,
            unavailable: 0.05,
            throttled: 0.02,
            hangs: 0.01,
            gone: 0.01,
            ..Faults::default()
        }
    }

    #[test]
    fn shares_come_out_as_asked() {
        let faults = faults();
        let count = |wanted: Fault| {
            let decide =
                |id: u32| faults.decide(&format!("/users/{id}"), Some(&id.to_string()), 0, 0.0);
            (0..100_000).filter(|id| decide(*id) == wanted).count()
        };
        assert!((4_500..5_500).contains(&count(Fault::Unavailable)));
        assert!((1_750..2_250).contains(&count(Fault::Throttled)));
        assert!((850..1_150).contains(&count(Fault::Hang)));
        assert!((850..1_150).contains(&count(Fault::Gone)));
    }

    #[test]
    fn the_same_attempt_always_fares_the_same_and_the_next_one_anew() {
        let faults = faults();
        let at = |id: u32, attempt| faults.decide(&format!("/users/{id}"), None, attempt, 0.0);
        assert!((0..1_000).all(|id| at(id, 0) == at(id, 0)));
        assert!((0..1_000).any(|id| at(id, 0) == Fault::Unavailable && at(id, 1) == Fault::None));
    }

    #[test]
    fn latency_stays_within_its_bounds() {
        let (min, max) = (Duration::from_millis(5), Duration::from_millis(9));
        let faults = Faults {
            latency: (min, max),
            ..faults()
        };
        let drawn: Vec<_> = (0..1_000)
            .map(|attempt| faults.latency("/users/1", attempt))
            .collect();
        assert!(drawn.iter().all(|latency| (min..max).contains(latency)));
        assert!(
            drawn
                .iter()
                .any(|latency| *latency > Duration::from_millis(8))
        );
    }
}
