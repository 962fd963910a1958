//! Bars, for people at a terminal.

use crate::words;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;
use tidegate::policy::{BreakerState, Health};
use tidegate_runner::engine::{ServiceStatus, Status};
use tokio::time::Instant;

/// Services that have a line of their own.
const SERVICES: usize = 4;
/// The bar's full length; finer than any terminal shows it.
const FULL: u64 = 1_000;

pub(super) struct Bars {
    all: MultiProgress,
    input: ProgressBar,
    counts: ProgressBar,
    services: Vec<ProgressBar>,
    held: ProgressBar,
    name: String,
    has_bar: bool,
    rate: Rate,
}

impl Bars {
    pub(super) fn new(name: &str) -> Bars {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let text = || {
            let style =
                ProgressStyle::with_template("{wide_msg}").expect("the template is constant");
            all.add(ProgressBar::new(FULL).with_style(style))
        };
        let [input, counts] = [text(), text()];
        let services = (0..=SERVICES).map(|_| text()).collect();
        let held = text();
        Bars {
            input,
            counts,
            services,
            held,
            all,
            name: name.to_owned(),
            has_bar: false,
            rate: Rate::default(),
        }
    }

    /// Lines above the bars.
    pub(super) fn say(&self, notes: &[String]) {
        for note in notes {
            // A terminal that is gone is noticed by the run's own output.
            drop(self.all.println(format!("note: {note}")));
        }
    }

    pub(super) fn show(&mut self, status: &Status, elapsed: Duration) {
        let rate = self.rate.update(status.done + status.dead, elapsed);
        let read = status.done + status.dead + status.skipped;
        match status.share {
            Some(share) => {
                if !std::mem::replace(&mut self.has_bar, true) {
                    let style = ProgressStyle::with_template("{prefix}  [{bar:30}]  {msg}")
                        .expect("the template is constant");
                    self.input.set_style(style.progress_chars("=> "));
                    self.input.set_prefix(self.name.clone());
                }
                self.input.set_position((share * FULL as f64) as u64);
                let of = status
                    .total
                    .map(|total| format!(" of ~{}", words::count(total)))
                    .unwrap_or_default();
                self.input.set_message(format!(
                    "{:.0} %   {}{of}",
                    share * 100.0,
                    words::count(read)
                ));
            }
            None => {
                self.input
                    .set_message(format!("{}  {} records", self.name, words::count(read)))
            }
        }
        let left = left(status, elapsed)
            .map(|left| format!("   {} left", words::time(left)))
            .unwrap_or_default();
        self.counts.set_message(format!(
            "  done {}   dead {}   in flight {}   {rate:.1} rows/s{left}",
            words::count(status.done),
            words::count(status.dead),
            words::count(status.flying),
        ));
        for (line, service) in self.services.iter().zip(&status.services) {
            line.set_message(service_line(service, elapsed));
        }
        if status.services.len() > SERVICES {
            self.services[SERVICES]
                .set_message(format!("  + {} more", status.services.len() - SERVICES));
        }
        self.held.set_message(
            status
                .held_by
                .as_deref()
                .map(|held| format!("  held by: {held}"))
                .unwrap_or_default(),
        );
    }

    pub(super) fn clear(self) {
        // Nothing depends on it.
        drop(self.all.clear());
    }
}

fn service_line(service: &ServiceStatus, elapsed: Duration) -> String {
    let snapshot = &service.snapshot;
    let name = &service.name;
    if let Health::Down { since, .. } = snapshot.health {
        let down = since.elapsed();
        return format!(
            "  {name}  DOWN for {}   {} calls wait",
            words::time(down),
            words::count(snapshot.waiting as u64)
        );
    }
    if let Some(breaker) = snapshot.breaker
        && service.breaker_is_open()
    {
        let probe = match breaker.state {
            BreakerState::Open { until: Some(until) } => {
                let left = until.saturating_duration_since(Instant::now());
                format!(", probed in {}", words::time(left))
            }
            _ => String::new(),
        };
        return format!(
            "  {name}  BREAKER OPEN{probe}   {} calls wait",
            words::count(snapshot.waiting as u64)
        );
    }
    let sent = snapshot.requests as f64 / elapsed.as_secs_f64().max(0.001);
    let speed = match (&service.rate, snapshot.rate) {
        (Some(rate), Some(_)) => format!("{} of {rate} used", words::percent(snapshot.rate_used)),
        _ => format!("{sent:.1} req/s"),
    };
    let retried = service.retries() as f64 / (snapshot.requests as f64).max(1.0);
    format!(
        "  {name}  {speed}   {} of {} in flight   p50 {}   {} retried",
        snapshot.in_flight,
        service.in_flight,
        words::millis(snapshot.latency.p50_ms),
        words::percent(retried),
    )
}

/// Time that is left, from the share of the input that was read since the start.
pub(super) fn left(status: &Status, elapsed: Duration) -> Option<Duration> {
    let share = status.share?;
    let gone = share - status.share_at_start;
    // Before one part in a hundred is read the guess is worse than none.
    if gone < 0.01 || share >= 1.0 {
        return None;
    }
    Some(elapsed.mul_f64((1.0 - share) / gone))
}

/// Rows a second: over all of a run's first ten seconds, then over about the last ten.
#[derive(Debug, Default)]
pub(super) struct Rate {
    last: (u64, Duration),
    smooth: f64,
}

const WINDOW: f64 = 10.0;

impl Rate {
    pub(super) fn update(&mut self, count: u64, at: Duration) -> f64 {
        let seconds = at.saturating_sub(self.last.1).as_secs_f64();
        if at.as_secs_f64() <= WINDOW {
            self.smooth = count as f64 / at.as_secs_f64().max(0.001);
        } else if seconds > 0.0 {
            let now = count.saturating_sub(self.last.0) as f64 / seconds;
            self.smooth += (now - self.smooth) * (seconds / WINDOW).min(1.0);
        }
        self.last = (count, at);
        self.smooth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_the_share_read_since_the_start() {
        let status = Status {
            share: Some(0.6),
            share_at_start: 0.2,
            ..Status::default()
        };
        assert_eq!(
            left(&status, Duration::from_secs(100)),
            Some(Duration::from_secs(100))
        );
        let unknown = Status {
            share: None,
            ..Status::default()
        };
        assert_eq!(left(&unknown, Duration::from_secs(100)), None);
    }

    #[test]
    fn a_steady_rate_is_shown_as_it_is() {
        let mut rate = Rate::default();
        let shown = (1..=50)
            .map(|tick| rate.update(tick * 10, Duration::from_millis(tick * 200)))
            .last();
        assert!(
            shown.is_some_and(|shown| (shown - 50.0).abs() < 0.5),
            "{shown:?}"
        );
    }
}
