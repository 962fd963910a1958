//! `tidegate check`.

use super::{OK, USAGE, load};
use crate::{args::Check, out};
use tidegate_runner::sample;

pub(super) fn check(args: &Check) -> u8 {
    let (plan, warnings) = match load(&args.flow, &args.given) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    warnings
        .iter()
        .for_each(|warning| out::say(format!("{}\n", warning.render(out::look()))));
    if let Some(records) = args.sample {
        match sample::requests(&plan, records) {
            Ok(text) => {
                out::data(text.as_bytes());
            }
            Err(error) => {
                out::error(error);
                return USAGE;
            }
        }
    }
    out::say(format!("{}: no faults", args.flow.display()));
    OK
}
