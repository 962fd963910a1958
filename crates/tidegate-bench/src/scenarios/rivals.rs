//! Calls to compare with: without a policy's budget, and with budgets as others have them.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidegate::policy::{Budget, Op, Policy, PolicyBuilder, Retry};
use tidegate_test::overload::{Client, Outcome, Scenario, ServiceError};
use tokio::time::{Instant, sleep, timeout};

use super::part::ms;

/// How long each attempt may take, in all scenarios that do not say otherwise.
const ATTEMPT: Duration = ms(500);

pub(super) type Answer<E> = Pin<Box<dyn Future<Output = Result<(), E>> + Send>>;

/// A policy with its defaults, but no limit on what is in flight.
pub(super) fn ours() -> PolicyBuilder {
    Policy::named("service")
        .in_flight(1_000_000)
        .attempt_timeout(ATTEMPT)
}

/// Three attempts, whatever becomes of them.
pub(super) fn naive() -> PolicyBuilder {
    ours().budget(Budget {
        tokens: 1,
        retry_cost: 0,
        throttled_cost: 0,
        ..Budget::default()
    })
}

pub(super) fn no_retries() -> PolicyBuilder {
    ours().retry(Retry {
        max_attempts: 1,
        ..Retry::default()
    })
}

/// Every call of the scenario goes through one policy.
pub(super) fn through(policy: PolicyBuilder, scenario: Scenario, seed: u64) -> Outcome {
    let policy = policy
        .seed(seed)
        .build()
        .expect("the policies of this module are valid");
    scenario.seed(seed).run(move |client| -> Answer<()> {
        let policy = policy.clone();
        Box::pin(async move {
            let answer = policy.call(Op::idempotent(), |_| client.request());
            answer.await.map_err(drop)
        })
    })
}

/// The budget of Finagle and of tower: each *request* pays in a fifth of a retry, and ten retries a second are free. What
/// was paid in is good for ten seconds.
pub(super) fn finagle(scenario: Scenario, seed: u64) -> Outcome {
    let budget = Arc::new(Mutex::new(RequestBudget::new(seed)));
    scenario
        .seed(seed)
        .run(move |client| -> Answer<ServiceError> {
            let budget = Arc::clone(&budget);
            Box::pin(async move { with_budget(&client, &budget).await })
        })
}

async fn with_budget(client: &Client, budget: &Mutex<RequestBudget>) -> Result<(), ServiceError> {
    let lock = || budget.lock().unwrap_or_else(PoisonError::into_inner);
    lock().put(1.0);
    for attempt in 0.. {
        let error = match timeout(ATTEMPT, client.request()).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(_elapsed) => ServiceError::Failed,
        };
        let Some(delay) = lock().retry(attempt) else {
            return Err(error);
        };
        sleep(delay).await;
    }
    unreachable!("there are at most two retries")
}

#[derive(Debug)]
struct RequestBudget {
    /// What was paid in or taken, and when, in steps of a tenth of a second.
    moves: VecDeque<(Instant, f64)>,
    balance: f64,
    rng: fastrand::Rng,
}

impl RequestBudget {
    /// A retry costs so many requests.
    const COST: f64 = 5.0;
    const LASTS: Duration = Duration::from_secs(10);
    /// Ten free retries a second over that time.
    const RESERVE: f64 = 10.0 * 10.0 * Self::COST;

    fn new(seed: u64) -> Self {
        Self {
            moves: VecDeque::new(),
            balance: 0.0,
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    fn put(&mut self, amount: f64) {
        let now = Instant::now();
        while let Some((at, old)) = self.moves.front().copied()
            && at + Self::LASTS < now
        {
            self.balance -= old;
            self.moves.pop_front();
        }
        match self.moves.back_mut() {
            Some((at, sum)) if *at + ms(100) > now => *sum += amount,
            _ => self.moves.push_back((now, amount)),
        }
        self.balance += amount;
    }

    /// The delay before the next attempt, if it is paid.
    fn retry(&mut self, attempt: u32) -> Option<Duration> {
        self.put(0.0);
        if attempt == 2 || self.balance + Self::RESERVE < Self::COST {
            return None;
        }
        self.put(-Self::COST);
        Some((ms(50) * 2u32.pow(attempt)).mul_f64(self.rng.f64()))
    }
}
