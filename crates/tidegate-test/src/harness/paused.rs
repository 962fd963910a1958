//! A runtime for a test: time passes only when all wait, and all waiting for ever is an error.

use super::{
    left::{Left, alive, settle},
    stuck::Stuck,
    tasks::Tasks,
};
use std::{
    convert::Infallible,
    error::Error,
    fmt,
    future::{Future, poll_fn},
    panic::Location,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};
use tidegate::{
    Scope,
    cancel::hook::{self, Progress},
    scope,
};
use tokio::{
    runtime::{Builder, Runtime},
    time::Sleep,
};

/// No timer of a test is so far away that nothing else could happen before.
pub(super) const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Of the scope around a test.
const NAME: &str = "test";

/// Runs `body` in a new current-thread runtime with a paused clock, in a scope of its own.
///
/// Time passes only when every task waits, and then at once up to the nearest timer; when there is none within a year,
/// the test is stuck, which takes microseconds to find. Work on threads is seen only when `spawn_blocking` has started
/// it, and real I/O not at all: the clock runs ahead of both.
///
/// What the body leaves to its scope, such as the children of a scope that it has dropped, is waited for.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tidegate_test::paused;
/// use tokio::time::{Instant, sleep};
///
/// let slept = paused(async || {
///     let began = Instant::now();
///     sleep(Duration::from_secs(3600)).await;
///     began.elapsed()
/// });
/// assert_eq!(slept.as_secs(), 3600);
/// ```
///
/// # Panics
///
/// With the panic of `body`. When `body` is stuck, naming every task and the line at which it waits; when a task is left
/// running in the runtime. When called within a runtime.
#[track_caller]
pub fn paused<T>(body: impl AsyncFnOnce() -> T) -> T {
    try_paused(body).unwrap_or_else(|trouble| panic!("{trouble}"))
}

/// As [`paused`], but tells of a stuck test or a task left behind.
///
/// # Errors
///
/// The test is stuck, or has left a task.
///
/// # Panics
///
/// With the panic of `body`, or when called within a runtime.
#[track_caller]
pub fn try_paused<T>(body: impl AsyncFnOnce() -> T) -> Result<T, Trouble> {
    let at = Location::caller();
    let tasks = Rc::new(Tasks::default());
    let hooked = hook::install(tasks.clone());
    let runtime = paused_runtime();
    let result = runtime.block_on(watched(&tasks, at, body));
    // What is left must not hold the test back, and is dropped while the hook is still there.
    runtime.shutdown_background();
    drop(hooked);
    result
}

/// What a test must not end with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// Every task waits, and no timer is near.
    Stuck(Stuck),
    /// The body has returned and tasks run on.
    Left(Left),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Stuck(stuck) => write!(f, "stuck: all tasks wait for each other{stuck}"),
            Trouble::Left(left) => left.fmt(f),
        }
    }
}

impl Error for Trouble {}

pub(super) fn paused_runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        // What the runtime blocks on is polled after every poll of a task that has woken it.
        .event_interval(1)
        .build()
        .expect("the system gives what a runtime needs")
}

async fn watched<T>(
    tasks: &Tasks,
    at: &'static Location<'static>,
    body: impl AsyncFnOnce() -> T,
) -> Result<T, Trouble> {
    let mut test = pin!(scope(NAME, async |_: &Scope<Infallible>| Ok(body().await)));
    let mut result = None;
    let mut main = |cx: &mut Context<'_>| {
        if result.is_some() {
            return Progress::Ended;
        }
        let poll = &mut |cx: &mut Context<'_>| match test.as_mut().poll(cx) {
            Poll::Ready(ended) => {
                result = Some(ended);
                Progress::Ended
            }
            Poll::Pending => Progress::Pending,
        };
        tasks.enter(cx, poll, |cx, poll| {
            tasks.poll((NAME, at), false, cx, poll).0
        })
    };
    let mut limit = pin!(tokio::time::sleep(YEAR));
    if !ended_before(limit.as_mut(), &mut main).await {
        return Err(Trouble::Stuck(stuck(tasks, NAME, main).await));
    }
    let value = match result.expect("it has ended") {
        Ok(value) => value,
        Err(error) => panic!(
            "nobody stops the scope of a test: {}",
            error.or_resume_panic()
        ),
    };
    match settle(0).await {
        0 => Ok(value),
        count => Err(Trouble::Left(left(tasks, count).await)),
    }
}

/// Polls `main` until it has ended, or until `limit`.
pub(super) async fn ended_before(
    mut limit: Pin<&mut Sleep>,
    mut main: impl FnMut(&mut Context<'_>) -> Progress,
) -> bool {
    poll_fn(|cx| match main(cx) {
        Progress::Ended => Poll::Ready(true),
        // Without a share of tokio's budget, which `main` may have used up.
        Progress::Pending => {
            let mut limit = tokio::task::coop::unconstrained(limit.as_mut());
            Pin::new(&mut limit).poll(cx).map(|()| false)
        }
    })
    .await
}

pub(super) async fn stuck(
    tasks: &Tasks,
    scope: &str,
    mut main: impl FnMut(&mut Context<'_>) -> Progress,
) -> Stuck {
    let poll = |cx: &mut Context<'_>| {
        main(cx);
    };
    let answers = tasks.ask(poll).await;
    Stuck::new(scope, answers, alive())
}

/// Names those of the tasks left that a scope has spawned, whichever root it belongs to.
pub(super) async fn left(tasks: &Tasks, count: usize) -> Left {
    let answers = tasks.ask(|_| ()).await;
    let stuck = Stuck::new("", answers, 0);
    Left {
        count,
        known: stuck.tasks.iter().map(ToString::to_string).collect(),
    }
}
