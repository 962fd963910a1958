//! Calls that are stopped at any of their awaits leave nothing behind: permits, places, tokens of either budget, probes.
//!
//! The programs are stopped here at each poll of each call, in the crate of the harness at every await that they have.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, resume_unwind},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
    time::Duration,
};

use futures_util::{FutureExt, future::join_all};
use tidegate::policy::{
    Attempt, Breaker, BreakerState, Budget, Class, Classify, Hedge, HedgeAfter, Op, Outage, Policy,
    PolicyBuilder, Queue, Sent, StopCounts, Verdict,
};
use tokio::{
    runtime::{Builder, Runtime},
    time::{Instant, sleep},
};

const MS: Duration = Duration::from_millis(1);

const RETRY_COST: u32 = 14;

/// A policy, and how each of the calls through it goes.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    policy: fn(PolicyBuilder) -> PolicyBuilder,
    calls: &'static [Call],
}

/// How a call goes. An attempt takes some milliseconds, then ends.
#[derive(Clone, Copy)]
struct Call {
    /// The last one repeats.
    attempts: &'static [(u32, Option<Class>)],
    has_fallback: bool,
    timeout: Duration,
}

const fn call(attempts: &'static [(u32, Option<Class>)]) -> Call {
    Call {
        attempts,
        has_fallback: false,
        timeout: Duration::from_secs(1),
    }
}

const ANSWERS: Call = call(&[(1, None)]);
const RECOVERS: Call = call(&[(1, Some(Class::Transient)), (1, None)]);
const FAILS: Call = call(&[(1, Some(Class::Transient))]);
const IS_SLOW: Call = call(&[(9, None), (1, None)]);
const THROTTLED: Call = call(&[(1, Some(Class::Throttled)), (1, Some(Class::Fatal))]);

pub(crate) const PROGRAMS: &[Program] = &[
    Program {
        name: "plain",
        policy: |policy| policy.in_flight(1),
        calls: &[ANSWERS, ANSWERS, ANSWERS],
    },
    Program {
        name: "rate",
        policy: |policy| policy.rate(200.0),
        calls: &[ANSWERS, RECOVERS, ANSWERS],
    },
    Program {
        name: "retry",
        policy: |policy| policy.in_flight(2),
        calls: &[RECOVERS, FAILS, THROTTLED],
    },
    Program {
        name: "attempt timeout",
        policy: |policy| policy.in_flight(1),
        calls: &[
            Call {
                timeout: Duration::from_millis(3),
                ..IS_SLOW
            },
            ANSWERS,
        ],
    },
    Program {
        name: "half-open",
        policy: |policy| policy.breaker(Breaker::default()),
        calls: &[ANSWERS, RECOVERS, ANSWERS],
    },
    Program {
        name: "waiting at half-open",
        policy: |policy| policy.breaker(Breaker::default()).outage(outage()),
        calls: &[ANSWERS, ANSWERS, ANSWERS],
    },
    Program {
        name: "down",
        policy: |policy| policy.outage(outage()),
        calls: &[RECOVERS, ANSWERS, ANSWERS],
    },
    Program {
        name: "hedge",
        policy: |policy| policy.in_flight(3).hedge(hedge()),
        calls: &[IS_SLOW, IS_SLOW],
    },
    Program {
        name: "hedge that waits",
        policy: |policy| policy.in_flight(2).hedge(hedge()),
        calls: &[IS_SLOW, IS_SLOW, ANSWERS],
    },
    Program {
        name: "fallback",
        policy: |policy| policy.in_flight(1),
        calls: &[
            Call {
                has_fallback: true,
                ..FAILS
            },
            ANSWERS,
        ],
    },
    Program {
        name: "queue full",
        policy: |policy| policy.in_flight(1).queue(Queue::bounded(1)),
        calls: &[ANSWERS, ANSWERS, ANSWERS, RECOVERS],
    },
];

fn outage() -> Outage {
    Outage {
        failures: 1,
        patience: Some(Duration::from_secs(2)),
        ..Outage::default()
    }
}

