//! What cannot be seen from outside: that nothing is left in the tree.

use super::{Opts, Scope, Supervisor, open, supervise};
use crate::{
    cancel::{MAX_CHILDREN, Node, NodeOpts, Opener, Reason, Role},
    join::{self, Losers},
};
use std::{fmt::Error, future::pending, panic::Location, sync::Arc, time::Duration};
use tokio::time::timeout;

const SEC: Duration = Duration::from_secs(1);

/// Opens a scope with every kind of child below `root` and lets `end` have the last word in its body.
async fn busy_scope(root: &Arc<Node>, end: impl AsyncFnOnce(&Scope<Error>)) {
    let opts = Opts::named("busy").timeout(9 * SEC);
    let scope = open(
        Some(root.clone()),
        opts,
        async |s: &Scope<Error>| {
            s.spawn_background("background", pending())
                .map_err(|_| Error)?;
            drop(s.spawn("plain", async { Ok(()) }).await);
            drop(
                s.spawn_with_grace("grace", SEC, pending::<Result<(), _>>())
                    .await,
            );
            tokio::task::yield_now().await;
            shielded(s).await;
            end(s).await;
            Ok(())
        },
        Location::caller(),
    );
    drop(timeout(5 * SEC, scope).await);
    // What a dropped scope leaves behind has a second.
    tokio::time::sleep(2 * SEC).await;
}

/// Scopes in shields, one of which leaves a child behind, and background children of a background child.
async fn shielded(s: &Scope<Error>) {
    let scope = || {
        super::scope("in a shield", async |s: &Scope<Error>| {
            s.spawn_with_grace("child", SEC, ok(9)).await.await.ok();
            Ok(())
        })
    };
    let dropped = super::shield(9 * SEC, timeout(SEC / 8, scope()));
    assert!(dropped.await.is_ok_and(|in_time| in_time.is_err()));
    assert!(super::shield(SEC / 8, scope()).await.is_err());
    super::shield(SEC, timeout(SEC / 8, crate::cancelled()))
        .await
        .ok();
    let hidden: Scope<Error> = Scope::of(s.node().background());
    drop(hidden.spawn_background("deep", pending()));
}

/// Each once to its end, and once dropped half-way.
async fn supervise_and_join() {
    let work = || [ok(0), ok(9)].map(Box::pin);
    for time in [SEC / 2, 20 * SEC] {
        let supervised = supervise("supervised", async |s: &Supervisor<Error>| {
            for work in work() {
                drop(s.spawn("child", work).await);
            }
            let bad = s.spawn("bad", async { Err::<(), _>(Error) }).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
            drop(bad);
            Ok(())
        });
        drop(timeout(time, supervised).await);
        drop(timeout(time, join::all(Losers::Drop, work())).await);
    }
}

async fn ok(secs: u64) -> Result<(), Error> {
    tokio::time::sleep(Duration::from_secs(secs)).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn no_way_out_leaves_a_node_behind() {
    let at = Location::caller();
    let limit = MAX_CHILDREN;
    let root = Node::new(
        None,
        Opener::default(),
        Role::Scope,
        NodeOpts {
            name: "root",
            at,
            deadline: None,
            grace: None,
            limit,
        },
    );
    let stop = |s: &Scope<Error>| s.cancel(Reason::User("enough"), SEC);
    busy_scope(&root, async |s| stop(s)).await;
    busy_scope(&root, async |s| {
        drop(s.spawn("bad", async { Err::<(), _>(Error) }).await)
    })
    .await;
    busy_scope(&root, async |_| panic!("on purpose")).await;
    // Dropped by the time-out around it.
    busy_scope(&root, async |_| pending().await).await;
    // Nested, with work that comes too late for the handle.
    let mut late = None;
    busy_scope(&root, async |s| {
        busy_scope(s.node(), async |inner| {
            late = Some(inner.clone());
            stop(inner);
        })
        .await;
        stop(s);
    })
    .await;
    busy_scope(&root, async |_| supervise_and_join().await).await;
    // Dropped, and its handle used afterwards.
    let mut dropped = None;
    busy_scope(&root, async |s| {
        dropped = Some(s.clone());
        pending().await
    })
    .await;
    let dropped = dropped.expect("the body has run");
    assert!(dropped.spawn_background("late", pending()).is_err());
    drop(dropped);
    let late = late.expect("the inner body has run");
    assert!(late.spawn_background("late", pending()).is_err());
    drop(late);
    assert!(root.is_idle());
    assert_eq!(Arc::strong_count(&root), 1);
}
