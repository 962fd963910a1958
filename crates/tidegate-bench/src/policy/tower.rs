//! A call through five stages of a policy, against the five layers of `tower` that do the same.
//!
//! The layers do less, and the figure lets them: their retries pay no rate, a full service is not waited for, and the rate
//! limit has one owner, where a policy is shared by its clones. The detail has the same layers shared, which takes a buffer
//! and a task, and a policy with every stage it can have.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate::policy::PolicyBuilder;
use tidegate_bench::stages::{self, Broken, attempt, calls, waiting_attempt};
use tokio::time::{Sleep, sleep};
use tower::retry::budget::{Budget, TpsBudget};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, retry, service_fn};

use crate::Fallible;
use crate::figure::{Figure, Wanted};
use crate::measure::{Quartiles, nanos_each};
use crate::suite::{Bench, Setting};

const AGAINST_TOWER: Wanted = Wanted::at_most("policy/five_stages_vs_tower", "ratio", 0.7);

pub(super) const BENCH: Bench = Bench {
    figures: &[AGAINST_TOWER],
    peers: false,
    run: against_tower,
};

const CALLS: usize = 50_000;

fn against_tower(setting: &Setting) -> Fallible<Vec<Figure>> {
    let five = pairs(setting, stages::five(), attempt, || layers(attempt))?;
    let waiting = pairs(setting, stages::five(), waiting_attempt, || {
        layers(waiting_attempt)
    })?;
    let all = pairs(setting, stages::all(), attempt, || layers(attempt))?;
    let shared = pairs(setting, stages::five(), attempt, || {
        ServiceBuilder::new()
            .buffer(stages::IN_FLIGHT)
            .service(layers(attempt))
    })?;
    let detail = json!({
        "done_at_once": told(&five),
        "waiting_once": told(&waiting),
        "with_breaker_health_hedge": told(&all),
        "layers_shared": told(&shared),
    });
    Ok(vec![
        AGAINST_TOWER.measured(Quartiles::of_ratios(&five).median, detail),
    ])
}

fn told(pairs: &[(f64, f64)]) -> Value {
    json!({
        "ratio": Quartiles::of_ratios(pairs),
        "ours_ns": Quartiles::of(pairs.iter().map(|pair| pair.0)),
        "theirs_ns": Quartiles::of(pairs.iter().map(|pair| pair.1)),
    })
}

fn pairs<Fut, S>(
    setting: &Setting,
    ours: PolicyBuilder,
    attempt: impl Fn() -> Fut + Copy,
    theirs: impl Fn() -> S,
) -> Fallible<Vec<(f64, f64)>>
where
    Fut: Future<Output = Result<(), Broken>>,
    S: Service<(), Response = (), Error = BoxError>,
{
    let policy = ours.build()?;
    nanos_each(
        setting,
        CALLS,
        || calls(&policy, CALLS, attempt),
        || calls_of(theirs(), CALLS),
    )
}

async fn calls_of<S>(mut service: S, n: usize)
where
    S: Service<(), Response = (), Error = BoxError>,
{
    for _ in 0..n {
        let ready = service.ready().await.expect("the attempt is always ready");
        assert!(black_box(ready.call(()).await).is_ok(), "no attempt fails");
    }
}

fn layers<Fut>(
    attempt: impl Fn() -> Fut + Clone + Send + 'static,
) -> impl Service<(), Response = (), Error = BoxError, Future: Send> + Send
where
    Fut: Future<Output = Result<(), Broken>> + Send + 'static,
{
    ServiceBuilder::new()
        .load_shed()
        .concurrency_limit(stages::IN_FLIGHT)
        .rate_limit(stages::RATE as u64, Duration::from_secs(1))
        .retry(Again {
            left: 2,
            // The defaults of Finagle, where it comes from.
            budget: Arc::new(TpsBudget::new(Duration::from_secs(10), 10, 0.2)),
        })
        .timeout(stages::TIMEOUT)
        .service(service_fn(move |()| attempt()))
}

/// What `Retry::default` of a policy does, as far as a success needs it.
#[derive(Clone)]
struct Again {
    left: u32,
    budget: Arc<TpsBudget>,
}

impl retry::Policy<(), (), BoxError> for Again {
    type Future = Sleep;

    fn retry(&mut self, (): &mut (), result: &mut Result<(), BoxError>) -> Option<Sleep> {
        if result.is_ok() {
            self.budget.deposit();
            return None;
        }
        let may = self.left > 0 && self.budget.withdraw();
        self.left = self.left.saturating_sub(1);
        may.then(|| sleep(Duration::from_millis(50)))
    }

    fn clone_request(&mut self, (): &()) -> Option<()> {
        Some(())
    }
}
