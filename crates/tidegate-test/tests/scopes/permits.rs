//! Permits that children hold while they are stopped.

use crate::support::{MS, swept};
use std::sync::Arc;
use tidegate::{Scope, scope};
use tokio::{sync::Semaphore, time::sleep};

const PERMITS: usize = 2;

#[test]
fn every_permit_comes_back() {
    swept("permits", |ledger| async move {
        let permits = Arc::new(Semaphore::new(PERMITS));
        let ended = scope("sharing", async |s: &Scope<String>| {
            for n in 1..=4 {
                let (permits, ledger) = (permits.clone(), ledger.clone());
                let child = async move {
                    let _running = ledger.running();
                    let permit = permits.acquire_owned().await.map_err(|e| e.to_string())?;
                    sleep(n * MS).await;
                    drop(permit);
                    Ok(())
                };
                drop(s.spawn("child", child).await);
            }
            let all = permits.acquire_many(2).await.map_err(|e| e.to_string())?;
            sleep(MS).await;
            drop(all);
            Ok(())
        });
        let ended = ended.await;
        ledger.nothing_runs("after the scope");
        if permits.available_permits() != PERMITS {
            ledger.fault(format!("{} permits are left", permits.available_permits()));
        }
        ended
    });
}

#[test]
fn a_permit_lent_to_a_child_comes_back() {
    swept("lent", |ledger| async move {
        let permits = Arc::new(Semaphore::new(1));
        for _ in 0..2 {
            // Taken before the spawn, so the future that is refused has to give it back too.
            let permit = permits.clone().acquire_owned().await.unwrap();
            let running = ledger.running();
            let ended = scope("lending", async |s: &Scope<String>| {
                let child = async move {
                    let _held = (permit, running);
                    sleep(MS).await;
                    Ok(())
                };
                drop(s.spawn("child", child).await);
                sleep(2 * MS).await;
                Ok(())
            });
            drop(ended.await);
            ledger.nothing_runs("after the scope");
            if permits.available_permits() != 1 {
                ledger.fault("the permit is lost");
                return;
            }
        }
    });
}
