//! The configuration of a policy, checked when it is built.

use std::{error, fmt, ops::RangeInclusive, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    call,
    config::{Breaker, Budget, Hedge, HedgeAfter, Outage, Queue, Retry},
    error::CallError,
    gate::Shared,
    limiter::Gcra,
    op::{Attempt, Op},
    snapshot::Snapshot,
    state::State,
    verdict::Classify,
};

/// The limits in front of one service. Clones share them.
#[derive(Clone)]
pub struct Policy {
    pub(super) shared: Arc<Shared>,
}

impl Policy {
    /// Begins the policy of the service `name`; the name appears in [`Snapshot`] and [`BadPolicy`].
    pub fn named(name: impl Into<Arc<str>>) -> PolicyBuilder {
        PolicyBuilder {
            name: name.into(),
            in_flight: 16,
            queue: Queue::default(),
            rate: None,
            burst: 1,
            attempt_timeout: Duration::from_secs(30),
            retry: Retry::default(),
            budget: Budget::default(),
            outage: None,
            breaker: None,
            hedge: None,
            min_attempt: Duration::ZERO,
            seed: None,
        }
    }

    /// Calls the service: runs `attempt` until one attempt succeeds or none may follow.
    ///
    /// Each attempt passes the gate first (health, pause, permit and token, in one queue, all taken at the send), and is
    /// dropped when its timeout is over. `attempt` is called once per attempt.
    ///
    /// While the policy has an [`Outage`] and the service is down, attempts that failed because of it are not counted: the
    /// call waits at the gate until the service is back, its [`Op::deadline`] is near, or the patience is at its end.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the attempt in progress, returns permit, probe and place in the queue, and counts for
    /// nothing: neither for the budget nor for the health of the service. The request may have been acted on.
    ///
    /// # Errors
    ///
    /// [`CallError::why`] says why no further attempt was made; [`CallError::last`] is the last real error, unchanged.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time enabled. A panic of the attempt passes through and returns all it held.
    pub fn call<T, E, C, Fut>(
        &self,
        op: Op,
        attempt: C,
    ) -> impl Future<Output = Result<T, CallError<E>>> + use<T, E, C, Fut>
    where
        C: FnMut(Attempt) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: Classify,
    {
        call::run(Arc::clone(&self.shared), op, attempt)
    }

    /// Calls the service as [`call`](Self::call) does, and asks `fallback` when that has no value.
    ///
    /// For an answer that is worse but good enough: one kept from before, a default. It must not ask the same service.
    /// It is given what went wrong, and `within` for itself, which is kept free before the call's deadline. Values that come
    /// from it are counted apart: a service is not better for them.
    ///
    /// # Cancel safety
    ///
    /// As [`call`](Self::call); a fallback under way is dropped and counts as failed.
    ///
    /// # Errors
    ///
    /// Why the call had no value, unchanged, if the fallback had none in time either; its own error is
    /// [`CallError::fallback`]. It is not asked when the attempt itself reported that its caller had given up.
    ///
    /// # Panics
    ///
    /// As [`call`](Self::call). A panic is never answered by the fallback.
    pub fn call_or<T, E, C, Fut, F>(
        &self,
        op: Op,
        attempt: C,
        within: Duration,
        fallback: F,
    ) -> impl Future<Output = Result<T, CallError<E>>> + use<T, E, C, Fut, F>
    where
        C: FnMut(Attempt) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        F: AsyncFnOnce(&CallError<E>) -> Result<T, E>,
        E: Classify,
    {
        call::run_or(Arc::clone(&self.shared), op, attempt, within, fallback)
    }

    /// Opens the breaker by hand: nobody is sent before `until`, then probes are; with `None`, nobody before
    /// [`close_breaker`](Self::close_breaker). Without a [`Breaker`] it does nothing.
    pub fn open_breaker(&self, until: Option<Instant>) {
        self.shared
            .with(|state, now| state.open_breaker(until, now));
    }

    /// Closes the breaker, whatever opened it, and forgets what it saw.
    pub fn close_breaker(&self) {
        self.shared.with(State::close_breaker);
    }

    /// The policy's figures at this instant.
    pub fn snapshot(&self) -> Snapshot {
        self.shared
            .with(|state, now| state.snapshot(&self.shared.name, now))
    }

    /// How many more calls could be under way or wait for their turn before they are as many as the concurrency limit.
    ///
    /// For feeders: what is started beyond it would only stand in the queue. Calls between two attempts do not count.
    pub fn room(&self) -> usize {
        self.shared.with(|state, _| state.room())
    }

