//! Whether the service answers at all: *up*, or *down* until one probe proves the contrary.

use std::time::Duration;

use tokio::time::Instant;

use super::{Class, Sent, Verdict, backoff, call::after, config::Outage};

/// What an outcome says about the service, whoever asked and whatever for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Alive,
    /// The service cannot be reached, or says that it cannot cope. No request can be to blame for that.
    Failure,
    /// A timeout, a broken connection or a 5xx answer. This one request may be to blame, so it counts once per call and
    /// not by time: a record that nobody can serve must end dead, not stop everything.
    Doubt,
    None,
}

impl Sign {
    pub(super) fn of(verdict: &Verdict) -> Self {
        match verdict.class {
            Class::Ok | Class::Throttled => Self::Alive,
            Class::Fatal if verdict.sent == Sent::Answered => Self::Alive,
            Class::Overload | Class::NeverSent => Self::Failure,
            Class::Transient | Class::Timeout if verdict.sent == Sent::No => Self::Failure,
            Class::Transient | Class::Timeout => Self::Doubt,
            Class::Fatal | Class::Rejected | Class::Cancelled => Self::None,
        }
    }

    pub(super) fn is_failure(self) -> bool {
        matches!(self, Self::Failure | Self::Doubt)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Down {
    pub(super) since: Instant,
    pub(super) class: Class,
    pub(super) probe_at: Instant,
    probes: u32,
    /// Some attempts still succeed, but too few to pay for the others; only a probe ends this.
    dry: bool,
}

/// Failures with no sign of life between them.
#[derive(Debug, Default)]
struct Row {
    failures: u32,
    /// Those for which no request can be to blame, and when the first of them ended.
    plain: u32,
    since: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct HealthWatch {
    rules: Outage,
    row: Row,
    down: Option<Down>,
}

impl HealthWatch {
    pub(super) fn new(rules: Outage) -> Self {
        Self {
            rules,
            row: Row::default(),
            down: None,
        }
    }

    pub(super) fn down(&self) -> Option<&Down> {
        self.down.as_ref()
    }

    pub(super) fn patience(&self) -> Option<Duration> {
        self.rules.patience
    }

    pub(super) fn alive(&mut self, probe: bool) {
        self.row = Row::default();
        if probe || self.down.is_some_and(|down| !down.dry) {
            self.down = None;
        }
    }

    /// Counts a failed attempt. `counted`: a doubtful failure of the same call was counted before.
    pub(super) fn failed(
        &mut self,
        now: Instant,
        class: Class,
        sign: Sign,
        counted: bool,
        rng: &mut fastrand::Rng,
    ) {
        if let Some(down) = &mut self.down {
            down.class = class;
            return;
        }
        if sign == Sign::Failure {
            self.row.plain = self.row.plain.saturating_add(1);
            self.row.since.get_or_insert(now);
        } else if counted {
            return;
        }
        self.row.failures = self.row.failures.saturating_add(1);
        let long = self
            .row
            .since
            .is_some_and(|since| now - since >= self.rules.window);
        // The window must lie between two failures; one that took long is no outage.
        if self.row.failures >= self.rules.failures || (long && self.row.plain >= 2) {
            self.go_down(now, class, false, rng);
        }
    }

    /// The retry budget is empty: from here on one probe at a time.
    pub(super) fn run_dry(&mut self, now: Instant, class: Class, rng: &mut fastrand::Rng) {
        self.go_down(now, class, true, rng);
    }

    fn go_down(&mut self, now: Instant, class: Class, dry: bool, rng: &mut fastrand::Rng) {
        let first = backoff::half_jitter(rng, self.rules.probe_base, self.rules.probe_cap, 0);
        self.down.get_or_insert(Down {
            since: now,
            class,
            probe_at: after(now, first),
            probes: 0,
            dry,
        });
    }

    /// A probe failed: the next one waits longer.
    pub(super) fn probe_failed(&mut self, now: Instant, rng: &mut fastrand::Rng) {
        if let Some(down) = &mut self.down {
            down.probes = down.probes.saturating_add(1);
            let Outage {
                probe_base,
                probe_cap,
                ..
            } = self.rules;
            down.probe_at = after(
                now,
                backoff::half_jitter(rng, probe_base, probe_cap, down.probes),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> (HealthWatch, fastrand::Rng, Instant) {
        (
            HealthWatch::new(Outage::default()),
            fastrand::Rng::with_seed(7),
            Instant::now(),
        )
    }

    #[test]
    fn five_failures_in_a_row_are_an_outage_and_four_are_not() {
        let (mut health, mut rng, now) = watch();
        for _ in 0..4 {
            health.failed(now, Class::NeverSent, Sign::Failure, false, &mut rng);
        }
        assert!(health.down().is_none());
        health.alive(false);
        for _ in 0..4 {
            health.failed(now, Class::NeverSent, Sign::Failure, false, &mut rng);
        }
        assert!(health.down().is_none());
        health.failed(now, Class::Overload, Sign::Failure, false, &mut rng);
        assert_eq!(health.down().map(|down| down.class), Some(Class::Overload));
    }

    #[test]
    fn two_failures_two_seconds_apart_are_an_outage_and_one_long_failure_is_not() {
        let (mut health, mut rng, now) = watch();
        health.failed(
            now + Duration::from_secs(30),
            Class::NeverSent,
            Sign::Failure,
            false,
            &mut rng,
        );
        assert!(health.down().is_none());
        health.failed(
            now + Duration::from_secs(32),
            Class::NeverSent,
            Sign::Failure,
            false,
            &mut rng,
        );
        assert!(health.down().is_some());
    }

    #[test]
    fn one_request_that_nobody_can_serve_is_no_outage() {
        let (mut health, mut rng, now) = watch();
        for second in 0..100 {
            let at = now + Duration::from_secs(second);
            health.failed(at, Class::Transient, Sign::Doubt, second > 0, &mut rng);
        }
        assert!(health.down().is_none());
        for _ in 0..4 {
            health.failed(now, Class::Transient, Sign::Doubt, false, &mut rng);
        }
        assert!(health.down().is_some());
    }

    #[test]
    fn probes_back_off_to_the_cap() {
        let (mut health, mut rng, mut now) = watch();
        health.go_down(now, Class::NeverSent, false, &mut rng);
        let mut delays = Vec::new();
        for _ in 0..12 {
            let down = *health.down().expect("it is down");
            delays.push(down.probe_at - now);
            now = down.probe_at;
            health.probe_failed(now, &mut rng);
        }
        assert!(delays[0] <= Duration::from_millis(100));
        assert!(
            delays[11] >= Duration::from_secs(10) && delays[11] <= Duration::from_secs(20),
            "{delays:?}"
        );
    }

    #[test]
    fn an_answer_that_is_no_outage_is_a_sign_of_life() {
        for verdict in [Verdict::ok(), Verdict::fatal(), Verdict::throttled()] {
            assert_eq!(Sign::of(&verdict), Sign::Alive);
        }
        let bad_certificate = Verdict::fatal().sent(Sent::No);
        for verdict in [Verdict::rejected(), Verdict::cancelled(), bad_certificate] {
            assert_eq!(Sign::of(&verdict), Sign::None);
        }
    }
}
