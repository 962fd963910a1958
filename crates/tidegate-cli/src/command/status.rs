//! `tidegate status`.

use super::{OK, USAGE, load};
use crate::{args::Which, out, words};
use tidegate_runner::{
    inspect::{InspectError, Inspector},
    journal::Phase,
};

pub(super) fn status(args: &Which) -> u8 {
    let (plan, _) = match load(&args.flow, &args.given) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let inspector = match Inspector::open(&plan, args.state.as_deref()) {
        Ok(inspector) => inspector,
        Err(InspectError::NeverRun) => {
            out::data(b"not run yet\n");
            return OK;
        }
        Err(error) => {
            out::error(error);
            return USAGE;
        }
    };
    let state = inspector.state();
    let ended = state.ended.as_deref().unwrap_or("an unknown time");
    let phase = match state.phase {
        Phase::Running => "running now, or was killed".to_owned(),
        Phase::Stopped => format!("stopped at {ended}; run it to go on"),
        Phase::Finished => format!("finished at {ended}"),
    };
    let text = format!(
        "{phase}\n  run {} since {}\n  settled {} = done {} + dead {} + filtered {}\n  next: line {}, byte {}\n",
        state.run,
        state.started,
        words::count(state.done + state.dead + state.filtered),
        words::count(state.done),
        words::count(state.dead),
        words::count(state.filtered),
        words::count(state.mark.line),
        words::count(state.mark.offset),
    );
    out::data(text.as_bytes());
    if state.meaning != plan.meaning {
        out::say(
            "note: the flow means something else than when the run began; `run` will ask for --accept-flow-change",
        );
    }
    OK
}
