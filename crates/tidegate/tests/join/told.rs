//! A join whose surroundings are told to stop.

use crate::{arm, shown, support::*};
use tidegate::{
    Opts, Reason, Scope, ScopeError, cancelled,
    join::{Joined, Losers, all, until},
    scope, shield,
};
use tokio::time::Instant;

const ENOUGH: Reason = Reason::User("enough");

/// Cancels the scope after one second and returns what a graceful caller sees of the join.
async fn graceful(losers: Losers) -> (Joined<&'static str, Fail>, u64) {
    let start = Instant::now();
    let mut seen = None;
    let opts = Opts::named("graceful").grace(9 * SEC);
    scope(opts, async |s: &Scope<Fail>| {
        let handle = s.clone();
        s.spawn_background("stop", async move {
            tokio::time::sleep(1500 * MS).await;
            handle.cancel(ENOUGH, 9 * SEC);
            Ok(())
        })?;
        let polite = async {
            cancelled().await;
            arm(1, "cleaned up").await
        };
        let arms: [std::pin::Pin<Box<dyn Future<Output = _> + Send>>; 3] = [
            Box::pin(arm(1, "a")),
            Box::pin(arm(99, "b")),
            Box::pin(polite),
        ];
        seen = Some(all(losers, arms).await);
        Ok(())
    })
    .await
    .unwrap();
    (seen.unwrap(), start.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn a_caller_with_a_grace_is_told_why_its_arms_are_missing() {
    let (joined, secs) = graceful(Losers::Drop).await;
    assert_eq!(shown(&joined).0, ["0=a"]);
    assert_eq!(
        (joined.unfinished, secs),
        (vec![(1, ENOUGH), (2, ENOUGH)], 1)
    );
}

#[tokio::test(start_paused = true)]
async fn arms_are_drained_also_when_the_caller_is_told() {
    let (joined, secs) = graceful(Losers::Drain { grace: 2 * SEC }).await;
    assert_eq!(shown(&joined).0, ["0=a", "2=cleaned up"]);
    assert_eq!((joined.unfinished, secs), (vec![(1, ENOUGH)], 3));
}

#[tokio::test(start_paused = true)]
async fn a_caller_without_a_grace_is_dropped_and_its_arms_are_waited_for() {
    let drops = Drops::default();
    let guard = drops.guard();
    let log = Log::default();
    let start = Instant::now();
    let error = scope("plain", async |s: &Scope<Fail>| {
        let handle = s.clone();
        s.spawn_background("stop", async move {
            handle.cancel(ENOUGH, 9 * SEC);
            Ok(())
        })?;
        let polite = async move {
            let _guard = guard;
            cancelled().await;
            arm(1, "cleaned up").await
        };
        let joined = all(Losers::Drain { grace: 5 * SEC }, [polite]).await;
        log.note(joined.to_string());
        Ok(())
    });
    assert!(matches!(error.await, Err(ScopeError::Cancelled(ENOUGH))));
    assert_eq!((drops.count(), start.elapsed()), (1, SEC));
    assert!(log.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_join_in_a_scope_that_was_told_starts_nothing() {
    let mut seen = None;
    let opts = Opts::named("told").grace(SEC);
    scope(opts, async |s: &Scope<Fail>| {
        s.cancel(ENOUGH, SEC);
        let polled = async { panic!("started") as Result<u8, Fail> };
        seen = Some(all(Losers::Drop, [polled]).await);
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(seen.unwrap().unfinished, [(0, ENOUGH)]);
}

#[tokio::test(start_paused = true)]
async fn an_earlier_deadline_of_the_caller_s_scope_is_the_one_named() {
    let mut seen = None;
    let opts = Opts::named("outer").grace(SEC).timeout(2 * SEC);
    scope(opts, async |_: &Scope<Fail>| {
        let deadline = Instant::now() + 3 * SEC;
        seen = Some(until(deadline, Losers::Drop, [arm(9, "a")]).await);
        Ok(())
    })
    .await
    .unwrap();
    let Reason::Deadline { declared_by } = seen.unwrap().unfinished[0].1 else {
        panic!("another reason")
    };
    assert_eq!(declared_by.name(), "outer");
}

#[tokio::test(start_paused = true)]
async fn a_shielded_join_goes_on() {
    let mut seen = None;
    let error = scope("shielded", async |s: &Scope<Fail>| {
        s.cancel(ENOUGH, 9 * SEC);
        let joined = all(Losers::Drop, [arm(1, "a"), arm(2, "b")]);
        seen = Some(shield(5 * SEC, joined).await?);
        forever::<()>().await
    });
    assert!(matches!(error.await, Err(ScopeError::Cancelled(ENOUGH))));
    assert_eq!(seen.unwrap().into_values().unwrap(), ["a", "b"]);
}
