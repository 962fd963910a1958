//! Calls inside calls, at random: whatever the nest looks like, the outermost call bounds and pays all repetitions.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::future::join_all;
use tidegate::{
    Scope,
    policy::{Attempt, Budget, Op, Policy, Retry, Verdict},
    scope,
};
use tokio::time::{sleep, timeout};

use super::Failed;

/// What one layer does in each of its attempts: calls the layer below, so many times, one after the other.
#[derive(Clone, Copy, Debug)]
struct Layer {
    policy: usize,
    calls: usize,
    /// In a child of a scope that the attempt opens.
    in_a_child: bool,
}

#[derive(Debug)]
struct Plan {
    /// The attempts of a call, policy by policy. The first one is that of the outermost layer.
    max_attempts: Vec<u32>,
    layers: Vec<Layer>,
    /// Outermost calls at once.
    calls: usize,
    /// When an outermost call is dropped.
    dropped: Option<Duration>,
    /// How many in a hundred requests fail at the bottom.
    fail: u32,
    seed: u64,
}

/// A plan under way.
struct Nest {
    plan: Plan,
    policies: Vec<Policy>,
    rng: Mutex<fastrand::Rng>,
    requests: AtomicUsize,
    /// Repetitions, of any layer, that failed.
    lost: AtomicUsize,
}

impl Plan {
    fn random(rng: &mut fastrand::Rng) -> Self {
        let max_attempts: Vec<_> = (0..rng.usize(1..=3)).map(|_| rng.u32(1..=4)).collect();
        let layers = (0..rng.usize(2..=4)).map(|depth| Layer {
            policy: if depth == 0 {
                0
            } else {
                rng.usize(..max_attempts.len())
            },
            calls: rng.usize(1..=2),
            in_a_child: rng.bool(),
        });
        Self {
            layers: layers.collect(),
            max_attempts,
            calls: rng.usize(1..=3),
            dropped: (rng.u8(0..4) == 0).then(|| Duration::from_millis(rng.u64(0..200))),
            fail: if rng.bool() { 100 } else { rng.u32(0..100) },
            seed: rng.u64(..),
        }
    }
}

impl Nest {
    fn new(plan: Plan) -> Arc<Self> {
        let policy = |max_attempts: &u32| {
            let builder = Policy::named("layer").seed(plan.seed).retry(Retry {
                max_attempts: *max_attempts,
                ..Retry::default()
            });
            // So that the balance says what was lost.
            let budget = Budget {
                earned: 0,
                ..Budget::default()
            };
            builder
                .budget(budget)
                .build()
                .expect("every plan is an allowed policy")
        };
        Arc::new(Self {
            policies: plan.max_attempts.iter().map(policy).collect(),
            rng: Mutex::new(fastrand::Rng::with_seed(plan.seed)),
            requests: AtomicUsize::new(0),
            lost: AtomicUsize::new(0),
            plan,
        })
    }

    async fn play(self: &Arc<Self>) {
        let calls = (0..self.plan.calls).map(|which| {
            let dropped = self.plan.dropped.filter(|_| which == 0);
            let call = Arc::clone(self).call(0);
            async move {
                let never = Duration::from_secs(3_600);
                drop(timeout(dropped.unwrap_or(never), call).await);
            }
        });
        join_all(calls).await;
        // The children of a call that was dropped end.
        sleep(Duration::from_secs(60)).await;
    }

    fn call(
        self: Arc<Self>,
        depth: usize,
    ) -> Pin<Box<dyn Future<Output = Result<(), Failed>> + Send>> {
        Box::pin(async move {
            let Some(layer) = self.plan.layers.get(depth).copied() else {
                return self.request().await;
            };
            let policy = &self.policies[layer.policy];
            let attempt = |attempt: Attempt| {
                let this = Arc::clone(&self);
                async move {
                    for _ in 0..layer.calls {
                        let ended = this.inner(layer, depth + 1).await;
                        if ended.is_err() && attempt.number > 1 {
                            this.lost.fetch_add(1, SeqCst);
                        }
                        ended?;
                    }
                    Ok(())
                }
            };
            let ended = policy.call(Op::idempotent(), attempt).await;
            ended.map_err(|error| error.last.unwrap_or(Failed(Verdict::timeout())))
        })
    }

    async fn inner(self: &Arc<Self>, layer: Layer, depth: usize) -> Result<(), Failed> {
        let call = Arc::clone(self).call(depth);
        if !layer.in_a_child {
            return call.await;
        }
        let ended = scope("attempt", async |s: &Scope<Infallible>| {
            Ok(s.spawn("call", async { Ok(call.await) }).await.await)
        });
        match ended.await {
            Ok(Ok(ended)) => ended,
            Ok(Err(_)) | Err(_) => Err(Failed(Verdict::cancelled())),
        }
    }

    async fn request(&self) -> Result<(), Failed> {
        self.requests.fetch_add(1, SeqCst);
        sleep(Duration::from_millis(1)).await;
        let chance = self.rng.lock().expect("nobody panics").u32(0..100);
        if chance < self.plan.fail {
            Err(Failed(Verdict::transient()))
        } else {
            Ok(())
        }
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let further = (self.plan.max_attempts[0] as usize - 1) * self.plan.calls;
        let snapshots: Vec<_> = self.policies.iter().map(Policy::snapshot).collect();
        let retries: u64 = snapshots.iter().map(|it| it.retries).sum();
        if retries as usize > further {
            faults.push(format!(
                "{retries} repetitions where the outermost calls have {further}"
            ));
        }
        let requests = self.requests.load(SeqCst);
        let most = further + self.plan.calls;
        if self.plan.fail == 100 && requests > most {
            faults.push(format!(
                "{requests} requests in an outage, not at most {most}"
            ));
        }
        for (which, it) in snapshots.iter().enumerate() {
            let flow = it.budget_flow;
            if which > 0 && flow.paid > 0 {
                faults.push(format!("inner policy {which} has paid {}", flow.paid));
            }
            let lost = 14 * self.lost.load(SeqCst) as u64;
            let lost = if which == 0 { lost } else { 0 };
            if [u64::from(500 - it.budget), flow.paid - flow.refunded] != [lost; 2] {
                faults.push(format!(
                    "policy {which} has {} and {flow:?}, without {lost}",
                    it.budget
                ));
            }
            if it.in_flight + it.waiting > 0 {
                faults.push(format!("policy {which} has {} in flight", it.in_flight));
            }
        }
        faults
    }
}

/// What is wrong with a random nest of calls, if anything is; in virtual time.
pub(crate) async fn fault(rng: &mut fastrand::Rng) -> Option<String> {
    let nest = Nest::new(Plan::random(rng));
    nest.play().await;
    let faults = nest.faults();
    (!faults.is_empty()).then(|| format!("{faults:#?}\n{:#?}", nest.plan))
}

#[tokio::test(start_paused = true)]
async fn the_outermost_call_bounds_and_pays_all_repetitions() {
    let mut rng = fastrand::Rng::with_seed(6);
    for _ in 0..2_000 {
        let fault = fault(&mut rng).await;
        assert!(fault.is_none(), "{}", fault.unwrap_or_default());
    }
}
