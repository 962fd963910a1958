//! Critical sections: what a scope has taken comes to its end.

use crate::support::{Ledger, MS, SEC, swept};
use tidegate::{Scope, Stopped, Task, scope};
use tokio::{task::yield_now, time::sleep};

fn critical(s: &Scope<String>, ledger: &Ledger) -> Option<Task<u32>> {
    let mine = ledger.clone();
    let work = async move {
        mine.begun();
        let _running = mine.running();
        yield_now().await;
        sleep(2 * MS).await;
        mine.ended();
        Ok(7)
    };
    let task = s.critical("pay", SEC, work).ok()?;
    ledger.taken();
    Some(task)
}

#[test]
fn a_critical_section_that_is_awaited() {
    swept("critical", |ledger| async move {
        let ended = scope("paying", async |s: &Scope<String>| {
            yield_now().await;
            let Some(task) = critical(s, &ledger) else {
                return Ok(Err(Stopped::Failed));
            };
            yield_now().await;
            Ok(task.await)
        });
        let ended = ended.await;
        ledger.nothing_runs("after the scope");
        ended
    });
}

#[test]
fn a_critical_section_whose_caller_is_dropped() {
    swept("critical, dropped", |ledger| async move {
        let ended = scope("paying", async |s: &Scope<String>| {
            let (theirs, mine) = (s.clone(), ledger.clone());
            let caller = async move {
                let _running = mine.running();
                yield_now().await;
                if let Some(task) = critical(&theirs, &mine) {
                    let _gone = tokio::time::timeout(MS, task).await;
                }
                yield_now().await;
                Ok(())
            };
            drop(s.spawn("caller", caller).await);
            Ok(())
        });
        let ended = ended.await;
        ledger.nothing_runs("after the scope");
        ended
    });
}
