//! Whether the service is left alone for a while: *closed*, *open*, or *half-open* while probes find out.
//!
//! What must stay true:
//! 1. `out + succeeded <= probes` while half-open: a probe is reserved when it enters, and each reservation ends as a
//!    success, as a failure, or is given back.
//! 2. A pass of an earlier generation says nothing: it began before the present state did.

use std::time::Duration;

use tokio::time::Instant;

use super::{BreakerFigures, BreakerState, Class, Sent, Verdict, backoff, config::Breaker};

/// What an outcome says to the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Success,
    Failure,
    Nothing,
}

impl Mark {
    pub(super) fn of(verdict: &Verdict) -> Self {
        match verdict.class {
            Class::Ok => Self::Success,
            Class::Fatal if verdict.sent == Sent::Answered => Self::Success,
            Class::Transient | Class::Overload | Class::NeverSent | Class::Timeout => Self::Failure,
            Class::Fatal | Class::Throttled | Class::Rejected | Class::Cancelled => Self::Nothing,
        }
    }
}

/// Whether an attempt may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    Free,
    /// Not before then; `None`: not before it is closed by hand.
    From(Option<Instant>),
    /// Not before a probe has ended.
    AfterProbe,
}

/// What an attempt that passed the breaker holds of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passed {
    generation: u64,
    probe: bool,
}

