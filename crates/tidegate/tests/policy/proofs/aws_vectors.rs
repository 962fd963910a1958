//! The vectors by which the AWS SDKs prove their standard retry mode, run against a policy that has their numbers.
//!
//! `data/aws_retry.json` says where each one comes from, and where a policy differs on purpose.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    fmt::Display,
    time::Duration,
};

use futures_util::future::join_all;
use serde::Deserialize;
use tidegate::policy::{Attempt, Budget, CallError, Op, Policy, Retry, StopReason, Verdict};
use tokio::{sync::watch, time::Instant};

use super::Failed;

/// Enough for the longest of them to come within 5 % of the ceiling, but for one in 10 million.
pub(crate) const SEEDS: u64 = 320;

#[derive(Deserialize)]
pub(crate) struct Book {
    behaviours: BTreeMap<String, Terms>,
    pub(crate) vectors: Vec<Vector>,
}

/// The numbers of one version of the specification.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Terms {
    base_ms: u64,
    throttled_base_ms: u64,
    retry_cost: u32,
    throttled_cost: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vector {
    name: String,
    source: String,
    behaviour: String,
    max_attempts: Option<u32>,
    tokens: Option<u32>,
    base_ms: Option<u64>,
    cap_ms: Option<u64>,
    retry_cost: Option<u32>,
    /// Why a policy does something else.
    differs: Option<String>,
    answers: Vec<Answer>,
}

/// What the service answers, and what follows from it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    /// Which of several callers gets it.
    #[serde(default)]
    caller: usize,
    class: Class,
    /// In how many milliseconds the service wants to be asked again.
    retry_after_ms: Option<u64>,
    then: Then,
    /// The balance afterwards.
    budget: u32,
    /// The delay of the vector.
    delay_ms: Option<u64>,
    /// From when to when a policy comes back, where that is not between zero and the vector's delay.
    ours_ms: Option<[u64; 2]>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Class {
    Ok,
    Transient,
    Throttled,
    Overload,
    Timeout,
    Fatal,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Then {
    Retry,
    Success,
    AttemptsExhausted,
    BudgetExhausted,
    NotRetriable,
}

pub(crate) fn book() -> Book {
    serde_json::from_str(include_str!("data/aws_retry.json")).expect("the vectors can be read")
}

impl Book {
    /// Runs a vector with many seeds, in virtual time, and says what is wrong.
    pub(crate) async fn faults(&self, vector: &Vector, seeds: u64) -> Vec<String> {
        let terms = &self.behaviours[&vector.behaviour];
        let mut longest = vec![Duration::ZERO; vector.answers.len()];
        let mut faults = Vec::new();
        for seed in 0..seeds {
            let run = Run::play(vector, terms, seed).await;
            for (longest, waited) in longest.iter_mut().zip(&run.waited) {
                *longest = (*longest).max(*waited);
            }
            faults.extend(run.faults);
            if !faults.is_empty() {
                break;
            }
        }
        for (number, (answer, longest)) in vector.answers.iter().zip(longest).enumerate() {
            let [least, most] = answer.delay();
            // Jitter reaches up to the delay that the vector has without it.
            if faults.is_empty() && longest < least + (most - least).mul_f64(0.95) {
                faults.push(format!(
                    "answer {number}: no delay is longer than {longest:?}"
                ));
            }
        }
        let mut name = format!("{} {} ({})", vector.behaviour, vector.name, vector.source);
        if let Some(why) = &vector.differs {
            name = format!("{name}, although {why}");
        }
        faults
            .into_iter()
            .map(|fault| format!("{name}: {fault}"))
            .collect()
    }
}

impl Answer {
    /// Between which delays the next attempt comes.
    fn delay(&self) -> [Duration; 2] {
        let most = self.delay_ms.unwrap_or(0);
        self.ours_ms.unwrap_or([0, most]).map(Duration::from_millis)
    }

    fn result(&self) -> Result<(), Failed> {
        let verdict = match self.class {
            Class::Ok => return Ok(()),
            Class::Transient => Verdict::transient(),
            Class::Throttled => Verdict::throttled(),
            Class::Overload => Verdict::overload(),
            Class::Timeout => Verdict::timeout(),
            Class::Fatal => Verdict::fatal(),
        };
        Err(Failed(match self.retry_after_ms {
            Some(delay) => verdict.retry_at(Instant::now() + Duration::from_millis(delay)),
            None => verdict,
        }))
    }
}

/// One vector with one seed.
struct Run<'a> {
    vector: &'a Vector,
    policy: Policy,
    /// The answers that each caller still gets.
    left: Vec<VecDeque<usize>>,
    waited: Vec<Duration>,
    faults: Vec<String>,
}

impl<'a> Run<'a> {
    async fn play(vector: &'a Vector, terms: &Terms, seed: u64) -> Self {
        let callers = vector.answers.iter().map(|answer| answer.caller).max();
        let mut left = vec![VecDeque::new(); callers.map_or(0, |last| last + 1)];
        for (number, answer) in vector.answers.iter().enumerate() {
            left[answer.caller].push_back(number);
        }
        let policy = policy(vector, terms, seed).await;
        let run = RefCell::new(Self {
            vector,
            policy: policy.clone(),
            left,
            waited: vec![Duration::ZERO; vector.answers.len()],
            faults: Vec::new(),
        });
        let turn = watch::Sender::new(0);
        let callers = run.borrow().left.len();
        join_all((0..callers).map(|who| call_all(&run, &turn, who))).await;
        let mut run = run.into_inner();
        run.expect_balance(vector.answers.len());
        run
    }

