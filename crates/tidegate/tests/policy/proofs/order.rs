//! Who is next, against a model that keeps the list of all who wait.

use std::{cell::RefCell, time::Duration};

use futures_util::future::join_all;
use tidegate::policy::{Attempt, Budget, Hedge, HedgeAfter, Op, Policy, Queue, Retry, Verdict};
use tokio::time::{Instant, sleep, timeout};

use super::Failed;

/// A policy and calls through it. All times are whole milliseconds, which timers keep exactly.
#[derive(Debug)]
struct Plan {
    in_flight: usize,
    newest_first_after: Option<Duration>,
    /// Calls that are hedged are not repeated, so that it is known when each joins.
    hedged_after: Option<Duration>,
    calls: Vec<Call>,
}

#[derive(Debug)]
struct Call {
    comes: Duration,
    deadline: Option<Duration>,
    dropped: Option<Duration>,
    attempts: Vec<Try>,
}

/// An attempt fails if the service says when to come again.
#[derive(Clone, Copy, Debug)]
struct Try {
    takes: Duration,
    again: Option<Duration>,
}

/// A wait at the gate.
#[derive(Clone, Copy, Debug)]
struct Wait {
    call: usize,
    is_retry: bool,
    since: Duration,
    deadline: Option<Duration>,
    /// When it was let through, refused or dropped.
    ended: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Start {
    call: usize,
    at: Duration,
    is_hedge: bool,
}

/// What happened; times are since the beginning.
#[derive(Debug)]
struct Log {
    began: Instant,
    waits: Vec<Wait>,
    starts: Vec<Start>,
    /// When permits came back.
    ends: Vec<Duration>,
}

/// What random plans have shown.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Attempts that started, and those among them that the model could judge.
    pub(crate) starts: usize,
    pub(crate) judged: usize,
    pub(crate) faults: Vec<String>,
}

impl Found {
    /// Plays one more plan, in virtual time.
    pub(crate) async fn add(&mut self, rng: &mut fastrand::Rng) {
        let plan = Plan::random(rng);
        let log = plan.play().await;
        let (judged, faults) = log.faults(&plan);
        self.starts += log.starts.len();
        self.judged += judged;
        if !faults.is_empty() {
            self.faults
                .push(format!("{faults:#?}\n{log:#?}\n{plan:#?}"));
        }
    }
}

impl Plan {
    fn random(rng: &mut fastrand::Rng) -> Self {
        let hedged_after = (rng.u8(0..4) == 0).then(|| millis(rng, 5..60));
        Self {
            in_flight: rng.usize(1..=3),
            newest_first_after: rng.bool().then(|| millis(rng, 20..300)),
            hedged_after,
            calls: (0..rng.usize(3..40))
                .map(|_| Call::random(rng, hedged_after.is_none()))
                .collect(),
        }
    }

    fn policy(&self) -> Policy {
        let builder = Policy::named("order")
            .in_flight(self.in_flight)
            .queue(Queue {
                newest_first_after: self.newest_first_after,
                ..Queue::default()
            })
            .retry(Retry {
                base: Duration::ZERO,
                max_attempts: 4,
                ..Retry::default()
            })
            .budget(Budget {
                retry_cost: 1,
                ..Budget::default()
            });
        let hedge = |after| Hedge {
            after: HedgeAfter::Fixed(after),
            tokens: 1_000,
            ..Hedge::default()
        };
        let builder = match self.hedged_after {
            Some(after) => builder.hedge(hedge(after)),
            None => builder,
        };
        builder.build().expect("every plan is an allowed policy")
    }

    async fn play(&self) -> Log {
        let policy = self.policy();
        let log = RefCell::new(Log {
            began: Instant::now(),
            waits: Vec::new(),
            starts: Vec::new(),
            ends: Vec::new(),
        });
        let calls = self.calls.iter().enumerate();
        join_all(calls.map(|(which, call)| call.play(which, &policy, &log))).await;
        log.into_inner()
    }
}

impl Call {
    fn random(rng: &mut fastrand::Rng, repeats: bool) -> Self {
        let attempts = (0..4).map(|_| Try {
            takes: millis(rng, 1..150),
            again: (repeats && rng.u8(0..3) == 0).then(|| millis(rng, 1..100)),
        });
        Self {
            attempts: attempts.collect(),
            comes: millis(rng, 0..1_500),
            deadline: (rng.u8(0..4) == 0).then(|| millis(rng, 1..800)),
            dropped: (rng.u8(0..6) == 0).then(|| millis(rng, 1..800)),
        }
    }