    /// Changes the rate, in attempts per second; the burst stays. A call that waits learns of it at once.
    ///
    /// # Errors
    ///
    /// If the rate is outside 1e-6 to 1e9. The old rate stays.
    pub fn set_rate(&self, per_second: f64) -> Result<(), BadPolicy> {
        check_rate(&self.shared.name, per_second)?;
        self.shared
            .with(|state, now| state.set_rate(per_second, now));
        Ok(())
    }

    /// Changes how many attempts may be in flight. If more are, they finish, and none starts until fewer are.
    ///
    /// # Errors
    ///
    /// If the limit is 0. The old limit stays.
    pub fn set_in_flight(&self, limit: usize) -> Result<(), BadPolicy> {
        check_count(&self.shared.name, "in_flight", limit)?;
        self.shared
            .with(|state, now| state.set_in_flight(limit, now));
        Ok(())
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("name", &self.shared.name)
            .finish_non_exhaustive()
    }
}

/// A policy in the making. See [`Policy::named`].
#[derive(Clone, Debug)]
#[must_use = "a policy exists once it is built"]
pub struct PolicyBuilder {
    pub(super) name: Arc<str>,
    pub(super) in_flight: usize,
    pub(super) queue: Queue,
    pub(super) rate: Option<f64>,
    pub(super) burst: u32,
    pub(super) attempt_timeout: Duration,
    pub(super) retry: Retry,
    pub(super) budget: Budget,
    pub(super) outage: Option<Outage>,
    pub(super) breaker: Option<Breaker>,
    pub(super) hedge: Option<Hedge>,
    pub(super) min_attempt: Duration,
    pub(super) seed: Option<u64>,
}

impl PolicyBuilder {
    /// How many attempts may be in flight. Default 16.
    pub fn in_flight(self, limit: usize) -> Self {
        Self {
            in_flight: limit,
            ..self
        }
    }

    /// How many calls may wait for their turn, and who is next. Default: [`Queue::default`].
    pub fn queue(self, queue: Queue) -> Self {
        Self { queue, ..self }
    }

    /// How many attempts may start per second, evenly spaced. Default: no limit.
    pub fn rate(self, per_second: f64) -> Self {
        Self {
            rate: Some(per_second),
            ..self
        }
    }

    /// How many attempts may start at once after a silence; never less than 5 ms of the rate. Default 1.
    ///
    /// No second sees more than rate + burst + 1 attempts.
    pub fn burst(self, attempts: u32) -> Self {
        Self {
            burst: attempts,
            ..self
        }
    }

    /// How long one attempt may take; [`Op::timeout`] overrides it. Default 30 s.
    pub fn attempt_timeout(self, limit: Duration) -> Self {
        Self {
            attempt_timeout: limit,
            ..self
        }
    }

    /// When and how often attempts are repeated. Default: [`Retry::default`].
    pub fn retry(self, retry: Retry) -> Self {
        Self { retry, ..self }
    }

    /// What repetitions cost. Default: [`Budget::default`].
    pub fn budget(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }

    /// Watches the service's health and lets calls wait while it is down. Default: not watched.
    pub fn outage(self, outage: Outage) -> Self {
        Self {
            outage: Some(outage),
            ..self
        }
    }

    /// Refuses calls for a while when too many of them fail. Default: never.
    ///
    /// With an [`outage`](Self::outage) as well, calls are not refused but wait, as they do for a service that is down.
    pub fn breaker(self, breaker: Breaker) -> Self {
        Self {
            breaker: Some(breaker),
            ..self
        }
    }

    /// Sends a second attempt beside one that takes long. Default: never.
    pub fn hedge(self, hedge: Hedge) -> Self {
        Self {
            hedge: Some(hedge),
            ..self
        }
    }

    /// An attempt that would have less time than this before the call's deadline is not started. Default 0.
    pub fn min_attempt(self, least: Duration) -> Self {
        Self {
            min_attempt: least,
            ..self
        }
    }

    /// Makes every random delay repeatable. Default: random.
    pub fn seed(self, seed: u64) -> Self {
        Self {
            seed: Some(seed),
            ..self
        }
    }

    /// Checks the configuration and makes the policy.
    ///
    /// # Errors
    ///
    /// [`BadPolicy`] names the setting and what it may be.
    pub fn build(self) -> Result<Policy, BadPolicy> {
        self.check()?;
        let state = State::new(&self);
        Ok(Policy {
            shared: Arc::new(Shared::new(self.name, self.attempt_timeout, state)),
        })
    }

