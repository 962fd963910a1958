//! A join that is dropped by its caller.

use crate::{arm, support::*};
use futures_util::FutureExt as _;
use std::pin::Pin;
use tidegate::{
    Reason, Scope, cancelled,
    join::{Joined, Losers, Until, all, first_ok, join, quorum, until},
    root::{self, Shutdown},
    scope,
};
use tokio::time::{Instant, timeout};

#[tokio::test]
async fn a_join_that_is_never_polled_runs_nothing() {
    let drops = Drops::default();
    let guard = drops.guard();
    let work = async move {
        let _guard = guard;
        panic!("polled") as Result<u8, Fail>
    };
    drop(all(Losers::Drop, [work]));
    assert_eq!(drops.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_caller_s_scope_waits_for_the_arms_of_a_dropped_join() {
    let log = Log::default();
    scope("parent", async |_: &Scope<Fail>| {
        let arms = [1, 2].map(|secs| {
            let log = log.clone();
            async move {
                let reason = cancelled().await;
                arm(secs, "a").await?;
                log.note(reason.to_string());
                Ok::<_, Fail>(())
            }
        });
        let drain = Losers::Drain { grace: 9 * SEC };
        assert!(timeout(SEC, join(Until::All, drain, arms)).await.is_err());
        log.note("body went on");
        Ok(())
    })
    .await
    .unwrap();
    let told = Reason::OwnerDropped.to_string();
    assert_eq!(log.take(), ["body went on", &told, &told]);
}

#[test]
fn failures_that_a_dropped_join_has_not_returned_reach_the_root() {
    let quiet = Shutdown::new().signals(false);
    let mut line = 0;
    let ended = root::run(quiet, "main", async |_: &Scope<Fail>| {
        let arms = [false, true].map(|waits| async move {
            if waits {
                cancelled().await;
                return fail::<u8>("after");
            }
            fail("before")
        });
        let drain = Losers::Drain { grace: SEC };
        line = here().1 + 1;
        let joined = all(drain, arms);
        assert!(timeout(10 * MS, joined).await.is_err());
        Ok(())
    });
    let mut found: Vec<_> = ended.unclaimed.iter().map(ToString::to_string).collect();
    found.sort_unstable();
    let at = |text: &str| found.iter().any(|found| found.contains(text));
    assert_eq!(found.len(), 2);
    assert!(
        at("main/all: task `arm`") && at(&format!("dropped.rs:{line}:")),
        "{found:?}"
    );
    assert!(at("failed: before") && at("failed: after"), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn values_of_a_dropped_join_are_dropped() {
    let drops = Drops::default();
    let guards = [drops.guard(), drops.guard()];
    scope("parent", async |_: &Scope<Fail>| {
        let [first, second] = guards;
        let arms = [(0, first), (3, second)]
            .map(|(secs, guard)| async move { after(secs * SEC, Ok(guard)).await });
        let drain = Losers::Drain { grace: 9 * SEC };
        assert!(timeout(SEC, all(drain, arms)).await.is_err());
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(drops.count(), 2);
}

#[test]
fn every_form_records_the_line_that_called_it() {
    type Form = Pin<Box<dyn Future<Output = Joined<u8, Fail>>>>;
    let bad = || [async { fail::<u8>("x") }.boxed(), forever().boxed()];
    let far = Instant::now() + 99 * SEC;
    let line = here().1 + 2;
    let forms: [Form; 5] = [
        Box::pin(join(Until::All, Losers::Drop, bad())),
        Box::pin(all(Losers::Drop, bad())),
        Box::pin(first_ok(Losers::Drop, bad())),
        Box::pin(quorum(1, Losers::Drop, bad())),
        Box::pin(until(far, Losers::Drop, bad())),
    ];
    let quiet = Shutdown::new().signals(false);
    let ended = root::run(quiet, "main", async |_: &Scope<Fail>| {
        for form in forms {
            assert!(timeout(10 * MS, form).await.is_err());
        }
        Ok(())
    });
    let lines = ended
        .unclaimed
        .iter()
        .map(|orphan| orphan.failure.at.line());
    assert_eq!(lines.collect::<Vec<_>>(), [0, 1, 2, 3, 4].map(|n| line + n));
    let scopes = ended.unclaimed.iter().map(|orphan| &*orphan.scope);
    let names = ["join", "all", "first_ok", "quorum", "until"];
    assert!(scopes.eq(names.map(|name| format!("main/{name}"))));
}

#[test]
fn a_value_that_panics_when_dropped_takes_no_failure_with_it() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let quiet = Shutdown::new().signals(false);
    let ended = root::run(quiet, "main", async |_: &Scope<Fail>| {
        let arms = [0, 1, 2].map(|n| async move {
            match n {
                0 => Ok(Bad),
                1 => fail("lost"),
                _ => forever().await,
            }
        });
        let dropped = timeout(10 * MS, all(Losers::Drop, arms));
        let caught = std::panic::AssertUnwindSafe(dropped).catch_unwind();
        assert!(caught.await.is_err());
        Ok(())
    });
    let found: Vec<_> = ended.unclaimed.iter().map(ToString::to_string).collect();
    assert!(
        matches!(&found[..], [one] if one.contains("failed: lost")),
        "{found:?}"
    );
}
