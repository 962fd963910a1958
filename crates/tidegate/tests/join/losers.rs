//! What becomes of arms that have lost.

use crate::{arm, shown, support::*};
use std::pin::Pin;
use tidegate::{
    Reason, Scope, cancelled,
    join::{Losers, first_ok, quorum, race},
    scope,
};
use tokio::time::Instant;

type BoxedArm = Pin<Box<dyn Future<Output = Result<&'static str, Fail>> + Send>>;

fn drain(secs: u32) -> Losers {
    Losers::Drain { grace: secs * SEC }
}

/// An arm that ends one second after it is told.
fn polite(log: &Log) -> BoxedArm {
    let log = log.clone();
    Box::pin(async move {
        log.note(format!("told: {}", cancelled().await));
        after(SEC, Ok("cleaned up")).await
    })
}

#[tokio::test(start_paused = true)]
async fn a_dropped_loser_is_gone_before_the_join_returns() {
    let (start, drops) = (Instant::now(), Drops::default());
    let arms = [1, 9, 9].map(|secs| {
        let guard = drops.guard();
        async move {
            let _guard = guard;
            arm(secs, "a").await
        }
    });
    let joined = race(Losers::Drop, arms).await;
    assert_eq!((drops.count(), start.elapsed()), (3, SEC));
    assert_eq!(
        joined.unfinished,
        [(1, Reason::LostJoin), (2, Reason::LostJoin)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_drained_loser_is_asked_and_may_end() {
    let (start, log) = (Instant::now(), Log::default());
    let arms = [polite(&log), Box::pin(arm(1, "b"))];
    let joined = race(drain(5), arms).await;
    assert_eq!(shown(&joined).0, ["1=b", "0=cleaned up"]);
    assert_eq!(log.take(), ["told: other arms have decided the join"]);
    assert_eq!(start.elapsed(), 2 * SEC);
}

#[tokio::test(start_paused = true)]
async fn a_drained_loser_that_does_not_end_is_dropped_after_its_grace() {
    let (start, drops) = (Instant::now(), Drops::default());
    let guard = drops.guard();
    let deaf: BoxedArm = Box::pin(async move {
        let _guard = guard;
        arm(99, "a").await
    });
    let joined = race(drain(5), [deaf, Box::pin(arm(1, "b"))]).await;
    assert_eq!((drops.count(), start.elapsed()), (1, 6 * SEC));
    assert_eq!(shown(&joined), (vec!["1=b".to_owned()], vec![0]));
}

#[tokio::test(start_paused = true)]
async fn a_loser_that_ends_at_the_winner_s_instant_comes_after_it() {
    let at_once: BoxedArm = Box::pin(async {
        cancelled().await;
        Ok("late")
    });
    let joined = first_ok(drain(5), [at_once, Box::pin(arm(1, "b"))]).await;
    assert_eq!(shown(&joined).0, ["1=b", "0=late"]);
    assert_eq!(joined.into_first_ok().unwrap(), (1, "b"));
}

#[tokio::test(start_paused = true)]
async fn a_loser_that_panics_on_its_way_out_is_finished() {
    for losers in [Losers::Drop, drain(1)] {
        let trap: BoxedArm = Box::pin(async {
            let _trap = Trap("x");
            arm(99, "a").await
        });
        let joined = race(losers, [trap, Box::pin(arm(1, "b"))]).await;
        assert_eq!(
            shown(&joined),
            (vec!["1=b".to_owned(), "0!x".to_owned()], vec![])
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_arm_that_was_never_started_is_dropped_before_the_join_returns() {
    struct Never(#[expect(dead_code, reason = "dropped")] Trap);
    impl Future for Never {
        type Output = Result<u8, Fail>;
        fn poll(
            self: Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Self::Output> {
            panic!("polled")
        }
    }
    let joined = quorum(0, Losers::Drop, [Never(Trap("x"))]).await;
    assert_eq!(shown(&joined), (vec!["0!x".to_owned()], vec![]));
}

#[tokio::test(start_paused = true)]
async fn scopes_inside_a_dropped_loser_keep_their_grace() {
    let (start, log) = (Instant::now(), Log::default());
    let (inner, text) = (polite(&log), log.clone());
    let nested: BoxedArm = Box::pin(async move {
        scope("nested", async |s: &Scope<Fail>| {
            drop(s.spawn_with_grace("polite", 5 * SEC, inner).await);
            forever().await
        })
        .await
        .map_err(|_| Fail("nested".into()))
    });
    race(Losers::Drop, [nested, Box::pin(arm(1, "b"))])
        .await
        .finished
        .clear();
    text.note("returned");
    assert_eq!(
        log.take(),
        ["told: other arms have decided the join", "returned"]
    );
    assert_eq!(start.elapsed(), 2 * SEC);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_arm_is_accounted_for_once_when_all_run_in_parallel() {
    for _ in 0..200 {
        let drops = Drops::default();
        let arms = (0..16_u32).map(|n| {
            let guard = drops.guard();
            async move {
                let _guard = guard;
                for _ in 0..n % 5 {
                    tokio::task::yield_now().await;
                }
                Ok::<_, Fail>(n)
            }
        });
        let joined = quorum(8, Losers::Drop, arms).await;
        assert_eq!(drops.count(), 16);
        assert!(joined.finished.len() >= 8);
        let finished = joined.finished.iter().map(|(index, _)| *index);
        let unfinished = joined.unfinished.iter().map(|(index, _)| *index);
        let mut all: Vec<_> = finished.chain(unfinished).collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..16));
    }
}