    async fn play(&self, which: usize, policy: &Policy, log: &RefCell<Log>) {
        sleep(self.comes).await;
        let (began, now) = (log.borrow().began, || log.borrow().began.elapsed());
        let since = now();
        let deadline = self.deadline.map(|after| since + after);
        let op = Op::idempotent();
        let op = deadline.map_or(op, |at| op.deadline(began + at));
        let waits = |is_retry, since| {
            log.borrow_mut().waits.push(Wait {
                call: which,
                is_retry,
                since,
                deadline,
                ended: None,
            });
        };
        waits(false, since);
        let attempt = async |attempt: Attempt| {
            let at = attempt.started - began;
            let is_hedge = attempt.is_hedge;
            log.borrow_mut().start(Start {
                call: which,
                at,
                is_hedge,
            });
            let _ends = Ends(log);
            let this = self.attempts[(attempt.number as usize - 1).min(self.attempts.len() - 1)];
            sleep(this.takes).await;
            let Some(again) = this.again else {
                return Ok(());
            };
            let again = now() + again;
            waits(true, again);
            Err(Failed(Verdict::transient().retry_at(began + again)))
        };
        let call = policy.call(op, attempt);
        match self.dropped {
            Some(after) => drop(timeout(after, call).await),
            None => drop(call.await),
        }
        log.borrow_mut().end_wait(which, began.elapsed());
    }
}

struct Ends<'a>(&'a RefCell<Log>);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        let mut log = self.0.borrow_mut();
        let at = log.began.elapsed();
        log.ends.push(at);
    }
}

impl Log {
    fn start(&mut self, start: Start) {
        self.starts.push(start);
        if !start.is_hedge {
            self.end_wait(start.call, start.at);
        }
    }

    fn end_wait(&mut self, call: usize, at: Duration) {
        let waits = self.waits.iter_mut().rev();
        if let Some(wait) = waits.into_iter().find(|wait| wait.call == call) {
            wait.ended.get_or_insert(at);
        }
    }

    /// Whether it was let through as it came.
    fn comes(&self, start: &Start) -> bool {
        let mut waits = self.waits.iter();
        waits.any(|wait| wait.call == start.call && wait.since == start.at)
    }

    /// Who is to be let through at this instant, by the documentation; `None` when two things happen in it, whose order
    /// decides.
    fn next(&self, start: &Start, after: Option<Duration>) -> Option<Next> {
        let at = start.at;
        let others = |wait: &&Wait| wait.call != start.call || start.is_hedge;
        let ties =
            self.waits.iter().filter(others).any(|wait| {
                wait.since == at || wait.ended == Some(at) || wait.deadline == Some(at)
            });
        let starts = self.starts.iter().filter(|other| other.at == at).count();
        if ties || starts > 1 || self.comes(start) && self.ends.contains(&at) {
            return None;
        }
        let waits = |wait: &&Wait| wait.since < at && wait.ended.is_none_or(|ended| ended >= at);
        let waiting: Vec<_> = self.waits.iter().filter(waits).collect();
        let Some(rank) = waiting.iter().map(|wait| !wait.is_retry).min() else {
            return Some(Next::Nobody);
        };
        let rank = || waiting.iter().filter(|wait| wait.is_retry != rank);
        let oldest = rank().min_by_key(|wait| wait.since)?;
        let newest = rank().max_by_key(|wait| wait.since)?;
        let next = match after {
            Some(after) if at - oldest.since == after => return None,
            Some(after) if at - oldest.since > after => newest,
            _ => oldest,
        };
        let same = rank().filter(|wait| wait.since == next.since).count();
        (same == 1).then_some(Next::Call(next.call))
    }

    /// What contradicts the model; how many starts were judged.
    fn faults(&self, plan: &Plan) -> (usize, Vec<String>) {
        let (mut judged, mut faults) = (0, Vec::new());
        for start in &self.starts {
            let Some(next) = self.next(start, plan.newest_first_after) else {
                continue;
            };
            judged += 1;
            let comes = self.comes(start);
            let expected = match next {
                Next::Nobody => start.is_hedge || comes,
                Next::Call(call) => call == start.call && !start.is_hedge,
            };
            if !expected {
                faults.push(format!("{start:?} where {next:?} was next"));
            }
            if !comes && !start.is_hedge && !self.ends.contains(&start.at) {
                faults.push(format!("{start:?} had waited although there was a permit"));
            }
        }
        (judged, faults)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Next {
    Nobody,
    Call(usize),
}

fn millis(rng: &mut fastrand::Rng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(rng.u64(range))
}

#[tokio::test(start_paused = true)]
async fn calls_are_let_through_in_the_order_of_the_model() {
    let mut rng = fastrand::Rng::with_seed(4);
    let mut found = Found::default();
    for _ in 0..2_000 {
        found.add(&mut rng).await;
        assert!(found.faults.is_empty(), "{:#?}", found.faults);
    }
    assert!(found.judged * 10 > found.starts * 8, "{found:?}");
}
