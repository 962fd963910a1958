//! Plain lines and JSON, for logs.

use super::bars::{Rate, left};
use crate::{out, words};
use std::{fmt::Write, time::Duration};
use tidegate::policy::Health;
use tidegate_runner::engine::Status;

/// `key=value` pairs, so that grep works, and a line of its own when a service goes down or comes up again.
#[derive(Debug, Default)]
pub(super) struct Lines {
    rate: Rate,
    /// Services that were down at the last look, and since when of the run.
    down: Vec<(String, Duration)>,
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
                    service.name, snapshot.requests, snapshot.retries
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
            let known = self.down.iter().position(|(name, _)| *name == service.name);
            match (&service.snapshot.health, known) {
                (Health::Down { .. }, None) => {
                    out::say(format!(
                        "{} {} is down; its records wait",
                        clock(elapsed),
                        service.name
                    ));
                    self.down.push((service.name.clone(), elapsed));
                }
                (Health::Up, Some(known)) => {
                    let (name, since) = self.down.swap_remove(known);
                    let after = words::time(elapsed.saturating_sub(since));
                    out::say(format!("{} {name} up again after {after}", clock(elapsed)));
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
            "retries": snapshot.retries,
            "in_flight": snapshot.in_flight,
            "waiting": snapshot.waiting,
            "down": matches!(snapshot.health, Health::Down { .. }),
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
