//! Promises.

use std::{thread, time::Duration};
use tidegate::bridge::{Promise, Resolver, Unresolved, oneshot};
use tokio::time::timeout;

#[tokio::test]
async fn a_thread_resolves_a_promise() {
    let (resolver, promise) = oneshot();
    let thread = thread::spawn(move || resolver.resolve("here"));
    assert_eq!(promise.await, Ok("here"));
    assert_eq!(thread.join().unwrap(), Ok(()));
}

#[tokio::test]
async fn a_resolver_that_is_dropped_leaves_the_promise_unresolved() {
    let (resolver, promise) = oneshot::<()>();
    drop(resolver);
    assert_eq!(promise.await, Err(Unresolved));

    // Also by a panic.
    let (resolver, promise) = oneshot::<()>();
    let thread = thread::spawn(move || {
        let _resolver = resolver;
        panic!("on purpose");
    });
    assert_eq!(promise.await, Err(Unresolved));
    assert!(thread.join().is_err());
}

#[tokio::test]
async fn a_resolver_hears_that_nobody_waits() {
    let (mut resolver, promise) = oneshot();
    assert!(resolver.is_wanted());
    let waits = tokio::spawn(async move {
        resolver.unwanted().await;
        resolver
    });
    tokio::task::yield_now().await;
    assert!(!waits.is_finished());
    drop(promise);
    let resolver = waits.await.unwrap();
    assert!(!resolver.is_wanted());
    assert_eq!(resolver.resolve("back"), Err("back"));
}

#[tokio::test(start_paused = true)]
async fn a_promise_that_was_given_up_may_be_taken_up_again() {
    let (resolver, mut promise) = oneshot();
    assert!(timeout(Duration::from_secs(1), &mut promise).await.is_err());
    assert!(resolver.is_wanted());
    resolver.resolve(7).unwrap();
    assert_eq!(promise.await, Ok(7));
}

#[test]
fn both_halves_go_to_other_threads() {
    fn goes<T: Send + Sync>() {}
    goes::<Resolver<u8>>();
    goes::<Promise<u8>>();
}
