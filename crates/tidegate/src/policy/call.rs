//! The loop of one call: gate, attempt, verdict, and again.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until, timeout_at};

use super::{
    error::{AttemptLog, CallError, StopReason},
    gate::{Hold, Shared},
    hedged,
    op::{Attempt, Op},
    outcome::Step,
    queue::Rank,
    state::{Held, Trail},
    tenure::{Inside, Nesting},
    verdict::{Class, Classify, Verdict},
};

/// How many attempts a [`CallError`] lists.
const LOGGED: usize = 64;

/// Stands for "never": as far as a clock and a timer can be relied on.
pub(super) const FAR: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);

/// `delay` after `from`, if a clock can hold that.
pub(super) fn after(from: Instant, delay: Duration) -> Instant {
    from.checked_add(delay.min(FAR)).unwrap_or(from)
}

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
    let mut trail = Trail::new(op.within_scope());
    let mut last = None;
    let mut attempts = Vec::new();
    let nesting = Nesting::default();
    let why: StopReason = loop {
        let started = match hold.enter(&mut trail).await {
            Ok(started) => started,
            Err(why) => break why,
        };
        let this = hold.attempt(&trail, started, false);
        let hedge_at = shared.hedge_at(&trail.op, started);
        let failed = match hedge_at.filter(|at| *at < this.ends) {
            Some(hedge_at) => {
                match hedged::run(
                    &mut hold,
                    &mut trail,
                    &nesting,
                    this,
                    hedge_at,
                    &mut attempt,
                    &mut attempts,
                )
                .await
                {
                    Ok(value) => return Ok(value),
                    Err(failed) => failed,
                }
            }
            None => {
                let ends = this.ends;
                let mut home = hold.home(&trail, &nesting);
                let output = {
                    let inside = pin!(Inside::new(&mut home, attempt(this)));
                    hold.make(ends, inside).await
                };
                let failed = match Failed::unless(output, ends, &trail.op) {
                    Ok(value) => {
                        shared.with(|state, now| state.succeed(&mut hold.held, &trail, now));
                        return Ok(value);
                    }
                    Err(failed) => failed,
                };
                list(&mut attempts, hold.fail(&mut trail, &failed, started));
                failed
            }
        };
        hold.held.account.payer = nesting.payer(&shared);
        let (step, now) = shared.with(|state, now| {
            let Failed { verdict, cut, .. } = &failed;
            (
                state.next_step(&mut hold.held, &mut trail, verdict, *cut, now),
                now,
            )
        });
        let step = hold.settle(step, trail.tried);
        last = failed.error.or(last);
        match step {
            Step::Stop(why) => break why,
            Step::Again(Some(at)) if at > now => sleep_until(at.min(after(now, FAR))).await,
            Step::Again(_) => {}
        }
    };
    Err(CallError {
        why,
        last,
        attempts,
        fallback: None,
    })
}

/// The same, and what `fallback` has when the service has nothing.
pub(super) async fn run_or<T, E, C, Fut, F>(
    shared: Arc<Shared>,
    op: Op,
    attempt: C,
    within: Duration,
    fallback: F,
) -> Result<T, CallError<E>>
where
    C: FnMut(Attempt) -> Fut,
    Fut: Future<Output = Result<T, E>>,
    F: AsyncFnOnce(&CallError<E>) -> Result<T, E>,
    E: Classify,
{
    let op = op.within_scope();
    let early = Op {
        // A deadline nearer than that leaves no time for an attempt.
        deadline: op
            .deadline
            .map(|at| at.checked_sub(within).unwrap_or_else(Instant::now)),
        ..op
    };
    let mut error = match run(Arc::clone(&shared), early, attempt).await {
        Ok(value) => return Ok(value),
        Err(error) if error.why == StopReason::Cancelled => return Err(error),
        Err(error) => error,
    };
    let now = Instant::now();
    let own = after(now, within);
    let ends = op.deadline.map_or(own, |deadline| deadline.min(own));
    let mut counted = Fallback {
        shared: &shared,
        has_value: false,
    };
    match timeout_at(ends, fallback(&error)).await {
        Ok(Ok(value)) => {
            counted.has_value = true;
            return Ok(value);
        }
        Ok(Err(own)) => error.fallback = Some(own),
        Err(_elapsed) => {}
    }
    Err(error)
}

/// Counts a fallback, however it ends.
struct Fallback<'a> {
    shared: &'a Shared,
    has_value: bool,
}

impl Drop for Fallback<'_> {
    fn drop(&mut self) {
        self.shared
            .with(|state, _| state.tally.fallback(self.has_value));
    }
}

/// An attempt that failed.
pub(super) struct Failed<E> {
    pub(super) error: Option<E>,
    pub(super) verdict: Verdict,
    /// The call's own deadline ended it.
    pub(super) cut: bool,
}

impl<E: Classify> Failed<E> {
    /// What an attempt that was to end by `ends` has: a value, or how it failed. `None`: nothing in time.
    pub(super) fn unless<T>(
        output: Option<Result<T, E>>,
        ends: Instant,
        op: &Op,
    ) -> Result<T, Self> {
        match output {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => Err(Self {
                verdict: error.verdict(),
                error: Some(error),
                cut: false,
            }),
            None => Err(Self {
                error: None,
                verdict: Verdict::timeout(),
                cut: op.deadline.is_some_and(|deadline| ends >= deadline),
            }),
        }
    }

    /// Whether no other attempt of the same can be better.
    pub(super) fn is_final(&self) -> bool {
        self.cut
            || match self.verdict.class {
                Class::Transient
                | Class::Throttled
                | Class::Overload
                | Class::NeverSent
                | Class::Timeout => false,
                Class::Ok | Class::Fatal | Class::Rejected | Class::Cancelled => true,
            }
    }

    /// The failure of two attempts of which `first` failed earlier.
    pub(super) fn after(self, first: Self) -> Self {
        Self {
            error: self.error.or(first.error),
            verdict: Verdict {
                retry_at: self.verdict.retry_at.max(first.verdict.retry_at),
                ..self.verdict
            },
            cut: self.cut,
        }
    }
}

impl Hold<'_> {
    /// The attempt that it holds a pass for failed: learns from it.
    pub(super) fn fail<E>(
        &mut self,
        trail: &mut Trail,
        failed: &Failed<E>,
        started: Instant,
    ) -> AttemptLog {
        let waited = trail.since.map_or(Duration::ZERO, |since| started - since);
        let is_hedge = trail.rank == Rank::Hedge;
        let Failed { verdict, cut, .. } = failed;
        let ended = self.shared.with(|state, now| {
            state.fail(&mut self.held, trail, verdict, *cut, now);
            now
        });
        AttemptLog {
            number: trail.sent,
            started,
            took: ended - started,
            waited,
            class: verdict.class,
            is_hedge,
        }
    }
}

/// Adds an attempt to those that an error will list.
pub(super) fn list(attempts: &mut Vec<AttemptLog>, attempt: AttemptLog) {
    if attempts.len() == LOGGED {
        attempts.remove(0);
    }
    attempts.push(attempt);
}

impl Hold<'_> {
    /// The attempt that has just entered.
    pub(super) fn attempt(&self, trail: &Trail, started: Instant, is_hedge: bool) -> Attempt {
        let pass = self.held.pass.as_ref();
        Attempt {
            number: trail.sent,
            started,
            ends: trail.op.ends(started, self.shared.attempt_timeout),
            is_hedge,
            shared: Arc::clone(self.shared),
            pass: pass.expect("what has entered has a pass").id,
        }
    }
}
