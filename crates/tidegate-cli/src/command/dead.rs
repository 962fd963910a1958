//! `tidegate dead`.

use super::{OK, USAGE, load, run};
use crate::{
    args::{Dead, Letters, Retry},
    out, words,
};
use std::sync::Arc;
use tidegate_runner::{
    engine::{self, Options, Which},
    expr::Expr,
    inspect::{InspectError, Inspector},
    plan::Plan,
};

pub(super) fn dead(args: &Dead) -> u8 {
    let result = match args {
        Dead::List(letters) => open(letters).and_then(|opened| list(&opened)),
        Dead::Drop(letters) => open(letters).and_then(|opened| {
            let dropped = opened
                .inspector
                .drop_dead(opened.condition.as_ref())
                .map_err(shown)?;
            out::say(format!("dropped {}", words::letters(dropped)));
            Ok(OK)
        }),
        Dead::Retry(args) => open(&args.letters).and_then(|opened| retry(args, opened)),
    };
    result.unwrap_or_else(|code| code)
}

struct Opened {
    plan: Arc<Plan>,
    inspector: Inspector,
    condition: Option<Expr>,
}

fn open(letters: &Letters) -> Result<Opened, u8> {
    let (plan, _) = load(&letters.which.flow, &letters.which.given)?;
    let condition = letters
        .condition
        .as_deref()
        .map(Expr::compile)
        .transpose()
        .map_err(|fault| {
            out::error(format!("--where: {fault}"));
            USAGE
        })?;
    let inspector = Inspector::open(&plan, letters.which.state.as_deref()).map_err(shown)?;
    Ok(Opened {
        plan,
        inspector,
        condition,
    })
}

fn shown(error: InspectError) -> u8 {
    out::error(error);
    USAGE
}

fn list(opened: &Opened) -> Result<u8, u8> {
    let mut reader_is_there = true;
    let each = |dead: tidegate_runner::journal::StoredDead| {
        if reader_is_there {
            let mut line = serde_json::to_vec(&dead.letter).expect("a letter has a form in JSON");
            line.push(b'\n');
            reader_is_there = out::data(&line);
        }
    };
    opened
        .inspector
        .dead(opened.condition.as_ref(), each)
        .map_err(shown)?;
    Ok(OK)
}

fn retry(args: &Retry, opened: Opened) -> Result<u8, u8> {
    if !engine::can_retry(&opened.plan) {
        out::error(engine::RunError::OutOfOrder);
        return Err(USAGE);
    }
    let marked = opened
        .inspector
        .mark_for_retry(opened.condition.as_ref())
        .map_err(shown)?;
    out::say(format!("trying {} again", words::letters(marked)));
    let options = Options {
        limit: args.how.limit,
        state: args.letters.which.state.clone(),
        grace: args.how.grace,
        which: Which::Marked,
        ..Options::default()
    };
    drop(opened.inspector);
    Ok(run::execute(
        opened.plan,
        options,
        &args.how,
        &args.letters.which.flow,
    ))
}
