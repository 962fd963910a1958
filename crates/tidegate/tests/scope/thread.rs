//! Threads as children.

use crate::support::*;
use std::time::Duration;
use tidegate::{Reason, RefusedBecause, Scope, ScopeError, StopFlag, Stopped, scope};

#[tokio::test]
async fn a_thread_is_a_child_with_a_value_an_error_or_a_panic() {
    let value = scope("value", async |s: &Scope<Fail>| {
        Ok(s.spawn_thread("add", |_| Ok(40 + 2))?.await?)
    });
    assert_eq!(value.await.unwrap(), 42);

    let error = scope("error", async |s: &Scope<Fail>| {
        drop(s.spawn_thread("bad", |_| fail::<()>("x"))?);
        forever::<()>().await
    });
    assert_eq!(failures(error.await.unwrap_err()), ["bad: x"]);

    let mut task = None;
    let error = scope("panic", async |s: &Scope<Fail>| {
        task = Some(s.spawn_thread("bad", |_| -> Result<(), Fail> { panic!("y") })?);
        Ok(())
    });
    assert_eq!(failures(error.await.unwrap_err()), ["bad! y"]);
    assert_eq!(task.unwrap().await, Err(Stopped::Panicked));
}

#[tokio::test]
async fn a_thread_is_told_and_waited_for() {
    let log = Log::default();
    let error = scope("told", async |s: &Scope<Fail>| {
        let log = log.clone();
        drop(s.spawn_thread("loops", move |stop: StopFlag| {
            while !stop.is_set() {
                std::thread::yield_now();
            }
            // The ambient functions speak of the thread's scope.
            log.note(format!("{:?} {:?}", stop.reason(), tidegate::reason()));
            Ok(())
        })?);
        s.cancel(Reason::User("enough"), Duration::ZERO);
        forever::<()>().await
    });
    assert!(matches!(
        error.await,
        Err(ScopeError::Cancelled(Reason::User("enough")))
    ));
    assert_eq!(log.take(), [r#"Some(User("enough")) Some(User("enough"))"#]);
}

#[tokio::test]
async fn a_thread_may_spawn_into_its_scope() {
    let value = scope("spawns", async |s: &Scope<Fail>| {
        let inner = s.clone();
        let task = s.spawn_thread("thread", move |_| {
            Ok(inner.try_spawn("task", async { Ok(7) })?)
        })?;
        Ok(task.await?.await?)
    });
    assert_eq!(value.await.unwrap(), 7);
}

#[tokio::test]
async fn a_thread_that_is_not_taken_hands_its_closure_back() {
    let handle = scope("done", async |s: &Scope<Fail>| Ok(s.clone()))
        .await
        .unwrap();
    let text = String::from("7");
    let refused = handle
        .spawn_thread("late", move |_: StopFlag| Ok(text.len()))
        .unwrap_err();
    assert_eq!(refused.because, RefusedBecause::Closed);
    // Nobody but a scope makes a stop flag, so the closure is only looked at.
    assert_eq!(size_of_val(&refused.into_work()), size_of::<String>());
}