fn hedge() -> Hedge {
    Hedge {
        after: HedgeAfter::Fixed(2 * MS),
        // So that the balance says how many were sent.
        earned_per_mille: 0,
        ..Hedge::default()
    }
}

/// A program under way, and what it may have spent.
pub(crate) struct Subject {
    program: &'static Program,
    policy: Policy,
    /// Tokens of the retry budget that judged failures have cost.
    lost: AtomicU32,
    polls: AtomicUsize,
    /// Which poll of an attempt panics.
    panics_at: Option<usize>,
}

struct Failed(Class);

impl Classify for Failed {
    fn verdict(&self) -> Verdict {
        Verdict::new(self.0, Sent::Answered)
    }
}

pub(crate) type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Subject {
    pub(crate) fn new(program: &'static Program) -> Arc<Self> {
        Self::panicking(program, None)
    }

    fn panicking(program: &'static Program, panics_at: Option<usize>) -> Arc<Self> {
        let budget = Budget {
            earned: 0,
            ..Budget::default()
        };
        let policy = (program.policy)(Policy::named("stopped").seed(14).budget(budget));
        Arc::new(Self {
            program,
            policy: policy.build().expect("every program is an allowed policy"),
            lost: AtomicU32::new(0),
            polls: AtomicUsize::new(0),
            panics_at,
        })
    }

    /// The calls; they begin when they are polled.
    pub(crate) fn calls(self: &Arc<Self>) -> Vec<Running> {
        // Where there is a breaker, it is half-open.
        self.policy.open_breaker(Some(Instant::now()));
        let run = |call: &Call| {
            let (this, call) = (Arc::clone(self), *call);
            let running: Running = Box::pin(async move { this.call(call).await });
            running
        };
        self.program.calls.iter().map(run).collect()
    }

    async fn call(&self, call: Call) {
        let op = Op::idempotent().timeout(call.timeout);
        let attempt = |attempt| self.attempt(call, attempt);
        if call.has_fallback {
            let fallback = async |_: &_| {
                sleep(MS).await;
                Ok(())
            };
            drop(self.policy.call_or(op, attempt, 5 * MS, fallback).await);
        } else {
            drop(self.policy.call(op, attempt).await);
        }
    }

    async fn attempt(&self, call: Call, attempt: Attempt) -> Result<(), Failed> {
        let last = call.attempts.len() - 1;
        let (takes, class) = call.attempts[last.min(attempt.number as usize - 1)];
        let mut work = pin!(sleep(takes * MS));
        poll_fn(|cx| {
            if self.panics_at == Some(self.polls.fetch_add(1, SeqCst)) {
                resume_unwind(Box::new("on purpose"));
            }
            work.as_mut().poll(cx)
        })
        .await;
        let Some(class) = class else { return Ok(()) };
        if attempt.number > 1 {
            // It was paid by the class of the attempt before.
            let (_, before) = call.attempts[last.min(attempt.number as usize - 2)];
            let throttled = before == Some(Class::Throttled);
            let cost = if throttled { 5 } else { RETRY_COST };
            self.lost.fetch_add(cost, SeqCst);
        }
        Err(Failed(class))
    }

    /// When all calls are over: what is missing, or was kept.
    pub(crate) fn left(&self) -> Result<(), String> {
        let it = self.policy.snapshot();
        let mut faults = Vec::new();
        let mut expect = |what: &str, found: f64, expected: f64| {
            if found != expected {
                faults.push(format!("{what} {found}, not {expected}"));
            }
        };
        expect("in flight", it.in_flight as f64, 0.0);
        expect("waiting", it.waiting as f64, 0.0);
        let lost = self.lost.load(SeqCst);
        expect("the budget is", it.budget.into(), (500 - lost).into());
        let flow = it.budget_flow;
        let lost_by_flow = flow.paid as f64 - flow.refunded as f64;
        expect("of the budget are lost", lost_by_flow, lost.into());
        expect("permits", it.consulted.permit as f64, it.requests as f64);
        if it.rate.is_some() {
            expect("tokens", it.consulted.rate as f64, it.requests as f64);
        }
        if let Some(hedge) = it.hedge {
            expect("hedge tokens", hedge.tokens, 10.0 - hedge.sent as f64);
        }
        if let Some(BreakerState::HalfOpen { out, .. }) = it.breaker.map(|it| it.state) {
            expect("probes out", out.into(), 0.0);
        }
        let calls = it.calls;
        let ended = calls.succeeded + sum(&calls.stopped) + calls.dropped;
        expect("calls ended", ended as f64, calls.started as f64);
        if faults.is_empty() {
            return Ok(());
        }
        Err(format!("{}: {}", self.program.name, faults.join(", ")))
    }
}

