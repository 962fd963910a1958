//! Sections that the tree's cancellation does not reach.

use crate::support::{Ledger, MS, SEC, swept};
use tidegate::{Scope, is_cancelled, scope, shield};
use tokio::{task::yield_now, time::sleep};

/// Two changes that belong together, and a look at whether the section hears what it should not.
async fn both(ledger: Ledger) {
    let _running = ledger.running();
    for _ in 0..2 {
        sleep(MS).await;
        if is_cancelled() {
            ledger.fault("a shield was told");
        }
    }
}

#[test]
fn a_shield_in_a_child() {
    swept("shield", |ledger| async move {
        let ended = scope("shielding", async |s: &Scope<String>| {
            let mine = ledger.clone();
            let child = async move {
                yield_now().await;
                let done = shield(5 * SEC, both(mine.clone())).await;
                yield_now().await;
                done.map_err(|e| e.to_string())
            };
            s.spawn("child", child)
                .await
                .await
                .map_err(|e| e.to_string())
        });
        let ended = ended.await;
        ledger.nothing_runs("after the scope");
        ended
    });
}

#[test]
fn a_shield_in_a_body() {
    swept("shielded body", |ledger| async move {
        let ended = scope("shielding", async |s: &Scope<String>| {
            let mine = ledger.clone();
            let child = async move {
                both(mine).await;
                Ok(())
            };
            drop(
                s.spawn("sibling", async {
                    yield_now().await;
                    Ok(())
                })
                .await,
            );
            shield(5 * SEC, async {
                // Told only when the shield is dropped.
                let inner = scope("inner", async |s: &Scope<String>| {
                    s.spawn("child", child)
                        .await
                        .await
                        .map_err(|e| e.to_string())
                });
                inner.await.map_err(|e| e.to_string())
            })
            .await
            .map_err(|e| e.to_string())?
        });
        let ended = ended.await;
        ledger.nothing_runs("after the scope");
        ended
    });
}

#[test]
fn a_shield_whose_time_is_over() {
    swept("overdue", |ledger| async move {
        let ended = scope("shielding", async |s: &Scope<String>| {
            let mine = ledger.clone();
            let child = async move {
                let _running = mine.running();
                let overdue = shield(5 * MS, sleep(SEC)).await.is_err();
                yield_now().await;
                Ok(overdue)
            };
            match s.spawn("child", child).await.await {
                Ok(false) => ledger.fault("the shield had no end"),
                _ended => (),
            }
            Ok(())
        });
        let ended = ended.await;
        ledger.nothing_runs("after the scope");
        ended
    });
}
