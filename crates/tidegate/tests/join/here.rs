//! Joins inside one task. That they end as the others do is in `forms`.

use crate::{arm, shown, support::*};
use std::{cell::Cell, pin::Pin, rc::Rc};
use tidegate::{
    Opts, Reason, Scope, cancelled,
    join::here::{self, all, first_ok, quorum, race},
    scope,
};
use tokio::time::{Instant, timeout};

type BoxedArm<'a> = Pin<Box<dyn Future<Output = Result<&'static str, Fail>> + 'a>>;

#[tokio::test(start_paused = true)]
async fn arms_may_borrow_and_need_not_be_send() {
    let seen = Rc::new(Cell::new(0));
    let arms = [1, 2].map(|n| {
        let seen = &seen;
        async move {
            tokio::time::sleep(n * SEC).await;
            seen.set(seen.get() + n);
            Ok::<_, Fail>(n)
        }
    });
    assert_eq!(all(arms).await.into_values().unwrap(), [1, 2]);
    assert_eq!(seen.get(), 3);
}

#[tokio::test(start_paused = true)]
async fn every_named_form_ends_as_its_condition_says() {
    let arms = || [arm(1, "-x"), arm(2, "b"), arm(3, "c")];
    assert_eq!(shown(&race(arms()).await).0, ["0-x"]);
    assert_eq!(shown(&first_ok(arms()).await).0, ["0-x", "1=b"]);
    assert_eq!(shown(&quorum(2, arms()).await).0, ["0-x", "1=b", "2=c"]);
    assert_eq!(shown(&quorum(3, arms()).await).1, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_gives_what_is_there() {
    let start = Instant::now();
    let arms = [arm(1, "a"), arm(9, "b")];
    let line = here().1 + 1;
    let joined = here::until(start + 5 * SEC, arms).await;
    assert_eq!(start.elapsed(), 5 * SEC);
    assert_eq!(shown(&joined).0, ["0=a"]);
    let [(1, Reason::Deadline { declared_by })] = joined.unfinished[..] else {
        panic!("{joined:?}")
    };
    assert_eq!(
        (declared_by.name(), declared_by.at().line()),
        ("until", line)
    );
}

#[tokio::test(start_paused = true)]
async fn losers_are_gone_before_the_join_returns_and_their_panics_are_kept() {
    let drops = Drops::default();
    let guard = drops.guard();
    let arms: [BoxedArm<'_>; 4] = [
        Box::pin(async {
            let _guard = guard;
            arm(9, "a").await
        }),
        Box::pin(async {
            let _trap = Trap("x");
            arm(9, "b").await
        }),
        Box::pin(async {
            let _trap = Trap("y");
            arm(9, "c").await
        }),
        Box::pin(arm(1, "d")),
    ];
    let joined = race(arms).await;
    assert_eq!(drops.count(), 1);
    let finished = ["3=d", "1!x", "2!y"].map(str::to_owned);
    assert_eq!(shown(&joined), (finished.to_vec(), vec![0]));
    assert_eq!(joined.unfinished[0].1, Reason::LostJoin);
}

#[tokio::test(start_paused = true)]
async fn dropping_it_drops_the_arms() {
    let drops = Drops::default();
    let work = |guard| async {
        let _guard = guard;
        forever::<u8>().await
    };
    drop(all([work(drops.guard())]));
    assert!(timeout(MS, all([work(drops.guard())])).await.is_err());
    assert_eq!(drops.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn arms_hear_of_the_cancel_of_the_caller_s_scope() {
    let mut seen = None;
    let opts = Opts::named("graceful").grace(SEC);
    scope(opts, async |s: &Scope<Fail>| {
        let stop = async {
            s.cancel(Reason::User("enough"), SEC);
            Ok("stopped")
        };
        let polite = async {
            cancelled().await;
            Ok("cleaned up")
        };
        let arms: [BoxedArm<'_>; 2] = [Box::pin(polite), Box::pin(stop)];
        seen = Some(all(arms).await);
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(
        seen.unwrap().into_values().unwrap(),
        ["cleaned up", "stopped"]
    );
}

#[tokio::test(start_paused = true)]
async fn only_arms_that_were_woken_are_polled() {
    let polls = Cell::new(0);
    let arms = (0..100).map(|n| {
        let mut sleep = Box::pin(tokio::time::sleep(n * SEC));
        let polls = &polls;
        std::future::poll_fn(move |cx| {
            polls.set(polls.get() + 1);
            sleep.as_mut().poll(cx).map(Ok::<_, Fail>)
        })
    });
    assert_eq!(all(arms).await.finished.len(), 100);
    // Two for each but the first, which is ready at once; all of them each time would be 5,050.
    assert_eq!(polls.get(), 199);
}
