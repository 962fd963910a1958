//! Clean-ups: each that a scope has taken runs once, after its last child, whichever way the scope ends.

use crate::support::{Ledger, MS, SEC, swept};
use std::future::pending;
use tidegate::{Scope, scope};
use tokio::{task::yield_now, time::sleep};

/// Has the scope clean up once.
fn defer(s: &Scope<String>, ledger: &Ledger) -> Option<tidegate::Deferred> {
    let mine = ledger.clone();
    let cleanup = async move {
        mine.begun();
        mine.nothing_runs("when the clean-up began");
        let _running = mine.running();
        yield_now().await;
        sleep(MS).await;
        mine.ended();
        Ok(())
    };
    let deferred = s.defer("clean up", SEC, cleanup).ok()?;
    ledger.taken();
    Some(deferred)
}

#[test]
fn clean_ups_after_children() {
    swept("clean-ups", |ledger| async move {
        let ended = scope("deferring", async |s: &Scope<String>| {
            drop(defer(s, &ledger));
            let mine = ledger.clone();
            let child = async move {
                let _running = mine.running();
                sleep(2 * MS).await;
                Ok(())
            };
            drop(s.spawn("child", child).await);
            yield_now().await;
            drop(defer(s, &ledger));
            sleep(MS).await;
            Ok(())
        });
        let ended = ended.await;
        ledger.nothing_runs("after the scope");
        ended
    });
}

#[test]
fn a_clean_up_of_a_child_s_own_scope() {
    swept("clean-up in a child", |ledger| async move {
        let ended = scope("outer", async |s: &Scope<String>| {
            let mine = ledger.clone();
            let child = async move {
                let inner = scope("inner", async |s: &Scope<String>| {
                    drop(defer(s, &mine));
                    yield_now().await;
                    Ok(())
                });
                inner.await.map_err(|e| e.to_string())
            };
            drop(s.spawn("child", child).await);
            yield_now().await;
            Ok(())
        });
        let ended = ended.await;
        ledger.nothing_runs("after the scope");
        ended
    });
}

#[test]
fn a_clean_up_that_is_taken_back() {
    swept("disarm", |ledger| async move {
        let ended = scope("disarming", async |s: &Scope<String>| {
            let deferred = defer(s, &ledger);
            yield_now().await;
            if let Some(deferred) = deferred
                && deferred.disarm()
            {
                ledger.disarmed();
            }
            drop(defer(s, &ledger));
            yield_now().await;
            Ok(())
        });
        let ended = ended.await;
        ledger.nothing_runs("after the scope");
        ended
    });
}

#[test]
fn a_clean_up_of_a_scope_that_its_parent_drops() {
    swept("dropped with a clean-up", |ledger| async move {
        let ended = scope("outer", async |_: &Scope<String>| {
            let inner = scope("inner", async |s: &Scope<String>| {
                drop(defer(s, &ledger));
                yield_now().await;
                pending::<Result<(), String>>().await
            });
            let timed_out = tokio::time::timeout(2 * MS, inner).await.is_err();
            yield_now().await;
            Ok(timed_out)
        });
        let ended = ended.await;
        ledger.nothing_runs("after the scope");
        ended
    });
}
