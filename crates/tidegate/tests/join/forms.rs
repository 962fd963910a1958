//! When each form ends, and what it gives.

use crate::{arm, shown, support::*};
use std::convert::Infallible;
use tidegate::{
    Reason,
    join::{Joined, Losers, Until, all, first_ok, hedged, join, quorum, race, until},
};
use tokio::time::Instant;

/// Runs the joins of every spelling and checks that they agree: result, unfinished arms, seconds.
async fn check(
    until: Until,
    named: impl AsyncFnOnce(Vec<BoxedArm>) -> Joined<&'static str, Fail>,
    arms: &[(u32, &'static str)],
    finished: &[&str],
    unfinished: &[usize],
    secs: u64,
) {
    let boxed = || -> Vec<BoxedArm> {
        let arms = arms.iter();
        arms.map(|&(secs, text)| Box::pin(arm(secs, text)) as BoxedArm)
            .collect()
    };
    let is = |spelling: &str, joined: &Joined<_, _>, start: Instant| {
        let (left, right) = shown(joined);
        assert_eq!(
            (&left[..], &right[..]),
            (&to_owned(finished)[..], unfinished),
            "{spelling}"
        );
        assert_eq!(start.elapsed().as_secs(), secs, "{spelling}");
        let lost = joined.unfinished.iter();
        assert!(
            lost.clone().all(|(_, reason)| *reason == Reason::LostJoin),
            "{spelling}"
        );
    };
    let start = Instant::now();
    is("named", &named(boxed()).await, start);
    let start = Instant::now();
    is("join", &join(until, Losers::Drop, boxed()).await, start);
    let start = Instant::now();
    is(
        "here",
        &tidegate::join::here::join(until, boxed()).await,
        start,
    );
}

type BoxedArm =
    std::pin::Pin<Box<dyn Future<Output = Result<&'static str, Fail>> + Send + 'static>>;

fn to_owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn all_waits_for_every_arm_whatever_fails() {
    let arms = [(3, "c"), (1, "-x"), (2, "!y")];
    let named = async |arms| all(Losers::Drop, arms).await;
    check(Until::All, named, &arms, &["1-x", "2!y", "0=c"], &[], 3).await;
}

#[tokio::test(start_paused = true)]
async fn first_ok_passes_over_failures() {
    let arms = [(1, "-x"), (2, "!y"), (3, "c"), (4, "d")];
    let named = async |arms| first_ok(Losers::Drop, arms).await;
    let finished = ["0-x", "1!y", "2=c"];
    check(Until::FirstOk, named, &arms, &finished, &[3], 3).await;
}

#[tokio::test(start_paused = true)]
async fn first_ok_ends_when_all_have_failed() {
    let arms = [(2, "-x"), (1, "!y")];
    let named = async |arms| first_ok(Losers::Drop, arms).await;
    check(Until::FirstOk, named, &arms, &["1!y", "0-x"], &[], 2).await;
}

#[tokio::test(start_paused = true)]
async fn race_ends_with_the_first_end_of_any_kind() {
    for first in ["a", "-a", "!a"] {
        let shown = match first.len() {
            1 => "1=a".to_owned(),
            _ => format!("1{first}"),
        };
        let arms = [(2, "b"), (1, first), (3, "c")];
        let named = async |arms| race(Losers::Drop, arms).await;
        check(Until::First, named, &arms, &[&shown], &[0, 2], 1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn quorum_ends_when_it_is_reached() {
    let arms = [(4, "d"), (1, "a"), (2, "-x"), (3, "c")];
    let named = async |arms| quorum(2, Losers::Drop, arms).await;
    let finished = ["1=a", "2-x", "3=c"];
    check(Until::Quorum(2), named, &arms, &finished, &[0], 3).await;
}

#[tokio::test(start_paused = true)]
async fn quorum_ends_when_it_cannot_be_reached() {
    let arms = [(1, "-x"), (2, "!y"), (9, "c")];
    let named = async |arms| quorum(2, Losers::Drop, arms).await;
    check(Until::Quorum(2), named, &arms, &["0-x", "1!y"], &[2], 2).await;
    // More than there are arms: at once, and nothing is started.
    let named = async |arms| quorum(4, Losers::Drop, arms).await;
    check(Until::Quorum(4), named, &arms, &[], &[0, 1, 2], 0).await;
}

#[tokio::test(start_paused = true)]
async fn no_arms_are_done_at_once() {
    for form in [Until::All, Until::FirstOk, Until::First, Until::Quorum(0)] {
        let named = async |arms| join(form, Losers::Drop, arms).await;
        check(form, named, &[], &[], &[], 0).await;
    }
}

/// The first arm ends only after the second one has, at the same instant of the clock.
fn reversed() -> [BoxedArm; 2] {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let first = async { Ok(receiver.await?) };
    let second = async {
        tokio::time::sleep(SEC).await;
        sender.send("first").map_err(|text| Fail(text.into()))?;
        Ok("second")
    };
    [Box::pin(first), Box::pin(second)]
}

#[tokio::test(start_paused = true)]
async fn arms_that_end_at_one_instant_stand_in_the_order_of_the_input() {
    let order = to_owned(&["0=first", "1=second"]);
    let joined = race(Losers::Drop, reversed()).await;
    assert_eq!(shown(&joined), (order.clone(), vec![]));
    let joined = tidegate::join::here::race(reversed()).await;
    assert_eq!(shown(&joined), (order, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_gives_what_is_there() {
    let start = Instant::now();
    let arms = [(1, "a"), (9, "b"), (2, "-x")].map(|(secs, text)| arm(secs, text));
    let line = here().1 + 1;
    let joined = until(start + 5 * SEC, Losers::Drop, arms).await;
    assert_eq!(shown(&joined), (to_owned(&["0=a", "2-x"]), vec![1]));
    assert_eq!(start.elapsed(), 5 * SEC);
    let Reason::Deadline { declared_by } = joined.unfinished[0].1 else {
        panic!("another reason")
    };
    assert_eq!(
        (declared_by.name(), declared_by.at().line()),
        ("until", line)
    );
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_nobody_needs_is_not_waited_for() {
    let start = Instant::now();
    let joined = until(start + 5 * SEC, Losers::Drop, [arm(1, "a")]).await;
    assert_eq!(start.elapsed(), SEC);
    assert_eq!(joined.into_values().unwrap(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn hedged_starts_an_arm_when_the_last_one_is_late_or_has_failed() {
    let start = Instant::now();
    let log = Log::default();
    // Started at 0, 5 (late) and 6 (failed); the fourth would start at 11.
    let arms = [(20, "a"), (1, "-x"), (4, "c"), (1, "d")].map(|(secs, text)| {
        let log = log.clone();
        async move {
            log.note(format!("{text} at {}", start.elapsed().as_secs()));
            arm(secs, text).await
        }
    });
    let joined = hedged(5 * SEC, Losers::Drop, arms).await;
    assert_eq!(log.take(), ["a at 0", "-x at 5", "c at 6"]);
    assert_eq!(shown(&joined), (to_owned(&["1-x", "2=c"]), vec![0, 3]));
    assert_eq!(joined.into_first_ok().unwrap(), (2, "c"));
}

#[tokio::test(start_paused = true)]
async fn hedged_gives_every_failure_when_no_arm_succeeds() {
    let arms = [arm(0, "-x"), arm(0, "!y")];
    let joined = hedged(SEC, Losers::Drop, arms).await;
    assert_eq!(shown(&joined), (to_owned(&["0-x", "1!y"]), vec![]));
    let error = joined.into_first_ok().unwrap_err();
    assert_eq!(error.to_string(), "0 of 2 arms succeeded; arm 0 failed: x");
}

#[tokio::test(start_paused = true)]
async fn at_most_1_024_arms_run_at_once() {
    let start = Instant::now();
    let arms = (0..1_500).map(|_| arm(1, "a"));
    let joined = all(Losers::Drop, arms).await;
    assert_eq!(start.elapsed(), 2 * SEC);
    assert_eq!(joined.finished.len(), 1_500);
    assert_eq!(joined.finished[0].0, 0);
    assert_eq!(joined.finished[1_499].0, 1_499);
}

#[tokio::test(start_paused = true)]
async fn values_come_back_whole_or_everything_does() {
    let joined = all(Losers::Drop, [arm(2, "a"), arm(1, "b")]).await;
    assert_eq!(joined.into_values().unwrap(), ["a", "b"]);
    let joined = all(Losers::Drop, [arm(2, "a"), arm(1, "!x")]).await;
    let error = joined.into_values().unwrap_err();
    assert_eq!(
        error.to_string(),
        "1 of 2 arms succeeded; arm 1 panicked: x"
    );
    let joined = race(Losers::Drop, [arm(2, "a"), arm(1, "b")]).await;
    let error = joined.into_values().unwrap_err();
    assert_eq!(
        error.to_string(),
        "1 of 2 arms succeeded; arm 0 was stopped: other arms have decided the join"
    );
}

#[test]
fn joins_can_be_sent() {
    fn is_send<T: Send>(_: T) {}
    let arms = || [std::future::ready(Ok::<_, Infallible>(1))];
    is_send(join(Until::All, Losers::Drop, arms()));
    is_send(all(Losers::Drop, arms()));
    is_send(hedged(SEC, Losers::Drop, arms()));
    is_send(tidegate::join::here::all(arms()));
}
