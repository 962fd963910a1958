//! No call ends after its deadline, and none waits for what cannot come before it.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use futures_util::future::join_all;
use tidegate::policy::{
    Attempt, Breaker, Budget, CallError, Op, Outage, Policy, Queue, Retry, StopReason, Verdict,
};
use tokio::time::{Instant, sleep};

use super::Failed;

/// A policy, and calls through it.
#[derive(Debug)]
pub(crate) struct Plan {
    /// One call after the other: each knows what it waits for, so that it can tell at once when that is of no use.
    is_alone: bool,
    in_flight: usize,
    rate: Option<f64>,
    queue: Queue,
    retry: Retry,
    timeout: Duration,
    min_attempt: Duration,
    watches_health: bool,
    breaks: bool,
    seed: u64,
    calls: Vec<Call>,
}

/// When a call comes, after the one before it if it is alone; when it must have ended; how its attempts go.
#[derive(Debug)]
struct Call {
    comes: Duration,
    deadline: Option<Duration>,
    attempts: Vec<Try>,
    /// How long its fallback takes.
    fallback: Option<Duration>,
}

/// What is kept free for a fallback.
const WITHIN: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug)]
struct Try {
    takes: Duration,
    verdict: Option<Verdict>,
    server_delay: Option<Duration>,
}

/// What became of a call.
#[derive(Debug)]
struct Seen {
    began: Instant,
    /// When it ended but for its fallback, for which time before the deadline is kept free.
    ended: Instant,
    deadline: Option<Instant>,
    why: Option<StopReason>,
    attempts: Vec<Attempted>,
    /// The same with the fallback.
    over: Instant,
    whole_deadline: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Attempted {
    started: Instant,
    ends: Instant,
    /// When it ended or was dropped.
    ended: Instant,
    server_delay: Duration,
}

impl Plan {
    pub(crate) fn random(rng: &mut fastrand::Rng) -> Self {
        let is_alone = rng.bool();
        Self {
            is_alone,
            in_flight: rng.usize(1..=3),
            rate: rng.bool().then(|| f64::from(rng.u32(1..=100))),
            queue: if rng.bool() {
                Queue::default()
            } else {
                Queue::default().oldest_first()
            },
            retry: Retry {
                max_attempts: rng.u32(1..=6),
                base: millis(rng, 1..200),
                throttled_base: millis(rng, 1..400),
                cap: millis(rng, 50..1_000),
                max_server_delay: millis(rng, 100..2_000),
            },
            timeout: millis(rng, 10..300),
            min_attempt: if rng.bool() {
                Duration::ZERO
            } else {
                millis(rng, 1..40)
            },
            watches_health: rng.u8(0..4) == 0,
            breaks: rng.u8(0..4) == 0,
            seed: rng.u64(..),
            calls: (0..rng.usize(1..12)).map(|_| Call::random(rng)).collect(),
        }
    }

    fn policy(&self) -> Policy {
        let mut builder = Policy::named("plan")
            .seed(self.seed)
            .in_flight(self.in_flight)
            .queue(self.queue.clone())
            .retry(self.retry.clone())
            .attempt_timeout(self.timeout)
            .min_attempt(self.min_attempt)
            // What is to stop these calls is time.
            .budget(Budget {
                retry_cost: 1,
                throttled_cost: 1,
                ..Budget::default()
            });
        if let Some(rate) = self.rate {
            builder = builder.rate(rate);
        }
        if self.watches_health {
            // Else a call without a deadline waits for ever.
            let patience = Some(Duration::from_secs(5));
            builder = builder.outage(Outage {
                patience,
                ..Outage::default()
            });
        }
        if self.breaks {
            let consecutive = Some(3);
            builder = builder.breaker(Breaker {
                consecutive,
                ..Breaker::default()
            });
        }
        builder.build().expect("every plan is an allowed policy")
    }

    /// Runs the plan in virtual time and says what is wrong.
    pub(crate) async fn faults(&self) -> Vec<String> {
        let policy = self.policy();
        let mut seen = Vec::new();
        if self.is_alone {
            for call in &self.calls {
                seen.push(call.play(&policy).await);
            }
        } else {
            seen = join_all(self.calls.iter().map(|call| call.play(&policy))).await;
        }
        seen.iter()
            .filter_map(|seen| Some(format!("{}: {seen:#?}", self.fault(seen)?)))
            .collect()
    }

    fn fault(&self, seen: &Seen) -> Option<&'static str> {
        let Some(deadline) = seen.deadline else {
            let is_late = seen.why == Some(StopReason::DeadlineTooClose);
            return is_late.then_some("stopped by a deadline that it does not have");
        };
        if seen.ended > deadline.max(seen.began) {
            return Some("ended after its deadline");
        }
        if seen
            .whole_deadline
            .is_some_and(|deadline| seen.over > deadline)
        {
            return Some("its fallback ended after its deadline");
        }
        if seen.attempts.iter().any(|attempt| attempt.ends > deadline) {
            return Some("an attempt was given more time than there is");
        }
        let least = self.min_attempt.max(Duration::from_nanos(1));
        if seen
            .attempts
            .iter()
            .any(|attempt| attempt.started + least > deadline)
        {
            return Some("an attempt was started that had too little time");
        }
        let last = seen.attempts.last();
        let since = last.map_or(seen.began, |attempt| attempt.ended);
        let hoped = matches!(seen.why, None | Some(StopReason::GaveUp { .. }));
        if self.is_alone && !hoped && seen.ended > since {
            return Some("waited for an attempt that could not be made");
        }
        let last = last?;
        let is_timid = self.is_alone
            && !self.watches_health
            && !self.breaks
            && seen.why == Some(StopReason::DeadlineTooClose)
            && self.next_at_the_latest(last, seen.attempts.len()) + least < deadline
            && seen.ended < deadline;
        is_timid.then_some("stopped although the next attempt would have come in time")
    }