    fn check(&self) -> Result<(), BadPolicy> {
        let name = &self.name;
        check_count(name, "in_flight", self.in_flight)?;
        if let Some(rate) = self.rate {
            check_rate(name, rate)?;
        }
        check_count(name, "burst", self.burst)?;
        check_time(name, "attempt_timeout", self.attempt_timeout)?;
        check_count(name, "retry.max_attempts", self.retry.max_attempts)?;
        let dearest = self.budget.retry_cost.max(self.budget.throttled_cost);
        if dearest > self.budget.tokens && self.retry.max_attempts > 1 {
            return Err(BadPolicy::new(
                name,
                format!(
                    "budget.tokens is {}, which never pays for a retry at {dearest}",
                    self.budget.tokens
                ),
            ));
        }
        if let Some(outage) = &self.outage {
            check_count(name, "outage.failures", outage.failures)?;
            check_time(name, "outage.probe_base", outage.probe_base)?;
            if outage.probe_cap < outage.probe_base {
                return Err(BadPolicy::new(
                    name,
                    "outage.probe_cap must not be shorter than outage.probe_base",
                ));
            }
        }
        if let Some(breaker) = &self.breaker {
            check_breaker(name, breaker)?;
        }
        if let Some(hedge) = &self.hedge {
            check_hedge(name, hedge)?;
        }
        Ok(())
    }
}

fn check_breaker(name: &str, breaker: &Breaker) -> Result<(), BadPolicy> {
    check_time(name, "breaker.window", breaker.window)?;
    check_count(name, "breaker.min_calls", breaker.min_calls)?;
    check_share(name, "breaker.failure_ratio", breaker.failure_ratio)?;
    if let Some(slow) = &breaker.slow {
        check_share(name, "breaker.slow.ratio", slow.ratio)?;
    }
    if let Some(consecutive) = breaker.consecutive {
        check_count(name, "breaker.consecutive", consecutive)?;
    }
    check_time(name, "breaker.open_for", breaker.open_for)?;
    if breaker.open_cap < breaker.open_for {
        return Err(BadPolicy::new(
            name,
            "breaker.open_cap must not be shorter than breaker.open_for",
        ));
    }
    check_count(name, "breaker.probes", breaker.probes)
}

fn check_hedge(name: &str, hedge: &Hedge) -> Result<(), BadPolicy> {
    if let HedgeAfter::Quantile(share) = hedge.after {
        check_share(name, "hedge.after", share)?;
    }
    check_count(name, "hedge.min_samples", hedge.min_samples)?;
    check_count(name, "hedge.tokens", hedge.tokens)
}

/// More than nothing, at most all.
fn check_share(name: &str, setting: &str, share: f64) -> Result<(), BadPolicy> {
    if share > 0.0 && share <= 1.0 {
        return Ok(());
    }
    Err(BadPolicy::new(
        name,
        format!("{setting} is {share}; it must be above 0 and at most 1"),
    ))
}

fn check_rate(name: &str, rate: f64) -> Result<(), BadPolicy> {
    const RATES: RangeInclusive<f64> = Gcra::RATES;
    if RATES.contains(&rate) {
        return Ok(());
    }
    let range = format!("from {:e} to {:e}", RATES.start(), RATES.end());
    Err(BadPolicy::new(
        name,
        format!("rate is {rate} per second; it must be {range}"),
    ))
}

fn check_count<N: PartialEq + From<u8>>(
    name: &str,
    setting: &str,
    count: N,
) -> Result<(), BadPolicy> {
    if count == N::from(0) {
        return Err(BadPolicy::new(
            name,
            format!("{setting} is 0; it must be at least 1"),
        ));
    }
    Ok(())
}

fn check_time(name: &str, setting: &str, time: Duration) -> Result<(), BadPolicy> {
    if time.is_zero() {
        return Err(BadPolicy::new(
            name,
            format!("{setting} is zero; it must be longer"),
        ));
    }
    Ok(())
}

/// A setting that no policy can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPolicy {
    message: String,
}

impl BadPolicy {
    fn new(name: &str, message: impl fmt::Display) -> Self {
        Self {
            message: format!("policy `{name}`: {message}"),
        }
    }
}

impl fmt::Display for BadPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl error::Error for BadPolicy {}
