//! A service that keeps a record of what reaches it, and answers as the test says.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tidegate::policy::{
    Attempt, CallError, Classify, Op, Policy, PolicyBuilder, Retry, StopReason, Verdict,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

/// An error that is nothing but its verdict.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Failed(pub(crate) Verdict);

impl Classify for Failed {
    fn verdict(&self) -> Verdict {
        self.0
    }
}

pub(crate) type Answer = Result<u32, Failed>;

/// A policy whose random delays repeat.
pub(crate) fn policy() -> PolicyBuilder {
    Policy::named("api").seed(1)
}

/// A policy whose calls make at most so many attempts.
pub(crate) fn attempts(max_attempts: u32) -> PolicyBuilder {
    policy().retry(Retry {
        max_attempts,
        ..Retry::default()
    })
}

pub(crate) const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(crate) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Calls once with answers given in order; the last one repeats.
pub(crate) async fn call_with(
    policy: &Policy,
    op: Op,
    answers: &[Answer],
) -> Result<u32, CallError<Failed>> {
    let answers = answers.to_vec();
    policy
        .call(op, move |attempt: Attempt| {
            let at = (attempt.number as usize - 1).min(answers.len() - 1);
            let answer = answers[at];
            async move { answer }
        })
        .await
}

/// Why a call with these answers stopped.
pub(crate) async fn stop(policy: &Policy, op: Op, answers: &[Answer]) -> StopReason {
    call_with(policy, op, answers)
        .await
        .expect_err("the call fails")
        .why
}

/// Fails `n` calls in a way that cannot be repeated: the shortest way to say something of the service.
pub(crate) async fn fail_times(policy: &Policy, n: u32, verdict: Verdict) {
    for _ in 0..n {
        stop(policy, Op::unsafe_to_repeat(), &[Err(Failed(verdict))]).await;
    }
}

/// A service with a clock: when each attempt came, and how many were there at once.
#[derive(Clone, Default)]
pub(crate) struct Service(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    sends: Vec<Instant>,
    open: usize,
    most_open: usize,
}

impl Service {
    /// One request that takes `work`. Dropping it half way closes it.
    pub(crate) async fn serve(&self, work: Duration) {
        struct Open<'a>(&'a Service);
        impl Drop for Open<'_> {
            fn drop(&mut self) {
                self.0.0.lock().unwrap().open -= 1;
            }
        }
        {
            let mut seen = self.0.lock().unwrap();
            seen.sends.push(Instant::now());
            seen.open += 1;
            seen.most_open = seen.most_open.max(seen.open);
        }
        let _open = Open(self);
        sleep(work).await;
    }

    pub(crate) fn sends(&self) -> Vec<Instant> {
        self.0.lock().unwrap().sends.clone()
    }

    pub(crate) fn most_open(&self) -> usize {
        self.0.lock().unwrap().most_open
    }

    /// The most requests in any span of this length that begins with one of them.
    pub(crate) fn most_within(&self, span: Duration) -> usize {
        let sends = self.sends();
        let within = |i: usize| {
            sends[i..]
                .iter()
                .take_while(|at| **at - sends[i] < span)
                .count()
        };
        (0..sends.len()).map(within).max().unwrap_or(0)
    }
}

/// Starts so many calls at once; the n-th takes `work(n)` at the service.
pub(crate) fn start_calls(
    policy: &Policy,
    service: &Service,
    n: u32,
    work: impl Fn(u32) -> Duration,
) -> JoinSet<()> {
    let mut calls = JoinSet::new();
    for n in 0..n {
        let (policy, service, work) = (policy.clone(), service.clone(), work(n));
        calls.spawn(async move {
            let serve = async |_| -> Answer {
                service.serve(work).await;
                Ok(1)
            };
            policy.call(Op::idempotent(), serve).await.unwrap();
        });
    }
    calls
}
