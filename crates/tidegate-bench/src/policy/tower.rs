//! A call through every stage, against the layers of `tower` that are nearest to it.
//!
//! The layers do less: only the call pays the rate, not its retries; nothing watches the service's health; and the limits
//! hold for one owner of the service, where a policy is shared.

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
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

fn against_tower(setting: &Setting) -> Fallible<Vec<Figure>> {
    let at_once = pairs(setting, attempt)?;
    let waiting = pairs(setting, waiting_attempt)?;
    let ratios = Quartiles::of_ratios(&at_once);
    let detail = json!({
        "ratio": ratios,
        "ours_ns": Quartiles::of(at_once.iter().map(|pair| pair.0)),
        "theirs_ns": Quartiles::of(at_once.iter().map(|pair| pair.1)),
        "waiting_once": {
            "ratio": Quartiles::of_ratios(&waiting),
            "ours_ns": Quartiles::of(waiting.iter().map(|pair| pair.0)),
            "theirs_ns": Quartiles::of(waiting.iter().map(|pair| pair.1)),
        },
    });
    Ok(vec![AGAINST_TOWER.measured(ratios.median, detail)])
}

fn pairs<Fut>(setting: &Setting, attempt: impl Fn() -> Fut + Copy) -> Fallible<Vec<(f64, f64)>>
where
    Fut: Future<Output = Result<(), Broken>>,
{
    let n = 50_000;
    let policy = stages::all()?;
    nanos_each(
        setting,
        n,
        || calls(&policy, n, attempt),
        || calls_of(layers(attempt), n),
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
    attempt: impl Fn() -> Fut + Copy,
) -> impl Service<(), Response = (), Error = BoxError>
where
    Fut: Future<Output = Result<(), Broken>>,
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

impl retry::Policy<(), (), Box<dyn Error + Send + Sync>> for Again {
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
