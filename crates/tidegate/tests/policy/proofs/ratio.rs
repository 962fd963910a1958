//! A budget of a ratio against fractions: the same retries are paid for, for every ratio from 0.01 to 10.
//!
//! Budgets that count in floating point, or in whole successes a retry, are off by far: a retry for each success where 0.6
//! of one was asked for.

use tidegate::policy::{Attempt, Budget, Op, Policy, Retry, Verdict};

use super::Failed;

/// The ratios to try, in thousandths.
pub(crate) const RATIOS: std::ops::RangeInclusive<u32> = 10..=10_000;

/// How many retries a policy may keep for later.
const MOST: u64 = 10;

/// How a call goes.
#[derive(Clone, Copy, Debug)]
enum Call {
    Succeeds,
    SucceedsAgain,
    Fails,
}

/// What is left, in parts of a retry.
struct Model {
    balance: u64,
    /// Parts of a retry that a success pays in, and parts that make one.
    ratio: (u64, u64),
}

impl Model {
    fn new(thousandths: u32) -> Self {
        let (gives, whole) = (u64::from(thousandths), 1_000);
        let common = gcd(gives, whole);
        let ratio = (gives / common, whole / common);
        let balance = MOST * ratio.1;
        Self { balance, ratio }
    }

    /// Whether the call is repeated.
    fn call(&mut self, call: Call) -> bool {
        let (gives, whole) = self.ratio;
        let is_paid = self.balance >= whole;
        match call {
            Call::Succeeds => self.balance = (self.balance + gives).min(MOST * whole),
            Call::Fails if is_paid => self.balance -= whole,
            // What it takes it gives back.
            Call::SucceedsAgain | Call::Fails => {}
        }
        is_paid && !matches!(call, Call::Succeeds)
    }
}

/// How many of `calls` random calls are repeated by a policy and not by the model, or the other way round.
pub(crate) async fn differing(thousandths: u32, calls: usize, rng: &mut fastrand::Rng) -> usize {
    let policy = policy(thousandths);
    let mut model = Model::new(thousandths);
    let mut differing = 0;
    for _ in 0..calls {
        let call = match rng.u8(0..4) {
            0 | 1 => Call::Succeeds,
            2 => Call::SucceedsAgain,
            _ => Call::Fails,
        };
        differing += usize::from(is_repeated(&policy, call).await != model.call(call));
    }
    differing
}

fn policy(thousandths: u32) -> Policy {
    let twice = Retry {
        max_attempts: 2,
        ..Retry::default()
    };
    Policy::named("ratio")
        .seed(1)
        .retry(twice)
        .budget(Budget::of_ratio(f64::from(thousandths) / 1_000.0))
        .build()
        .expect("any of these ratios is allowed")
}

async fn is_repeated(policy: &Policy, call: Call) -> bool {
    let before = policy.snapshot().retries;
    let attempt = async |attempt: Attempt| match (call, attempt.number) {
        (Call::Succeeds, _) | (Call::SucceedsAgain, 2) => Ok(()),
        _ => Err(Failed(Verdict::transient())),
    };
    drop(policy.call(Op::idempotent(), attempt).await);
    policy.snapshot().retries > before
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[tokio::test(start_paused = true)]
async fn a_budget_of_a_ratio_is_exact() {
    let mut rng = fastrand::Rng::with_seed(19);
    for thousandths in RATIOS.step_by(13) {
        let differing = differing(thousandths, 200, &mut rng).await;
        assert_eq!(differing, 0, "{thousandths} thousandths");
    }
}

#[tokio::test(start_paused = true)]
async fn six_tenths_of_a_retry_for_each_success_are_not_one() {
    let policy = policy(600);
    let mut repeated = 0;
    for _ in 0..1_000 {
        is_repeated(&policy, Call::Succeeds).await;
        repeated += u32::from(is_repeated(&policy, Call::Fails).await);
    }
    // The ten at the start, less the first success, which comes when it is full; and 0.6 for each of the others.
    assert_eq!(repeated, 10 + 599);
}

#[tokio::test(start_paused = true)]
async fn a_thousandth_more_is_seen() {
    let (policy, mut model) = (policy(601), Model::new(600));
    let mut differing = 0;
    for _ in 0..2_000 {
        for call in [Call::Succeeds, Call::Fails] {
            differing += usize::from(is_repeated(&policy, call).await != model.call(call));
        }
    }
    assert_ne!(differing, 0);
}
