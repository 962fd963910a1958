//! One closure, awaited where it is called.

use crate::support::*;
use std::future::pending;
use tidegate::{Reason, Scope, ScopeError, StopFlag, scope};
use tokio::{select, sync::oneshot};

#[tokio::test]
async fn a_single_call_needs_no_scope() {
    let pool = narrow(0);
    assert_eq!(pool.run("add", |_| 40 + 2).await.unwrap(), 42);
}

#[tokio::test]
async fn a_panic_comes_back_with_its_text_and_harms_nobody_else() {
    let pool = narrow(0);
    scope("around", async |_: &Scope<Fail>| {
        let error = pool.run("bad", |_| panic!("y")).await.unwrap_err();
        assert_eq!(failures(error), ["bad! y"]);
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn dropping_a_call_tells_its_closure_and_the_parent_waits() {
    let pool = narrow(0);
    let log = Log::default();
    scope("parent", async |s: &Scope<Fail>| {
        let (runs, running) = oneshot::channel();
        let note = log.clone();
        let call = pool.run("loops", move |stop: &StopFlag| {
            runs.send(()).unwrap();
            until_told(stop);
            note.note(format!("{:?}", stop.reason()));
        });
        select! {
            _ = call => unreachable!("it runs until it is told"),
            _ = running => {}
        }
        // The others of the scope are not concerned.
        assert!(!s.is_cancelled());
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(log.take(), [format!("{:?}", Some(Reason::OwnerDropped))]);
}

#[tokio::test]
async fn a_call_that_waits_for_a_place_ends_with_its_scope() {
    let pool = narrow(0);
    scope("outer", async |outer: &Scope<Fail>| {
        let held = hold(&pool, outer).await;
        let error = scope("told", async |s: &Scope<Fail>| {
            let pool = pool.clone();
            let work = async move {
                drop(pool.run("never", |_| panic!("ran")).await);
                Ok(())
            };
            drop(s.try_spawn("calls", work)?);
            tokio::task::yield_now().await;
            s.cancel(ENOUGH, std::time::Duration::ZERO);
            pending::<Result<(), _>>().await
        });
        assert!(matches!(error.await, Err(ScopeError::Cancelled(ENOUGH))));
        held.let_go().await;
        Ok(())
    })
    .await
    .unwrap();
}