    /// When the next attempt is made whatever the jitter is, by the rules of the documentation.
    fn next_at_the_latest(&self, last: &Attempted, made: usize) -> Instant {
        let doubled = 1 << (made - 1);
        let back_off =
            (self.retry.base.max(self.retry.throttled_base) * doubled).min(self.retry.cap);
        let back = last.ended + last.server_delay + back_off;
        let token = self
            .rate
            .map(|rate| last.started + Duration::from_secs_f64(1.0 / rate));
        // Timers are exact to a millisecond.
        token.map_or(back, |token| token.max(back)) + Duration::from_millis(1)
    }
}

impl Call {
    fn random(rng: &mut fastrand::Rng) -> Self {
        let attempts = (0..6).map(|_| Try::random(rng)).collect();
        Self {
            comes: millis(rng, 0..400),
            deadline: (rng.u8(0..8) > 0).then(|| millis(rng, 0..900)),
            attempts,
            fallback: (rng.u8(0..4) == 0).then(|| millis(rng, 0..60)),
        }
    }

    async fn play(&self, policy: &Policy) -> Seen {
        sleep(self.comes).await;
        let began = Instant::now();
        let deadline = self.deadline.map(|after| began + after);
        let op = deadline.map_or(Op::idempotent(), |at| Op::idempotent().deadline(at));
        let (attempts, stopped) = (RefCell::new(Vec::new()), Cell::new(None));
        let attempt = |attempt| self.attempt(attempt, &attempts);
        let result = match self.fallback {
            None => policy.call(op, attempt).await,
            Some(takes) => {
                let fallback = async |error: &CallError<Failed>| {
                    stopped.set(Some((Instant::now(), error.why)));
                    sleep(takes).await;
                    Ok(())
                };
                policy.call_or(op, attempt, WITHIN, fallback).await
            }
        };
        let over = Instant::now();
        let (ended, why) = match stopped.get() {
            Some((ended, why)) => (ended, Some(why)),
            None => (over, result.err().map(|error| error.why)),
        };
        let kept_free = self.fallback.map_or(Duration::ZERO, |_| WITHIN);
        Seen {
            began,
            ended,
            deadline: deadline.map(|at| at - kept_free),
            why,
            attempts: attempts.into_inner(),
            over,
            whole_deadline: deadline,
        }
    }

    async fn attempt(
        &self,
        attempt: Attempt,
        seen: &RefCell<Vec<Attempted>>,
    ) -> Result<(), Failed> {
        let which = (attempt.number as usize - 1).min(self.attempts.len() - 1);
        let Try {
            takes,
            verdict,
            server_delay,
        } = self.attempts[which];
        let _ends = Ends {
            attempt,
            server_delay: server_delay.unwrap_or_default(),
            seen,
        };
        sleep(takes).await;
        let Some(verdict) = verdict else {
            return Ok(());
        };
        Err(Failed(match server_delay {
            Some(delay) => verdict.retry_at(Instant::now() + delay),
            None => verdict,
        }))
    }
}

impl Try {
    fn random(rng: &mut fastrand::Rng) -> Self {
        let verdicts = [
            None,
            Some(Verdict::transient()),
            Some(Verdict::transient()),
            Some(Verdict::throttled()),
            Some(Verdict::overload()),
            Some(Verdict::never_sent()),
            Some(Verdict::fatal()),
        ];
        Self {
            takes: millis(rng, 0..300),
            verdict: verdicts[rng.usize(..verdicts.len())],
            server_delay: (rng.u8(0..4) == 0).then(|| millis(rng, 0..1_000)),
        }
    }
}

/// Notes the end of an attempt, however it ends.
struct Ends<'a> {
    attempt: Attempt,
    server_delay: Duration,
    seen: &'a RefCell<Vec<Attempted>>,
}

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.seen.borrow_mut().push(Attempted {
            started: self.attempt.started,
            ends: self.attempt.ends,
            ended: Instant::now(),
            server_delay: self.server_delay,
        });
    }
}

/// Whole ones, which timers keep exactly.
fn millis(rng: &mut fastrand::Rng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(rng.u64(range))
}

#[tokio::test(start_paused = true)]
async fn no_call_ends_after_its_deadline_or_waits_in_vain() {
    let mut rng = fastrand::Rng::with_seed(13);
    for _ in 0..3_000 {
        let plan = Plan::random(&mut rng);
        let faults = plan.faults().await;
        assert!(faults.is_empty(), "{}\n{plan:#?}", faults.join("\n"));
    }
}
