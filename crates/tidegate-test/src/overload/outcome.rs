//! What a scenario has shown.

use super::{Load, client::Figures};
use std::{ops::Range, time::Duration};
use tokio::time::Instant;

/// Over how long goodput is looked at to see whether a service is back.
const WINDOW: Duration = Duration::from_secs(2);

/// In which steps it is looked for.
const STEP: Duration = Duration::from_millis(100);

/// The goodput of a service that is back, as a share of the load.
const BACK: f64 = 0.95;

/// What became of the calls, and what they cost the service. Instants count from the first call, as in the scenario.
///
/// A span may be any; [`during`](Self::during), [`after`](Self::after) and [`last`](Self::last) name the usual ones. An
/// expectation (`…_at_most`, `…_at_least`, `recovers_within`) panics with a table of the whole run when it is not met.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    load: Load,
    troubles: Vec<Range<Duration>>,
    /// When calls began, in order.
    began: Vec<Duration>,
    /// When calls ended well, in order, and how long each had taken.
    good: Vec<(Duration, Duration)>,
    failed: usize,
    /// When requests were sent, in order.
    sent: Vec<Duration>,
    most_requests: usize,
    worked: Duration,
    wasted: Duration,
}

/// One call, as it was seen.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) began: Instant,
    /// When, and whether it went well. `None`: it was dropped.
    pub(super) ended: Option<(Instant, bool)>,
}

#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) calls: Vec<Call>,
    pub(super) under_way: usize,
}

impl Outcome {
    pub(super) fn new(
        load: Load,
        troubles: Vec<Range<Duration>>,
        zero: Instant,
        service: Figures,
        calls: Vec<Call>,
    ) -> Self {
        let good = |call: &Call| match call.ended {
            Some((at, true)) => Some((at - zero, at - call.began)),
            _ => None,
        };
        let mut good: Vec<_> = calls.iter().filter_map(good).collect();
        good.sort_unstable();
        let mut requests = vec![0; calls.len()];
        for sent in &service.sent {
            requests[sent.call] += 1;
        }
        Self {
            load,
            troubles,
            failed: calls
                .iter()
                .filter(|call| matches!(call.ended, Some((_, false))))
                .count(),
            began: calls.iter().map(|call| call.began - zero).collect(),
            good,
            sent: service.sent.iter().map(|sent| sent.at - zero).collect(),
            most_requests: requests.into_iter().max().unwrap_or_default(),
            worked: service.worked,
            wasted: service.wasted,
        }
    }

    /// Calls that began.
    pub fn offered(&self) -> usize {
        self.began.len()
    }

    /// Calls that returned a value.
    pub fn good(&self) -> usize {
        self.good.len()
    }

    /// Calls that returned an error.
    pub fn failed(&self) -> usize {
        self.failed
    }

    /// Calls that had not ended when the scenario did.
    pub fn unfinished(&self) -> usize {
        self.offered() - self.good() - self.failed
    }

    /// The whole time in which calls began.
    pub fn whole(&self) -> Range<Duration> {
        Duration::ZERO..self.load.lasts
    }

    /// From the beginning of the first trouble to the end of the last; without any, nothing at the beginning.
    pub fn during(&self) -> Range<Duration> {
        let starts = self.troubles.iter().map(|span| span.start);
        let ends = self.troubles.iter().map(|span| span.end);
        starts.min().unwrap_or_default()..ends.max().unwrap_or_default()
    }

    /// From the end of the last trouble to the end of the load; without any, the whole.
    pub fn after(&self) -> Range<Duration> {
        self.during().end..self.load.lasts
    }

    /// The last part of the load.
    pub fn last(&self, length: Duration) -> Range<Duration> {
        self.load.lasts.saturating_sub(length)..self.load.lasts
    }

    /// Calls that began in a span.
    pub fn calls(&self, span: Range<Duration>) -> usize {
        within(&self.began, &span, |at| *at).len()
    }

    /// Requests that were sent in a span.
    pub fn requests(&self, span: Range<Duration>) -> usize {
        within(&self.sent, &span, |at| *at).len()
    }

    /// Requests sent per call begun: 1 where nothing is repeated. Not a number in a span in which no call began.
    pub fn amplification(&self, span: Range<Duration>) -> f64 {
        self.requests(span.clone()) as f64 / self.calls(span) as f64
    }

    /// The most requests that one call has sent.
    pub fn most_requests(&self) -> usize {
        self.most_requests
    }

    /// Calls per second that returned a value in a span.
    pub fn goodput(&self, span: Range<Duration>) -> f64 {
        let length = span.end.saturating_sub(span.start);
        self.ended_well(&span).len() as f64 / length.as_secs_f64()
    }

    /// How long after the end of the last trouble the service was back: the goodput of the next 2 s was at least 95 % of
    /// the load. `None`: it was not back before the load ended.
    ///
    /// With few calls per second use an even load: the accidents of a Poisson one look like missing goodput.
    pub fn recovery(&self) -> Option<Duration> {
        let end = self.after().start;
        let last = self.load.lasts.checked_sub(WINDOW)?;
        let mut from = end;
        while from <= last {
            if self.goodput(from..from + WINDOW) >= BACK * self.load.per_second {
                return Some(from - end);
            }
            from += STEP;
        }
        None
    }

    /// How long calls that returned a value in a span had taken: a share `quantile` of them no longer. `None` if there
    /// were none.
    ///
    /// # Panics
    ///
    /// If the quantile is not within 0 and 1.
    pub fn latency(&self, span: Range<Duration>, quantile: f64) -> Option<Duration> {
        assert!(
            (0.0..=1.0).contains(&quantile),
            "the quantile is {quantile}; it must be from 0 to 1"
        );
        let ended = self.ended_well(&span);
        let mut took: Vec<_> = ended.iter().map(|(_, took)| *took).collect();
        let rank = (took.len() as f64 * quantile).ceil() as usize;
        let rank = rank.clamp(1, took.len().max(1)) - 1;
        (rank < took.len()).then(|| *took.select_nth_unstable(rank).1)
    }

    /// Time that the service has worked, of all workers together.
    pub fn work(&self) -> Duration {
        self.worked
    }

    /// The part of the [`work`](Self::work) whose answers nobody waited for.
    pub fn wasted(&self) -> Duration {
        self.wasted
    }

    /// The same as a share of the work; 0 if there was none.
    pub fn wasted_share(&self) -> f64 {
        if self.worked.is_zero() {
            return 0.0;
        }
        self.wasted.as_secs_f64() / self.worked.as_secs_f64()
    }

    fn ended_well(&self, span: &Range<Duration>) -> &[(Duration, Duration)] {
        within(&self.good, span, |(at, _)| *at)
    }
}

/// The part of `sorted` that lies in `span`.
fn within<'a, T>(sorted: &'a [T], span: &Range<Duration>, at: impl Fn(&T) -> Duration) -> &'a [T] {
    let start = sorted.partition_point(|item| at(item) < span.start);
    let end = sorted.partition_point(|item| at(item) < span.end);
    &sorted[start..end.max(start)]
}