impl Passed {
    pub(super) fn is_probe(self) -> bool {
        self.probe
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Closed,
    Open { until: Option<Instant> },
    HalfOpen { out: u32, succeeded: u32 },
}

#[derive(Debug)]
pub(super) struct BreakerWatch {
    rules: Breaker,
    phase: Phase,
    generation: u64,
    window: Window,
    /// Failures with no success between them.
    row: u32,
    /// Since when it has not been closed, and how many times it opened since.
    broken: Option<Instant>,
    rounds: u32,
    opened: u64,
    pub(super) refused: u64,
}

impl BreakerWatch {
    pub(super) fn new(rules: Breaker) -> Self {
        Self {
            window: Window::new(rules.window),
            rules,
            phase: Phase::Closed,
            generation: 0,
            row: 0,
            broken: None,
            rounds: 0,
            opened: 0,
            refused: 0,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Since when it has not been closed.
    pub(super) fn broken_since(&self) -> Option<Instant> {
        self.broken
    }

    pub(super) fn passage(&self, now: Instant) -> Passage {
        match self.phase {
            Phase::Closed => Passage::Free,
            Phase::Open { until } if until.is_none_or(|until| now < until) => Passage::From(until),
            Phase::Open { .. } => Passage::Free,
            Phase::HalfOpen { out, succeeded } if out + succeeded < self.rules.probes => {
                Passage::Free
            }
            Phase::HalfOpen { .. } => Passage::AfterProbe,
        }
    }

    /// Lets an attempt through. Only when [`passage`](Self::passage) says [`Passage::Free`].
    pub(super) fn pass(&mut self) -> Passed {
        if let Phase::Open { .. } = self.phase {
            self.enter(Phase::HalfOpen {
                out: 0,
                succeeded: 0,
            });
        }
        let probe = if let Phase::HalfOpen { out, .. } = &mut self.phase {
            *out += 1;
            true
        } else {
            false
        };
        Passed {
            generation: self.generation,
            probe,
        }
    }

    /// The attempt ended.
    pub(super) fn record(
        &mut self,
        passed: Passed,
        mark: Mark,
        took: Duration,
        now: Instant,
        rng: &mut fastrand::Rng,
    ) {
        if mark == Mark::Nothing || passed.generation != self.generation {
            self.give_back(passed);
            return;
        }
        let failed = mark == Mark::Failure;
        let slow = self.rules.slow.is_some_and(|slow| took > slow.after);
        match &mut self.phase {
            Phase::Closed => {
                self.window.add(failed, slow, now);
                self.row = if failed {
                    self.row.saturating_add(1)
                } else {
                    0
                };
                if self.trips() {
                    self.open(now, rng);
                }
            }
            Phase::HalfOpen { .. } if failed || slow => self.open(now, rng),
            Phase::HalfOpen { out, succeeded } => {
                *out -= 1;
                *succeeded += 1;
                if *succeeded == self.rules.probes {
                    self.close();
                }
            }
            Phase::Open { .. } => {}
        }
    }

    /// The attempt ended, and that says nothing about the service.
    pub(super) fn give_back(&mut self, passed: Passed) {
        if let Phase::HalfOpen { out, .. } = &mut self.phase
            && passed.probe
            && passed.generation == self.generation
        {
            *out -= 1;
        }
    }

    /// Opens it by hand.
    pub(super) fn open_until(&mut self, until: Option<Instant>, now: Instant) {
        self.broken.get_or_insert(now);
        self.opened += 1;
        self.enter(Phase::Open { until });
    }

    /// Closes it, by hand or since the probes succeeded.
    pub(super) fn close(&mut self) {
        self.broken = None;
        self.rounds = 0;
        self.row = 0;
        self.window.clear();
        self.enter(Phase::Closed);
    }

    pub(super) fn figures(&self, now: Instant) -> BreakerFigures {
        let seen = self.window.seen(now);
        let share = |part: u32| f64::from(part) / f64::from(seen.calls.max(1));
        BreakerFigures {
            state: match self.phase {
                Phase::Closed => BreakerState::Closed,
                Phase::Open { until } => BreakerState::Open { until },
                Phase::HalfOpen { out, succeeded } => BreakerState::HalfOpen { out, succeeded },
            },
            opened: self.opened,
            refused: self.refused,
            failure_ratio: share(seen.failed),
            slow_ratio: share(seen.slow),
        }
    }

    fn trips(&self) -> bool {
        if self.rules.consecutive.is_some_and(|most| self.row >= most) {
            return true;
        }
        let seen = self.window.total;
        if seen.calls < self.rules.min_calls {
            return false;
        }
        let reached = |part: u32, ratio: f64| f64::from(part) >= ratio * f64::from(seen.calls);
        let slow = self.rules.slow;
        reached(seen.failed, self.rules.failure_ratio)
            || slow.is_some_and(|slow| reached(seen.slow, slow.ratio))
    }

    fn open(&mut self, now: Instant, rng: &mut fastrand::Rng) {
        let (base, cap) = (self.rules.open_for, self.rules.open_cap);
        let delay = backoff::half_jitter(rng, base, cap, self.rounds);
        self.rounds = self.rounds.saturating_add(1);
        // A delay that the clock cannot hold is one for ever.
        self.open_until(now.checked_add(delay), now);
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.generation += 1;
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    calls: u32,
    failed: u32,
    slow: u32,
}

const SLICES: u64 = 10;

/// The latest outcomes, forgotten a tenth of the window at a time.
#[derive(Debug)]
struct Window {
    slices: [Seen; SLICES as usize],
    total: Seen,
    slice: Duration,
    /// When the first slice began, and the number of the present one.
    origin: Option<Instant>,
    at: u64,
}

impl Window {
    fn new(length: Duration) -> Self {
        Self {
            slices: [Seen::default(); SLICES as usize],
            total: Seen::default(),
            slice: (length / SLICES as u32).max(Duration::from_nanos(1)),
            origin: None,
            at: 0,
        }
    }

    fn clear(&mut self) {
        self.slices = Default::default();
        self.total = Seen::default();
    }

    fn add(&mut self, failed: bool, slow: bool, now: Instant) {
        self.origin.get_or_insert(now);
        let at = self.number(now);
        // Time that went by while nothing was added empties at most every slice once.
        for number in (self.at + 1..=at).rev().take(SLICES as usize) {
            let old = std::mem::take(&mut self.slices[(number % SLICES) as usize]);
            self.total.calls -= old.calls;
            self.total.failed -= old.failed;
            self.total.slow -= old.slow;
        }
        self.at = self.at.max(at);
        let slice = &mut self.slices[(self.at % SLICES) as usize];
        for seen in [slice, &mut self.total] {
            seen.calls += 1;
            seen.failed += u32::from(failed);
            seen.slow += u32::from(slow);
        }
    }

    /// What of it is not too old by now.
    fn seen(&self, now: Instant) -> Seen {
        let gone = self.number(now).saturating_sub(self.at);
        let mut seen = self.total;
        for number in (1..=gone.min(SLICES)).map(|ahead| self.at + ahead) {
            let old = self.slices[(number % SLICES) as usize];
            seen.calls -= old.calls;
            seen.failed -= old.failed;
            seen.slow -= old.slow;
        }
        seen
    }

    fn number(&self, now: Instant) -> u64 {
        let since = self.origin.map_or(Duration::ZERO, |origin| {
            now.saturating_duration_since(origin)
        });
        u64::try_from(since.as_nanos() / self.slice.as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    struct Subject {
        watch: BreakerWatch,
        rng: fastrand::Rng,
        now: Instant,
    }

    fn subject(rules: Breaker) -> Subject {
        Subject {
            watch: BreakerWatch::new(rules),
            rng: fastrand::Rng::with_seed(3),
            now: Instant::now(),
        }
    }

    impl Subject {
        fn record(&mut self, passed: Passed, mark: Mark) {
            self.watch
                .record(passed, mark, SECOND / 100, self.now, &mut self.rng);
        }

        fn attempts(&mut self, n: u32, mark: Mark) {
            for _ in 0..n {
                assert_eq!(self.watch.passage(self.now), Passage::Free);
                let passed = self.watch.pass();
                self.record(passed, mark);
            }
        }

        /// Goes to the end of the time for which it is open.
        fn wait(&mut self) {
            if let Passage::From(Some(until)) = self.watch.passage(self.now) {
                self.now = until;
            }
        }
    }

    #[test]
    fn it_opens_when_half_of_enough_attempts_failed_and_not_before() {
        let mut it = subject(Breaker {
            consecutive: None,
            ..Breaker::default()
        });
        it.attempts(9, Mark::Failure);
        it.attempts(10, Mark::Success);
        assert!(it.watch.is_closed());
        it.attempts(1, Mark::Failure);
        assert!(!it.watch.is_closed());
    }

    #[test]
    fn old_outcomes_are_forgotten() {
        let mut it = subject(Breaker {
            consecutive: None,
            ..Breaker::default()
        });
        it.attempts(19, Mark::Failure);
        it.now += 10 * SECOND;
        it.attempts(1, Mark::Failure);
        assert!(it.watch.is_closed());
        assert_eq!(it.watch.figures(it.now).failure_ratio, 1.0);
        it.now += 11 * SECOND;
        assert_eq!(it.watch.figures(it.now).failure_ratio, 0.0);
    }

    #[test]
    fn failures_in_a_row_open_it_however_seldom_they_come() {
        let mut it = subject(Breaker::default());
        for _ in 0..10 {
            assert!(it.watch.is_closed());
            it.attempts(1, Mark::Failure);
            it.now += 60 * SECOND;
        }
        assert!(!it.watch.is_closed());
    }

    #[test]
    fn a_failed_probing_doubles_the_wait_and_a_success_closes_it() {
        let mut it = subject(Breaker::default());
        it.attempts(10, Mark::Failure);
        for most in [5, 10, 20, 40, 60, 60] {
            let opened = it.now;
            it.wait();
            let waited = it.now - opened;
            assert!(waited <= most * SECOND && waited >= most * SECOND / 2);
            it.attempts(1, Mark::Failure);
        }
        it.wait();
        it.attempts(1, Mark::Success);
        assert!(it.watch.is_closed());
        assert_eq!(it.watch.figures(it.now).opened, 7);
    }

    #[test]
    fn no_more_probes_are_out_than_allowed_and_each_is_given_back() {
        let mut it = subject(Breaker {
            probes: 2,
            ..Breaker::default()
        });
        it.attempts(10, Mark::Failure);
        it.wait();
        let [first, second] = [it.watch.pass(), it.watch.pass()];
        assert_eq!(it.watch.passage(it.now), Passage::AfterProbe);
        it.watch.give_back(first);
        let third = it.watch.pass();
        it.record(second, Mark::Success);
        assert_eq!(it.watch.passage(it.now), Passage::AfterProbe);
        it.record(third, Mark::Nothing);
        it.attempts(1, Mark::Success);
        assert!(it.watch.is_closed());
    }

    #[test]
    fn what_began_before_it_opened_says_nothing_afterwards() {
        let mut it = subject(Breaker::default());
        let early = [it.watch.pass(), it.watch.pass()];
        it.attempts(10, Mark::Failure);
        it.wait();
        let probe = it.watch.pass();
        it.record(early[0], Mark::Failure);
        it.record(early[1], Mark::Success);
        assert_eq!(it.watch.passage(it.now), Passage::AfterProbe);
        it.record(probe, Mark::Success);
        assert!(it.watch.is_closed());
    }

    #[test]
    fn slow_answers_open_it_if_asked_for() {
        let mut it = subject(Breaker {
            slow: Some(super::super::Slow {
                after: SECOND / 1000,
                ratio: 0.9,
            }),
            ..Breaker::default()
        });
        it.attempts(20, Mark::Success);
        assert!(!it.watch.is_closed());
    }

    #[test]
    fn opened_by_hand_it_stays_open_until_it_is_closed_by_hand() {
        let mut it = subject(Breaker::default());
        it.watch.open_until(None, it.now);
        it.now += 1_000_000 * SECOND;
        assert_eq!(it.watch.passage(it.now), Passage::From(None));
        it.watch.close();
        it.attempts(1, Mark::Success);
    }
}
