//! A call that succeeds at its first attempt, through every stage of a policy.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::hint::black_box;
use std::mem;
use std::task::Poll;
use std::time::Duration;

use tidegate::policy::{
    Breaker, Classify, Hedge, Op, Outage, Policy, PolicyBuilder, Retry, Verdict,
};

/// The rate is one that no loop reaches; each call still takes a token.
pub const RATE: f64 = 1e9;
/// How many attempts may be in flight.
pub const IN_FLIGHT: usize = 64;
/// How long an attempt may take.
pub const TIMEOUT: Duration = Duration::from_secs(2);

/// Five stages: retry, its budget, permit, token and attempt timeout.
pub fn five() -> PolicyBuilder {
    Policy::named("five")
        .in_flight(IN_FLIGHT)
        .rate(RATE)
        .burst(1_000_000)
        .attempt_timeout(TIMEOUT)
        .retry(Retry::default())
}

/// The same, and what acts only when there is trouble: breaker, health and hedge.
pub fn all() -> PolicyBuilder {
    five()
        .breaker(Breaker::default())
        .outage(Outage::default())
        .hedge(Hedge::default())
}

/// Makes `n` calls, one after the other.
///
/// # Cancel safety
///
/// Dropping it drops the call that is under way; no further one is made.
///
/// # Panics
///
/// If a call fails.
pub async fn calls<Fut>(policy: &Policy, n: usize, attempt: impl Fn() -> Fut)
where
    Fut: Future<Output = Result<(), Broken>>,
{
    for _ in 0..n {
        let answer = policy.call(Op::idempotent(), |_| attempt()).await;
        assert!(black_box(answer).is_ok(), "no attempt fails");
    }
}

/// An attempt that is done at once.
///
/// # Cancel safety
///
/// There is nothing to lose.
///
/// # Errors
///
/// None.
pub async fn attempt() -> Result<(), Broken> {
    black_box(Ok(()))
}

/// An attempt that is not done at its first poll, as every request is: its timeout becomes a timer.
///
/// # Cancel safety
///
/// There is nothing to lose.
///
/// # Errors
///
/// None.
pub async fn waiting_attempt() -> Result<(), Broken> {
    let mut asked = false;
    poll_fn(|cx| {
        if mem::replace(&mut asked, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    attempt().await
}

/// The error that no attempt here has.
#[derive(Debug)]
pub struct Broken;

impl Classify for Broken {
    fn verdict(&self) -> Verdict {
        Verdict::transient()
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}

impl Error for Broken {}
