//! The loop of one call: gate, attempt, verdict, and again.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until, timeout_at};

use super::{
    error::{AttemptLog, CallError, StopReason},
    gate::{Hold, Shared},
    op::{Attempt, Op},
    outcome::Step,
    state::{Held, Trail},
    verdict::{Classify, Verdict},
};

/// How many attempts a [`CallError`] lists.
const LOGGED: usize = 64;

/// Stands for "never" where an instant is needed and the sum overflows.
const FAR: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);

pub(super) async fn run<T, E, C, Fut>(
    shared: Arc<Shared>,
    op: Op,
    mut attempt: C,
) -> Result<T, CallError<E>>
where
    C: FnMut(Attempt) -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: Classify,
{
    let mut hold = Hold {
        shared: &shared,
        held: Held::default(),
    };
    let mut trail = Trail::new(op);
    let mut last = None;
    let mut attempts = Vec::new();
    let why: StopReason = loop {
        let started = match hold.enter(&mut trail).await {
            Ok(started) => started,
            Err(why) => break why,
        };
        let (ends, cut) = ends(&op, started, shared.attempt_timeout);
        let this = Attempt {
            number: trail.sent,
            started,
            ends,
            is_hedge: false,
            shared: Arc::clone(&shared),
        };
        let (error, verdict) = match timeout_at(ends, attempt(this)).await {
            Ok(Ok(value)) => {
                shared.with(|state, now| state.succeed(&mut hold.held, &trail, now));
                return Ok(value);
            }
            Ok(Err(error)) => {
                let verdict = error.verdict();
                (Some(error), verdict)
            }
            Err(_elapsed) => (None, Verdict::timeout()),
        };
        let waited = trail.since.map_or(Duration::ZERO, |since| started - since);
        let cut = cut && error.is_none();
        let (step, ended) = shared.with(|state, now| {
            (
                state.fail(&mut hold.held, &mut trail, verdict, cut, now),
                now,
            )
        });
        log(
            &mut attempts,
            AttemptLog {
                number: trail.sent,
                started,
                took: ended - started,
                waited,
                class: verdict.class,
                is_hedge: false,
            },
        );
        last = error.or(last);
        match step {
            Step::Stop(why) => break why,
            Step::Again(Some(at)) if at > ended => sleep_until(at).await,
            Step::Again(_) => {}
        }
    };
    Err(CallError {
        why,
        last,
        attempts,
    })
}

/// When the attempt ends at the latest, and whether that is by the call's deadline rather than by its own timeout.
fn ends(op: &Op, started: Instant, attempt_timeout: Duration) -> (Instant, bool) {
    let limit = op.timeout.unwrap_or(attempt_timeout);
    let own = started.checked_add(limit).unwrap_or_else(|| started + FAR);
    match op.deadline {
        Some(deadline) if deadline < own => (deadline, true),
        _ => (own, false),
    }
}

fn log(attempts: &mut Vec<AttemptLog>, attempt: AttemptLog) {
    if attempts.len() == LOGGED {
        attempts.remove(0);
    }
    attempts.push(attempt);
}
