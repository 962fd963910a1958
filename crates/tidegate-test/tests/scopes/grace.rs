//! Being told, and what there is time for then.

use crate::support::{Ledger, MS, SEC, swept};
use std::{
    future::pending,
    sync::{Arc, Mutex},
};
use tidegate::{Opts, Reason, Scope, Task, cancelled, scope};
use tokio::{task::yield_now, time::sleep};

/// Works until it is told, then takes a second to clean up.
async fn tidy(ledger: Ledger) -> Result<(), String> {
    let _running = ledger.running();
    tokio::select! {
        biased;
        _ = cancelled() => sleep(SEC).await,
        () = sleep(5 * MS) => (),
    }
    Ok(())
}

#[test]
fn children_with_a_grace() {
    swept("grace", |ledger| async move {
        let ended = scope("graceful", async |s: &Scope<String>| {
            drop(
                s.spawn_with_grace("tidy", 5 * SEC, tidy(ledger.clone()))
                    .await,
            );
            drop(
                s.spawn_with_grace("tidy too", 2 * SEC, tidy(ledger.clone()))
                    .await,
            );
            yield_now().await;
            Ok(())
        });
        let ended = ended.await;
        ledger.nothing_runs("after the scope");
        ended
    });
}

#[test]
fn a_body_with_a_grace() {
    swept("body's grace", |ledger| async move {
        let opts = Opts::named("graceful").grace(3 * SEC);
        let ended = scope(opts, async |s: &Scope<String>| {
            let _running = ledger.running();
            drop(s.spawn_with_grace("tidy", SEC, tidy(ledger.clone())).await);
            let until = sleep(20 * MS);
            tokio::select! {
                biased;
                _ = cancelled() => sleep(SEC).await,
                () = until => (),
            }
            Ok(())
        });
        let ended = ended.await;
        ledger.nothing_runs("after the scope");
        ended
    });
}

#[test]
fn a_deadline() {
    swept("deadline", |ledger| async move {
        let opts = Opts::named("hurried").timeout(5 * MS);
        let ended = scope(opts, async |s: &Scope<String>| {
            let mine = ledger.clone();
            let forever = async move {
                let _running = mine.running();
                pending::<Result<(), String>>().await
            };
            drop(s.spawn("forever", forever).await);
            drop(s.spawn_with_grace("tidy", SEC, tidy(ledger.clone())).await);
            let _running = ledger.running();
            pending::<Result<(), String>>().await
        });
        let ended = ended.await;
        ledger.nothing_runs("after the scope");
        if ended.is_ok() {
            ledger.fault("the deadline is lost");
        }
    });
}

#[test]
fn a_child_that_is_told_alone() {
    swept("alone", |ledger| async move {
        let ended = scope("telling", async |s: &Scope<String>| {
            let mine = ledger.clone();
            let forever = async move {
                let _running = mine.running();
                pending::<Result<(), String>>().await
            };
            let forever = s.spawn("forever", forever).await;
            let tidy = s
                .spawn_with_grace("tidy", 2 * SEC, tidy(ledger.clone()))
                .await;
            yield_now().await;
            forever.cancel(Reason::User("enough"));
            yield_now().await;
            tidy.cancel(Reason::User("enough"));
            let _stopped = (forever.await, tidy.await);
            Ok(())
        });
        let ended = ended.await;
        ledger.nothing_runs("after the scope");
        ended
    });
}

#[test]
fn a_child_that_tells_itself() {
    swept("itself", |ledger| async move {
        let ended = scope("telling", async |s: &Scope<String>| {
            let own: Arc<Mutex<Option<Task<()>>>> = Arc::default();
            let (mine, its) = (ledger.clone(), own.clone());
            let child = async move {
                let _running = mine.running();
                let own = its.lock().unwrap().take();
                if let Some(own) = own {
                    own.cancel(Reason::User("enough"));
                    pending::<()>().await;
                }
                Ok(())
            };
            // It has its own task at its first poll.
            if let Ok(task) = s.try_spawn("child", child) {
                *own.lock().unwrap() = Some(task);
            }
            sleep(MS).await;
            drop(s.spawn("sibling", tidy(ledger.clone())).await);
            Ok(())
        });
        let ended = ended.await;
        ledger.nothing_runs("after the scope");
        ended
    });
}
