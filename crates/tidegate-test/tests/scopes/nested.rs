//! Scopes in scopes, and children that keep nothing open.

use crate::support::{Ledger, MS, swept};
use std::future::pending;
use tidegate::{Leave, Opts, Scope, scope};
use tokio::{task::yield_now, time::sleep};

async fn leaf(ledger: Ledger) -> Result<(), String> {
    let _running = ledger.running();
    yield_now().await;
    sleep(MS).await;
    Ok(())
}

/// Opens a scope of its own; when that has ended, so has everything in it.
async fn branch(all: Ledger) -> Result<(), String> {
    let mine = Ledger::default();
    let ended = scope("branch", async |s: &Scope<String>| {
        let _running = (all.running(), mine.running());
        for ledger in [&all, &mine] {
            drop(s.spawn("leaf", leaf(ledger.clone())).await);
        }
        yield_now().await;
        Ok(())
    });
    let ended = ended.await;
    mine.nothing_runs("after a branch");
    ended.map_err(|e| e.to_string())
}

#[test]
fn scopes_in_children() {
    swept("nested", |ledger| async move {
        let ended = scope("trunk", async |s: &Scope<String>| {
            drop(s.spawn("left", branch(ledger.clone())).await);
            drop(s.spawn("right", branch(ledger.clone())).await);
            branch(ledger.clone()).await
        });
        let ended = ended.await;
        ledger.nothing_runs("after the scope");
        ended
    });
}

#[test]
fn a_scope_that_its_parent_drops() {
    swept("dropped inside", |ledger| async move {
        let ended = scope("outer", async |s: &Scope<String>| {
            // The time-out drops it while a leaf runs.
            let inner = scope("inner", async |s: &Scope<String>| {
                let leaf = async {
                    let _running = ledger.running();
                    sleep(10 * MS).await;
                    Ok(())
                };
                let started = ledger.clone();
                let leaf_of_its_own = async move {
                    let _running = started.running();
                    sleep(10 * MS).await;
                    Ok(())
                };
                drop(s.spawn("leaf", leaf_of_its_own).await);
                leaf.await
            });
            let timed_out = tokio::time::timeout(2 * MS, inner).await.is_err();
            // Told by the drop, its children are gone long before they would have ended.
            sleep(MS).await;
            ledger.nothing_runs("after the drop");
            drop(s.spawn("after", leaf(ledger.clone())).await);
            Ok(timed_out)
        });
        let ended = ended.await;
        ledger.nothing_runs("after the scope");
        ended
    });
}

#[test]
fn background_children() {
    swept("background", |ledger| async move {
        let ended = scope("foreground", async |s: &Scope<String>| {
            let running = ledger.clone();
            let forever = async move {
                let _running = running.running();
                loop {
                    sleep(MS).await;
                }
            };
            s.spawn_background("forever", forever)
                .map_err(|e| e.to_string())?;
            s.spawn("child", leaf(ledger.clone()))
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
fn a_scope_that_cancels_when_its_body_returns() {
    swept("leave", |ledger| async move {
        let opts = Opts::named("leaving").on_leave(Leave::Cancel);
        let ended = scope(opts, async |s: &Scope<String>| {
            let running = ledger.clone();
            let forever = async move {
                let _running = running.running();
                pending::<Result<(), String>>().await
            };
            drop(s.spawn("forever", forever).await);
            s.spawn("child", leaf(ledger.clone()))
                .await
                .await
                .map_err(|e| e.to_string())
        });
        let ended = ended.await;
        ledger.nothing_runs("after the scope");
        ended
    });
}