fn sum(stopped: &StopCounts) -> u64 {
    [
        stopped.not_retriable,
        stopped.attempts_exhausted,
        stopped.budget_exhausted,
        stopped.deadline_too_close,
        stopped.server_said_no,
        stopped.not_replayable,
        stopped.cancelled,
        stopped.full,
        stopped.gave_up,
        stopped.breaker_open,
        stopped.left_to_outer,
    ]
    .iter()
    .sum()
}

/// Stops each call of a program at each of its polls, by a drop and by a panic of each poll of an attempt. How often that
/// was done, and what was left.
pub(crate) fn leaks(program: &'static Program) -> (usize, Vec<String>) {
    let (mut runs, mut faults) = (0, Vec::new());
    let mut run = |subject: Arc<Subject>, stops: Option<(usize, usize)>| {
        let stopped = play(&subject, stops);
        runs += 1;
        faults.extend(subject.left().err().map(|what| {
            let panics_at = subject.panics_at;
            format!("{what} (stopped {stops:?}, panic {panics_at:?})")
        }));
        stopped
    };
    for which in 0..program.calls.len() {
        let mut poll = 0;
        while run(Subject::new(program), Some((which, poll))) {
            poll += 1;
        }
    }
    let mut poll = 0;
    while run(Subject::panicking(program, Some(poll)), None) {
        poll += 1;
    }
    (runs, faults)
}

/// Runs all calls, and drops one of them after some of its polls. Whether it was dropped, or anything has panicked.
fn play(subject: &Arc<Subject>, stops: Option<(usize, usize)>) -> bool {
    runtime().block_on(async {
        let calls = subject
            .calls()
            .into_iter()
            .enumerate()
            .map(|(which, call)| {
                let stops_after = stops.filter(|stops| stops.0 == which).map(|stops| stops.1);
                AssertUnwindSafe(stop_after(call, stops_after)).catch_unwind()
            });
        let ends = join_all(calls).await;
        ends.into_iter().any(|end| end.unwrap_or(true))
    })
}

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("the system gives what a runtime needs")
}

/// Drops `call` after this many polls. Whether it was not over by then.
async fn stop_after(call: Running, polls: Option<usize>) -> bool {
    let (mut call, mut left) = (Some(call), polls);
    poll_fn(move |cx| {
        let Some(running) = &mut call else {
            return Poll::Ready(true);
        };
        if left != Some(0) {
            if running.as_mut().poll(cx).is_ready() {
                return Poll::Ready(false);
            }
            left = left.map(|left| left - 1);
        }
        if left == Some(0) {
            call = None;
            return Poll::Ready(true);
        }
        Poll::Pending
    })
    .await
}

#[test]
fn calls_that_are_dropped_or_panic_leave_nothing() {
    for program in PROGRAMS {
        let (runs, faults) = leaks(program);
        assert!(faults.is_empty(), "{faults:#?}");
        assert!(runs > 3 * program.calls.len(), "{} {runs}", program.name);
    }
}

#[test]
fn a_call_that_is_forgotten_is_found() {
    for program in PROGRAMS {
        let subject = Subject::new(program);
        runtime().block_on(async {
            let call = Box::leak(Box::new(subject.calls().swap_remove(0)));
            assert!(call.as_mut().now_or_never().is_none());
        });
        assert!(subject.left().is_err(), "{}", program.name);
    }
}
