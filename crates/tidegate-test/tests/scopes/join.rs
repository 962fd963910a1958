//! Joins: whatever decides them, no arm runs on.

use crate::support::{Ledger, MS, SEC, swept};
use tidegate::{
    cancelled,
    join::{self, Joined, Losers, here},
};
use tokio::{task::yield_now, time::sleep};

async fn arm(ledger: Ledger, n: u32) -> Result<u32, String> {
    let _running = ledger.running();
    yield_now().await;
    sleep(n * MS).await;
    match n {
        2 => Err("on purpose".into()),
        n => Ok(n),
    }
}

fn arms(ledger: &Ledger) -> Vec<impl Future<Output = Result<u32, String>> + Send + use<>> {
    (1..=4).map(|n| arm(ledger.clone(), n)).collect()
}

/// Every arm stands in one of the two lists.
fn complete(ledger: &Ledger, joined: &Joined<u32, String>) {
    ledger.nothing_runs("after the join");
    let arms = joined.finished.len() + joined.unfinished.len();
    if arms != 4 {
        ledger.fault(format!("{arms} arms of 4 have an end"));
    }
}

#[test]
fn all_arms() {
    swept("all", |ledger| async move {
        complete(&ledger, &join::all(Losers::Drop, arms(&ledger)).await);
    });
}

#[test]
fn a_race() {
    swept("race", |ledger| async move {
        complete(&ledger, &join::race(Losers::Drop, arms(&ledger)).await);
    });
}

#[test]
fn a_quorum_whose_losers_are_asked() {
    swept("quorum", |ledger| async move {
        let asked = (1..=4).map(|n| {
            let ledger = ledger.clone();
            async move {
                let _running = ledger.running();
                tokio::select! {
                    biased;
                    _ = cancelled() => sleep(SEC).await,
                    () = sleep(n * MS) => (),
                }
                Ok(n)
            }
        });
        let losers = Losers::Drain { grace: 5 * SEC };
        complete(&ledger, &join::quorum(2, losers, asked).await);
    });
}

#[test]
fn hedged_arms() {
    swept("hedged", |ledger| async move {
        let hedged = join::hedged(MS, Losers::Drop, arms(&ledger).into_iter().skip(1));
        let hedged = hedged.await;
        ledger.nothing_runs("after the join");
        hedged
    });
}

#[test]
fn arms_in_this_task() {
    swept("here", |ledger| async move {
        complete(&ledger, &here::first_ok(arms(&ledger)).await);
    });
}
