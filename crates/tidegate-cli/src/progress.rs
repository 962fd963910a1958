//! What is shown while a run goes on: bars on a terminal, plain lines or JSON elsewhere.
//!
//! It runs on a thread of its own: a terminal that does not take what is written must not hold the run back.

mod bars;
mod lines;

use crate::{args, out};
use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};
use tidegate_runner::{engine::Live, plan::Plan};

/// How often bars move.
const BARS: Duration = Duration::from_millis(200);
/// How often a line is written.
const LINES: Duration = Duration::from_secs(5);

/// How progress is shown.
#[derive(Debug)]
pub(crate) struct Progress {
    form: Form,
    source: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Bars,
    Lines,
    Json,
    Nothing,
}

impl Progress {
    pub(crate) fn new(wanted: args::Progress, plan: &Plan) -> Progress {
        let form = match wanted {
            args::Progress::Auto if out::on_terminal() => Form::Bars,
            args::Progress::Auto | args::Progress::Plain => Form::Lines,
            args::Progress::Json => Form::Json,
            args::Progress::None => Form::Nothing,
        };
        Progress {
            form,
            source: plan.source.name(),
        }
    }

    /// Shows `live` until the other end of `over` is dropped.
    pub(crate) fn show_until(self, over: &Receiver<()>, live: &Arc<Live>) {
        match self.form {
            Form::Bars => {
                let mut bars = bars::Bars::new(&self.source);
                tick(over, BARS, |elapsed| {
                    bars.say(&live.take_notes());
                    bars.show(&live.status(), elapsed);
                });
                bars.clear();
            }
            Form::Lines => {
                let mut lines = lines::Lines::default();
                tick(over, LINES, |elapsed| {
                    live.take_notes()
                        .iter()
                        .for_each(|note| out::say(format!("note: {note}")));
                    lines.show(&live.status(), elapsed);
                });
            }
            Form::Json => tick(over, LINES, |elapsed| {
                out::say(lines::json(&live.status(), elapsed))
            }),
            Form::Nothing => return,
        }
        live.take_notes()
            .iter()
            .for_each(|note| out::say(format!("note: {note}")));
    }
}

/// Calls `show` each period, and not at all in a run that is over before the first one ends.
#[expect(
    clippy::disallowed_methods,
    reason = "shown to somebody who lives by the real clock"
)]
fn tick(over: &Receiver<()>, period: Duration, mut show: impl FnMut(Duration)) {
    let began = std::time::Instant::now();
    while over.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
        show(began.elapsed());
    }
}
