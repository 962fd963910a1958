//! Against governor: the same attempts are let through at the same instants.
//!
//! Both tolerate a sender who comes late by `burst - 1` intervals; a policy never by less than 5 ms, so that a timer that
//! fires late costs no throughput. Hence, with `late` the whole intervals in 5 ms:
//!
//! | setting | a policy lets through |
//! |---|---|
//! | `burst - 1` intervals are 5 ms or more | what governor does |
//! | they are less, and 5 ms are `late` intervals exactly | what governor does with a burst of `late + 1` |
//! | they are less, and 5 ms lie between | at any time no less than with `late + 1`, and no more than with `late + 2` |

use std::{num::NonZeroU32, time::Duration};

use governor::{Quota, RateLimiter, clock::FakeRelativeClock};
use tidegate::policy::{Op, Policy, Queue};
use tokio::time::advance;

use super::Failed;

const LEAST_TOLERANCE: Duration = Duration::from_millis(5);

/// A rate, and when how many ask for it.
#[derive(Debug)]
pub(crate) struct History {
    per_second: u32,
    burst: u32,
    asked: Vec<(Duration, u32)>,
}

/// What to compare a rate with.
#[derive(Debug, PartialEq)]
enum Rival {
    Same { burst: u32 },
    Between { least: u32, most: u32 },
}

impl History {
    pub(crate) fn random(rng: &mut fastrand::Rng) -> Self {
        let divides_5_ms = [200, 400, 1_000, 2_000, 5_000];
        let per_second = match rng.u8(0..3) {
            0 => divides_5_ms[rng.usize(..divides_5_ms.len())],
            1 => rng.u32(1..=20),
            _ => rng.u32(1..=5_000),
        };
        let burst = rng.u32(1..=8);
        let interval = interval(per_second).as_nanos() as u64;
        let asked = (0..rng.usize(50..400)).map(|_| {
            let pause = match rng.u8(0..8) {
                0 => interval * rng.u64(0..20),
                1 => interval,
                2 => 0,
                _ => rng.u64(0..=interval + interval / 4),
            };
            (Duration::from_nanos(pause), rng.u32(1..=3))
        });
        Self {
            per_second,
            burst,
            asked: asked.collect(),
        }
    }

    fn rival(&self) -> Rival {
        let interval = interval(self.per_second);
        if interval * (self.burst - 1) >= LEAST_TOLERANCE {
            return Rival::Same { burst: self.burst };
        }
        let late = (LEAST_TOLERANCE.as_nanos() / interval.as_nanos()) as u32;
        if interval * late == LEAST_TOLERANCE {
            Rival::Same { burst: late + 1 }
        } else {
            Rival::Between {
                least: late + 1,
                most: late + 2,
            }
        }
    }

    /// How many of the attempts a policy and governor do not treat alike. In virtual time.
    pub(crate) async fn differing(&self) -> usize {
        self.differing_from(self.rival()).await
    }

    async fn differing_from(&self, rival: Rival) -> usize {
        let policy = Policy::named("rate")
            .rate(f64::from(self.per_second))
            .burst(self.burst)
            .queue(Queue::none())
            .build()
            .expect("any of these rates is allowed");
        let clock = FakeRelativeClock::default();
        let governor = |burst| governor(self.per_second, burst, &clock);
        let (below, above) = match rival {
            Rival::Same { burst } => (governor(burst), None),
            Rival::Between { least, most } => (governor(least), Some(governor(most))),
        };
        let (mut ours, mut least, mut most, mut differing) = (0, 0, 0, 0);
        for (pause, askers) in &self.asked {
            advance(*pause).await;
            clock.advance(*pause);
            for _ in 0..*askers {
                let is_let_through = lets_through(&policy).await;
                let by_governor = below();
                ours += u32::from(is_let_through);
                least += u32::from(by_governor);
                let differs = match &above {
                    None => is_let_through != by_governor,
                    Some(above) => {
                        most += u32::from(above());
                        ours < least || ours > most
                    }
                };
                differing += usize::from(differs);
            }
        }
        differing
    }
}

async fn lets_through(policy: &Policy) -> bool {
    let nothing = async |_| Ok::<_, Failed>(());
    policy.call(Op::idempotent(), nothing).await.is_ok()
}

fn governor(per_second: u32, burst: u32, clock: &FakeRelativeClock) -> impl Fn() -> bool + use<> {
    let quota = Quota::with_period(interval(per_second)).expect("no interval is zero");
    let burst = NonZeroU32::new(burst).expect("no burst is zero");
    let limiter = RateLimiter::direct_with_clock(quota.allow_burst(burst), clock.clone());
    move || limiter.check().is_ok()
}

/// Rounded up, as a policy does: its rate is never exceeded.
fn interval(per_second: u32) -> Duration {
    Duration::from_nanos(1_000_000_000_u64.div_ceil(u64::from(per_second)))
}

#[tokio::test(start_paused = true)]
async fn a_rate_lets_through_what_governor_does() {
    let mut rng = fastrand::Rng::with_seed(19);
    let mut settings = [0, 0];
    for _ in 0..300 {
        let history = History::random(&mut rng);
        settings[usize::from(matches!(history.rival(), Rival::Same { .. }))] += 1;
        assert_eq!(history.differing().await, 0, "{history:?}");
    }
    assert!(settings.iter().all(|count| *count > 50), "{settings:?}");
}

#[test]
fn the_tolerance_of_5_ms_is_a_burst_where_intervals_fit() {
    let rival = |per_second, burst| {
        let asked = Vec::new();
        History {
            per_second,
            burst,
            asked,
        }
        .rival()
    };
    assert_eq!(rival(10, 1), Rival::Between { least: 1, most: 2 });
    assert_eq!(rival(10, 2), Rival::Same { burst: 2 });
    assert_eq!(rival(200, 1), Rival::Same { burst: 2 });
    assert_eq!(rival(1_000, 3), Rival::Same { burst: 6 });
    assert_eq!(rival(1_000, 7), Rival::Same { burst: 7 });
    assert_eq!(rival(300, 1), Rival::Between { least: 2, most: 3 });
}

#[tokio::test(start_paused = true)]
async fn governor_with_another_burst_differs() {
    let asked = vec![(Duration::ZERO, 4), (Duration::from_secs(1), 4)];
    let (per_second, burst) = (10, 3);
    let history = History {
        per_second,
        burst,
        asked,
    };
    for other in [2, 4] {
        let differing = history.differing_from(Rival::Same { burst: other });
        assert_eq!(differing.await, 2);
    }
    let (least, most) = (1, 2);
    assert_ne!(
        history.differing_from(Rival::Between { least, most }).await,
        0
    );
}
