//! T6: retries within retries. Three services, each asked by the one above with three attempts; the last of them is down.

use serde_json::json;
use tidegate::policy::{CallError, Classify, Op, Policy, Verdict};
use tidegate_test::overload::{Client, Outcome, ServiceError, Trouble};

use super::outage::down;
use super::part::{Part, Runs, figure, secs, wanted};
use super::rivals::{Answer, ours};
use crate::Fallible;
use crate::figure::{Figure, Wanted};
use crate::suite::Setting;

pub(super) const NESTED: Wanted = wanted("policy/t6_nested");

pub(super) fn measure(setting: &Setting) -> Fallible<Vec<Figure>> {
    let seeds = setting.amount(3, 1);
    let loops = Runs::of(seeds, nested_loops);
    let rivals = json!({
        "loops_most_of_a_call": loops.mean(most_of_a_call),
        "loops_per_call": loops.mean(sustained),
    });
    Ok(vec![figure(NESTED, &layers_of_retries(seeds), rivals)])
}

fn layers_of_retries(seeds: u64) -> [Part; 2] {
    let runs = Runs::of(seeds, nested);
    [
        Part::at_most("most_of_a_call", runs.mean(most_of_a_call), 3.0),
        Part::at_most("per_call_sustained", runs.mean(sustained), 1.1),
    ]
}

fn most_of_a_call(outcome: &Outcome) -> f64 {
    outcome.most_requests() as f64
}

/// When the budgets are spent.
fn sustained(outcome: &Outcome) -> f64 {
    outcome.amplification(secs(10)..secs(60))
}

fn nested(seed: u64) -> Outcome {
    let [top, middle, bottom] = [1, 2, 3].map(|number| {
        ours()
            .seed(10 * seed + number)
            .attempt_timeout(secs(60))
            .build()
            .expect("the policies of the rivals are valid")
    });
    down(Trouble::refusing())
        .seed(seed)
        .run(move |client| -> Answer<LayerFailed> {
            let layers = (top.clone(), middle.clone(), bottom.clone());
            Box::pin(async move { Ok(top_call(&layers, &client).await?) })
        })
}

type Layers = (Policy, Policy, Policy);

async fn top_call(layers: &Layers, client: &Client) -> Result<(), CallError<LayerFailed>> {
    let attempt = async |_| Ok(middle_call(layers, client).await?);
    layers.0.call(Op::idempotent(), attempt).await
}

async fn middle_call(layers: &Layers, client: &Client) -> Result<(), CallError<LayerFailed>> {
    let attempt = async |_| Ok(bottom_call(layers, client).await?);
    layers.1.call(Op::idempotent(), attempt).await
}

async fn bottom_call(layers: &Layers, client: &Client) -> Result<(), CallError<ServiceError>> {
    layers.2.call(Op::idempotent(), |_| client.request()).await
}

/// The same layers as loops that know nothing of each other.
fn nested_loops(seed: u64) -> Outcome {
    let scenario = down(Trouble::refusing()).seed(seed);
    scenario.run(|client| loops(client, 3))
}

fn loops(client: Client, layers: u32) -> Answer<ServiceError> {
    Box::pin(async move {
        if layers == 0 {
            return client.request().await;
        }
        for _ in 0..2 {
            if loops(client.clone(), layers - 1).await.is_ok() {
                return Ok(());
            }
        }
        loops(client, layers - 1).await
    })
}

/// What a layer says of the one below: it failed, and that may pass.
#[derive(Debug)]
struct LayerFailed;

impl Classify for LayerFailed {
    fn verdict(&self) -> Verdict {
        Verdict::transient()
    }
}

impl<E> From<CallError<E>> for LayerFailed {
    fn from(_: CallError<E>) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use super::super::part::assert_all_met;
    use super::*;

    #[test]
    fn layers_of_retries_do_not_multiply() {
        assert_all_met(&layers_of_retries(3));
    }

    #[test]
    fn loops_within_loops_multiply() {
        assert_eq!(nested_loops(1).most_requests(), 27);
    }
}
