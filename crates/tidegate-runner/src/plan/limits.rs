//! Limits of a service that can never do what they are there for: each is a warning, as the run goes on without them.

use std::time::Duration;

use tidegate::policy::{Breaker, Hedge, HedgeAfter};

use super::{Order, compiler::Compiler, steps::is_idempotent};
use crate::flow::{Fault, Service, Span, Stage, Step};

/// The shortest time that a service can ask for: `Retry-After` counts seconds.
const SHORTEST_ASKED: Duration = Duration::from_secs(1);

pub(super) fn check(compiler: &mut Compiler<'_>, service: &Service) {
    let flow = compiler.flow;
    let is_own = |step: &&Step| {
        let own = step.service.map(|index| &flow.services[index].name);
        own == Some(&service.name)
    };
    let steps: Vec<_> = flow.steps.iter().filter(is_own).collect();
    let limits = Limits { service, steps };
    let mut found = Vec::new();
    limits.patience(&mut found);
    if let Some(breaker) = &service.breaker {
        limits.breaker(breaker, &mut found);
    }
    if let Some(hedge) = &service.hedge {
        limits.hedge(hedge, &mut found);
    }
    if let Some(queue) = &service.queue
        && flow.records.order == Order::Input
        && queue.rules.newest_first_after.is_some()
    {
        let fault = Fault::warning("a queue lets newer calls pass the one that all rows wait for")
            .at(queue.place_of(&["newest_first_after"]))
            .label("with `order: input` the oldest record is the next row");
        found.push(fault.help("newest_first_after: false"));
    }
    found.into_iter().for_each(|fault| compiler.fault(fault));
}

/// A service and the steps that use it.
struct Limits<'f> {
    service: &'f Service,
    steps: Vec<&'f Step>,
}

impl Limits<'_> {
    fn patience(&self, found: &mut Vec<Fault>) {
        let patience = &self.service.patience;
        if patience.value < SHORTEST_ASKED {
            let fault = Fault::warning("the run gives up at the first `Retry-After`")
                .at(&patience.at)
                .label("no service can ask for less than 1s, which is longer");
            found.push(fault.help("patience: 10m"));
        }
    }

    fn breaker(&self, breaker: &Stage<Breaker>, found: &mut Vec<Fault>) {
        let rules = &breaker.rules;
        let patience = &self.service.patience;
        if patience.value < rules.open_for {
            let fault = Fault::warning("the run gives up before an open breaker is probed")
                .at(breaker.place_of(&["open_for"]))
                .label(format!("it is open for up to {}", written(rules.open_for)))
                .also(&patience.at, "`patience` ends before");
            found.push(fault.help(format!(
                "patience: {}",
                written(rules.open_cap.saturating_mul(2))
            )));
        }
        if let Some(slow) = &rules.slow
            && let longest = self.longest_timeout(|_| true)
            && slow.after >= longest
        {
            let fault = Fault::warning("no attempt is ever slow")
                .at(breaker.place_of(&["slow", "after"]))
                .label(format!(
                    "its timeout of {} ends it before, and that is a failure anyway",
                    written(longest)
                ));
            found.push(fault.help(format!("after: {}", written(longest / 2))));
        }
        let Some((rate, text)) = &self.service.rate else {
            return;
        };
        let most = ((rate * rules.window.as_secs_f64()) as u64)
            .saturating_add(u64::from(self.service.burst));
        if most >= u64::from(rules.min_calls) {
            return;
        }
        let (what, at): (_, &Span) = match (rules.consecutive, &rules.slow) {
            (None, _) => ("the breaker never opens", breaker.place_of(&["min_calls"])),
            (Some(_), Some(_)) => (
                "`slow` never opens the breaker",
                breaker.place_of(&["slow"]),
            ),
            (Some(_), None) => return,
        };
        let window = Duration::from_secs((f64::from(rules.min_calls) / rate).ceil() as u64);
        let fault = Fault::warning(what).at(at).label(format!(
            "it needs {} attempts in {}, and a rate of {text} sends no more than {most}",
            rules.min_calls,
            written(rules.window)
        ));
        found.push(fault.help(format!("window: {}", written(window))));
    }

    fn hedge(&self, hedge: &Stage<Hedge>, found: &mut Vec<Fault>) {
        let is_no = |step: &&Step| step.idempotent == Some(false);
        if !self.steps.is_empty() && self.steps.iter().all(is_no) {
            let service = &self.service.name.value;
            let fault = Fault::warning(format!("no step of `{service}` is ever hedged"))
                .at(&hedge.at)
                .label("none of them may be sent twice");
            found.push(fault.help("hedge: false"));
            return;
        }
        if self.service.in_flight == 1 {
            let fault = Fault::warning("no hedge ever leaves")
                .at(&hedge.at)
                .label("the attempt beside it has the only place in flight");
            found.push(fault.help("in_flight: 2"));
        }
        let longest = self.longest_timeout(is_idempotent);
        let too_late = match hedge.rules.after {
            HedgeAfter::Fixed(after) if after >= longest => Some(("after", after, "p95")),
            _ if hedge.rules.min_delay >= longest => {
                Some(("min_delay", hedge.rules.min_delay, "1ms"))
            }
            _ => None,
        };
        if let Some((key, delay, meant)) = too_late {
            let fault = Fault::warning(format!("a hedge after {} never leaves", written(delay)))
                .at(hedge.place_of(&[key]))
                .label(format!(
                    "the timeout of {} has ended every attempt by then",
                    written(longest)
                ));
            found.push(fault.help(format!("{key}: {meant}")));
        }
    }

    /// Of the attempts of some steps; the service's own if there are none.
    fn longest_timeout(&self, of: impl Fn(&Step) -> bool) -> Duration {
        let steps = self.steps.iter().filter(|step| of(step));
        let timeouts = steps.map(|step| step.timeout.unwrap_or(self.service.timeout));
        timeouts.max().unwrap_or(self.service.timeout)
    }
}

/// As a flow file writes it.
fn written(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{}s", duration.as_secs()),
        _ => format!("{}ms", duration.as_millis()),
    }
}