    /// After the answer before this one.
    fn expect_balance(&mut self, number: usize) {
        let Some(before) = number.checked_sub(1) else {
            return;
        };
        let (balance, expected) = (
            self.policy.snapshot().budget,
            self.vector.answers[before].budget,
        );
        if balance != expected {
            self.fault(
                before,
                format_args!("the balance is {balance}, not {expected}"),
            );
        }
    }

    fn expect_delay(&mut self, number: usize, waited: Duration) {
        let [least, most] = self.vector.answers[number].delay();
        // Timers are exact to a millisecond.
        if waited < least || waited > most + Duration::from_millis(1) {
            self.fault(
                number,
                format_args!("waited {waited:?}, not {least:?} to {most:?}"),
            );
        }
        self.waited[number] = waited;
    }

    fn expect_end(&mut self, number: usize, ended: Result<(), CallError<Failed>>) {
        let ended = ended.map_err(|error| error.why);
        let then = match ended {
            Ok(()) => Then::Success,
            Err(StopReason::AttemptsExhausted { .. }) => Then::AttemptsExhausted,
            Err(StopReason::BudgetExhausted) => Then::BudgetExhausted,
            Err(StopReason::NotRetriable) => Then::NotRetriable,
            // No vector ends like this.
            Err(_) => Then::Retry,
        };
        let expected = self.vector.answers[number].then;
        if then == Then::Retry || then != expected {
            self.fault(number, format_args!("{ended:?}, not {expected:?}"));
        }
    }

    fn fault(&mut self, number: usize, what: impl Display) {
        self.faults.push(format!("answer {number}: {what}"));
    }
}

async fn policy(vector: &Vector, terms: &Terms, seed: u64) -> Policy {
    let cost = vector.retry_cost.unwrap_or(terms.retry_cost);
    let tokens = vector.tokens.unwrap_or(500);
    let policy = Policy::named("aws")
        .seed(seed)
        .retry(Retry {
            max_attempts: vector.max_attempts.unwrap_or(3),
            base: Duration::from_millis(vector.base_ms.unwrap_or(terms.base_ms)),
            throttled_base: Duration::from_millis(terms.throttled_base_ms),
            cap: Duration::from_millis(vector.cap_ms.unwrap_or(20_000)),
            ..Retry::default()
        })
        .budget(Budget {
            tokens: tokens.max(cost),
            retry_cost: cost,
            throttled_cost: terms.throttled_cost,
            ..Budget::default()
        })
        .build()
        .expect("the numbers of the vectors are allowed");
    if tokens == 0 {
        let fails = async |attempt: Attempt| {
            let lasts = attempt.number > 1;
            let verdict = if lasts {
                Verdict::fatal()
            } else {
                Verdict::transient()
            };
            Err::<(), _>(Failed(verdict))
        };
        drop(policy.call(Op::idempotent(), fails).await);
    }
    policy
}

/// One of the callers: calls until its answers are used up. The order of all answers is that of the vector.
async fn call_all(run: &RefCell<Run<'_>>, turn: &watch::Sender<usize>, who: usize) {
    let policy = run.borrow().policy.clone();
    let is_done = || run.borrow().left[who].is_empty();
    while !is_done() {
        let last = &Cell::new(None);
        let attempt = |attempt: Attempt| {
            let number = run.borrow_mut().left[who].pop_front();
            async move {
                let Some(number) = number else {
                    run.borrow_mut().fault(0, "one more attempt than answers");
                    return Err(Failed(Verdict::fatal()));
                };
                if let Some((before, ended)) = last.get() {
                    run.borrow_mut()
                        .expect_delay(before, attempt.started - ended);
                }
                let mut turns = turn.subscribe();
                drop(turns.wait_for(|turn| *turn == number).await);
                run.borrow_mut().expect_balance(number);
                turn.send_replace(number + 1);
                last.set(Some((number, Instant::now())));
                run.borrow().vector.answers[number].result()
            }
        };
        let ended = policy.call(Op::idempotent(), attempt).await;
        let number = last.get().map_or(0, |(number, _)| number);
        run.borrow_mut().expect_end(number, ended);
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_does_what_the_vectors_of_aws_say() {
    let book = book();
    assert_eq!(book.vectors.len(), 35);
    let mut faults = Vec::new();
    for vector in &book.vectors {
        faults.extend(book.faults(vector, SEEDS).await);
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_vector_with_another_number_is_wrong() {
    let mut book = book();
    let known: Vec<_> = book
        .vectors
        .iter()
        .map(|vector| vector.answers.len())
        .collect();
    for (vector, answers) in known.into_iter().enumerate() {
        book.vectors[vector].answers[answers - 1].budget += 1;
        assert!(!book.faults(&book.vectors[vector], 1).await.is_empty());
    }
    // Far too long a delay is one that is never reached.
    let longer = &mut book.vectors[0];
    longer.answers[2].budget -= 1;
    longer.answers[1].delay_ms = Some(2_500);
    assert!(!book.faults(&book.vectors[0], SEEDS).await.is_empty());
}

#[test]
fn whatever_differs_from_aws_says_why() {
    for vector in book().vectors {
        let has_own = vector.answers.iter().any(|answer| answer.ours_ms.is_some());
        let says = vector.differs.is_some_and(|why| !why.is_empty());
        assert_eq!(has_own || vector.tokens == Some(0), says, "{}", vector.name);
    }
}
