//! One attempt and, if it takes long, a second one beside it.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use tokio::time::{Instant, sleep_until, timeout_at};

use super::{
    call::{Failed, list},
    error::AttemptLog,
    gate::{Hold, Shared},
    op::Attempt,
    state::{Held, Trail},
    tenure::{Inside, Nesting},
    verdict::Classify,
};

/// Makes the attempt `first`, which has entered and is held by `hold`; and another one if it takes until `hedge_at`.
///
/// The first success is the result, and what is left of the other is dropped. A failure is the result once there is
/// nothing to wait for: at once if it is fatal, or if no hedge was sent.
pub(super) async fn run<T, E, C, Fut>(
    hold: &mut Hold<'_>,
    trail: &mut Trail,
    nesting: &Nesting,
    first: Attempt,
    hedge_at: Instant,
    attempt: &mut C,
    attempts: &mut Vec<AttemptLog>,
) -> Result<T, Failed<E>>
where
    C: FnMut(Attempt) -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: Classify,
{
    let shared = hold.shared;
    let Attempt { started, ends, .. } = first;
    let mut beside = trail.of_hedge();
    let seen = Seen::default();
    let mut home = hold.home(trail, nesting);
    let result = {
        let first = Inside::new(&mut home, attempt(first));
        // Dropped as soon as it has ended, which is before its pass is given back.
        let mut first = pin!(async move { timeout_at(ends, first).await });
        let second = hedge(shared, &mut beside, nesting, hedge_at, &seen, attempt);
        let mut second = pin!(second);
        let mut first_failed: Option<Failed<E>> = None;
        let mut second_failed: Option<Failed<E>> = None;
        let mut second_ended = false;
        poll_fn(|cx| {
            if first_failed.is_none()
                && let Poll::Ready(result) = first.as_mut().poll(cx)
            {
                let failed = match Failed::unless(result.ok(), ends, &trail.op) {
                    Ok(value) => {
                        shared.with(|state, now| state.succeed(&mut hold.held, trail, now));
                        return Poll::Ready(Ok(value));
                    }
                    Err(failed) => failed,
                };
                list(attempts, seen.fail(hold, trail, &failed, started));
                if let Some(second) = second_failed.take() {
                    return Poll::Ready(Err(failed.after(second)));
                }
                if failed.is_final() || second_ended || !seen.sent.load(Ordering::Relaxed) {
                    return Poll::Ready(Err(failed));
                }
                first_failed = Some(failed);
            }
            if second_ended {
                return Poll::Pending;
            }
            let Poll::Ready(end) = second.as_mut().poll(cx) else {
                return Poll::Pending;
            };
            second_ended = true;
            match end {
                Hedge::NotSent => Poll::Pending,
                Hedge::Won(value) => Poll::Ready(Ok(value)),
                Hedge::Failed(failed, log) => {
                    list(attempts, log);
                    match first_failed.take() {
                        Some(first) => Poll::Ready(Err(failed.after(first))),
                        None if failed.is_final() => Poll::Ready(Err(failed)),
                        None => {
                            second_failed = Some(failed);
                            Poll::Pending
                        }
                    }
                }
            }
        })
        .await
    };
    // Only now that the one which is not needed has been dropped.
    match &result {
        Ok(_) if hold.held.is_open => {
            shared.with(|state, now| state.overtaken(&mut hold.held, now));
        }
        Err(_) if hold.held.pass.is_some() => {
            shared.with(|state, now| state.drop_attempt(&mut hold.held, now));
        }
        _ => {}
    }
    trail.sent = beside.sent;
    trail.counted |= beside.counted;
    if result.is_err() {
        // Until then it had something under way.
        trail.since = Some(Instant::now());
    }
    result
}

/// What the two attempts know of each other. One task polls both, so that it needs no order.
#[derive(Default)]
struct Seen {
    /// The hedge has left.
    sent: AtomicBool,
    /// One of them has failed in a way for which the call may be to blame: that counts once.
    counted: AtomicBool,
}

impl Seen {
    /// One of the two failed.
    fn fail<E>(
        &self,
        hold: &mut Hold<'_>,
        trail: &mut Trail,
        failed: &Failed<E>,
        started: Instant,
    ) -> AttemptLog {
        trail.counted |= self.counted.load(Ordering::Relaxed);
        let log = hold.fail(trail, failed, started);
        self.counted.store(trail.counted, Ordering::Relaxed);
        log
    }
}

/// How a hedge ended.
enum Hedge<T, E> {
    NotSent,
    Won(T),
    Failed(Failed<E>, AttemptLog),
}

/// Waits until it is time, pays, passes the gate, and makes the attempt.
async fn hedge<T, E, C, Fut>(
    shared: &Arc<Shared>,
    trail: &mut Trail,
    nesting: &Nesting,
    at: Instant,
    seen: &Seen,
    attempt: &mut C,
) -> Hedge<T, E>
where
    C: FnMut(Attempt) -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: Classify,
{
    sleep_until(at).await;
    let mut hold = Hold {
        shared,
        held: Held::default(),
    };
    if !shared.with(|state, _| state.may_hedge(&mut hold.held)) {
        return Hedge::NotSent;
    }
    let Ok(started) = hold.enter(trail).await else {
        return Hedge::NotSent;
    };
    seen.sent.store(true, Ordering::Relaxed);
    let this = hold.attempt(trail, started, true);
    let ends = this.ends;
    let mut home = hold.home(trail, nesting);
    let inside = Inside::new(&mut home, attempt(this));
    // Boxed: few calls are hedged, and all of them would be as large as two attempts.
    let output = timeout_at(ends, Box::pin(inside)).await.ok();
    match Failed::unless(output, ends, &trail.op) {
        Ok(value) => {
            shared.with(|state, now| state.succeed(&mut hold.held, trail, now));
            Hedge::Won(value)
        }
        Err(failed) => {
            let log = seen.fail(&mut hold, trail, &failed, started);
            Hedge::Failed(failed, log)
        }
    }
}
