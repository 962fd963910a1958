//! Supervised scopes: a failure stays with its child, and still nothing runs on.

use crate::support::{MS, swept};
use tidegate::{Reason, Supervisor, supervise};
use tokio::{task::yield_now, time::sleep};

#[test]
fn children_that_fail_alone() {
    swept("supervised", |ledger| async move {
        let ended = supervise("plant", async |s: &Supervisor<String>| {
            let (one, two) = (ledger.clone(), ledger.clone());
            let fails = async move {
                let _running = one.running();
                yield_now().await;
                Err::<(), _>("on purpose".to_owned())
            };
            let lasts = async move {
                let _running = two.running();
                sleep(5 * MS).await;
                Ok(())
            };
            let fails = s.spawn("fails", fails).await;
            let lasts = s.spawn("lasts", lasts).await;
            if fails.await.is_ok() {
                ledger.fault("the failure is lost");
            }
            lasts.cancel(Reason::User("enough"));
            drop(lasts.await);
            Ok(())
        });
        let ended = ended.await;
        ledger.nothing_runs("after the scope");
        ended
    });
}
