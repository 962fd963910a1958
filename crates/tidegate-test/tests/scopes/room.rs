//! A spawn that is given up passes its turn on.

use crate::support::MS;
use std::{
    future::pending,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    sync::{Arc, Mutex},
};
use tidegate::{Leave, Opts, Scope, scope};
use tidegate_test::{Mode, Sweep};
use tokio::{
    sync::Notify,
    task::yield_now,
    time::{sleep, timeout},
};

/// A scope with room for one, which others spawn into.
#[derive(Default)]
struct Shared {
    handle: Mutex<Option<Scope<String>>>,
    is_open: Notify,
    second_ran: AtomicBool,
    gave_up: AtomicBool,
}

/// Opens the scope, fills it for a while, and ends it when the second has run or long after it should have.
async fn hold_open(shared: Arc<Shared>) {
    let opts = Opts::named("one").max_children(1).on_leave(Leave::Cancel);
    let ended = scope(opts, async |s: &Scope<String>| {
        let first = async {
            sleep(3 * MS).await;
            Ok(())
        };
        drop(s.spawn("first", first).await);
        *shared.handle.lock().unwrap() = Some(s.clone());
        shared.is_open.notify_waiters();
        let second = async {
            while !shared.second_ran.load(SeqCst) {
                sleep(MS).await;
            }
        };
        if timeout(100 * MS, second).await.is_err() {
            shared.gave_up.store(true, SeqCst);
        }
        Ok(())
    });
    drop(ended.await);
}

async fn handle(shared: &Shared) -> Scope<String> {
    loop {
        let opened = shared.is_open.notified();
        let handle = shared.handle.lock().unwrap().clone();
        match handle {
            Some(handle) => return handle,
            None => opened.await,
        }
    }
}

#[test]
fn whoever_waits_behind_gets_the_room() {
    // Long enough to see whether the second runs.
    let sweep = Sweep::new("turn").rest(200 * MS);
    let coverage = sweep.modes([Mode::Drop, Mode::Panic]).run(
        || {
            let shared = Arc::new(Shared::default());
            drop(tokio::spawn(hold_open(shared.clone())));
            let behind = shared.clone();
            drop(tokio::spawn(async move {
                let s = handle(&behind).await;
                // After the program's own, which is polled first.
                sleep(2 * MS).await;
                let ran = behind.clone();
                let second = async move {
                    ran.second_ran.store(true, SeqCst);
                    Ok(())
                };
                drop(s.spawn("second", second).await);
            }));
            let own = shared.clone();
            let program = async move {
                let s = handle(&own).await;
                yield_now().await;
                // Called when the first has ended; dropped before, after, or in between.
                drop(s.spawn("own", async { Ok(()) }).await);
                sleep(MS).await;
            };
            (shared, program)
        },
        |shared| match shared.gave_up.load(SeqCst) {
            true => Err("the second has never got the room".into()),
            false => Ok(()),
        },
    );
    assert!(coverage.points > 3, "{coverage}");
}

#[test]
fn a_scope_of_which_nothing_is_polled_any_more_still_ends() {
    // The body waits for ever; only its being stopped ends it.
    let coverage = Sweep::new("endless").run(
        || {
            let program = scope("endless", async |s: &Scope<String>| {
                let forever = pending::<Result<(), String>>();
                drop(timeout(5 * MS, s.spawn("forever", forever).await).await);
                s.cancel(tidegate::Reason::User("enough"), MS);
                pending::<Result<(), String>>().await
            });
            ((), program)
        },
        |()| Ok(()),
    );
    assert!(coverage.points > 2, "{coverage}");
}
