//! Plain lines and JSON, for logs.

use super::bars::{Rate, left};
use crate::{out, words};
use std::{fmt::Write, time::Duration};
use tidegate::policy::Health;
use tidegate_runner::engine::{ServiceStatus, Status};

/// `key=value` pairs, so that grep works, and a line of its own when a service goes down or comes up again.
#[derive(Debug, Default)]
pub(super) struct Lines {
    rate: Rate,
    /// Services that were in trouble at the last look.
    troubled: Vec<Troubled>,
}

/// A service whose records wait.
#[derive(Debug)]
struct Troubled {
    name: String,
    trouble: Trouble,
    /// Time since the start.
    since: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Down,
    BreakerOpen,
}

impl Trouble {
    fn of(service: &ServiceStatus) -> Option<Trouble> {
        match service.snapshot.health {
            Health::Down { .. } => Some(Trouble::Down),
            _ => service.breaker_is_open().then_some(Trouble::BreakerOpen),
        }
    }

    fn begins(self) -> &'static str {
        match self {
            Trouble::Down => "is down",
            Trouble::BreakerOpen => "breaker open",
        }
    }

    fn is_over(self) -> &'static str {
        match self {
            Trouble::Down => "up again",
            Trouble::BreakerOpen => "breaker closed again",
        }
    }
}

impl Lines {
    pub(super) fn show(&mut self, status: &Status, elapsed: Duration) {
        self.changes(status, elapsed);
        let rate = self.rate.update(status.done + status.dead, elapsed);
        let mut line = format!(
            "{} done={} dead={} skipped={} flying={} rate={rate:.1}/s",
            clock(elapsed),
            status.done,
            status.dead,
            status.skipped,
            status.flying
        );
        if let Some(left) = left(status, elapsed) {
            push(
                &mut line,
                format_args!(" left={}", words::time(left).replace(' ', "")),
            );
        }
        for service in &status.services {
            let snapshot = &service.snapshot;
            push(
                &mut line,
                format_args!(
                    " {}.requests={} {0}.retries={}",
                    service.name,
                    snapshot.requests,
                    service.retries()
                ),
            );
            if snapshot.rate.is_some() {
                push(
                    &mut line,
                    format_args!(" {}.used={:.3}", service.name, snapshot.rate_used),
                );
            }
        }
        if let Some(held) = &status.held_by {
            push(&mut line, format_args!(" held={held:?}"));
        }
        out::say(line);
    }

    fn changes(&mut self, status: &Status, elapsed: Duration) {
        for service in &status.services {
            let of_it = |known: &Troubled| known.name == service.name;
            let known = self.troubled.iter().position(of_it);
            match (Trouble::of(service), known) {
                (Some(trouble), None) => {
                    let what = trouble.begins();
                    let clock = clock(elapsed);
                    out::say(format!("{clock} {} {what}; its records wait", service.name));
                    self.troubled.push(Troubled {
                        name: service.name.clone(),
                        trouble,
                        since: elapsed,
                    });
                }
                (None, Some(known)) => {
                    let Troubled {
                        name,
                        trouble,
                        since,
                    } = self.troubled.swap_remove(known);
                    let after = words::time(elapsed.saturating_sub(since));
                    let what = trouble.is_over();
                    out::say(format!("{} {name} {what} after {after}", clock(elapsed)));
                }
                _ => {}
            }
        }
    }
}

/// One object.
pub(super) fn json(status: &Status, elapsed: Duration) -> String {
    let services = status.services.iter().map(|service| {
        let snapshot = &service.snapshot;
        let facts = serde_json::json!({
            "requests": snapshot.requests,
            "retries": service.retries(),
            "in_flight": snapshot.in_flight,
            "waiting": snapshot.waiting,
            "down": matches!(snapshot.health, Health::Down { .. }),
            "breaker_open": service.breaker_is_open(),
            "rate_used": snapshot.rate.map(|_| snapshot.rate_used),
        });
        (service.name.clone(), facts)
    });
    serde_json::json!({
        "seconds": elapsed.as_secs_f64(),
        "done": status.done,
        "dead": status.dead,
        "skipped": status.skipped,
        "flying": status.flying,
        "share": status.share,
        "held_by": status.held_by,
        "services": serde_json::Map::from_iter(services),
    })
    .to_string()
}

/// Time since the start, as `h:mm:ss`.
fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    format!(
        "{}:{:02}:{:02}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )
}

fn push(line: &mut String, what: std::fmt::Arguments<'_>) {
    line.write_fmt(what).expect("a text takes every word");
}
