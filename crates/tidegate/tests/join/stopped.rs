//! A join whose runtime goes away, and one that has none.

use crate::support::*;
use std::{sync::mpsc, thread};
use tidegate::{
    Reason,
    join::{Losers, all},
};
use tokio::runtime::Builder;

#[test]
fn a_runtime_that_goes_away_drops_the_arms() {
    let drops = Drops::default();
    let guard = drops.guard();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let work = async move {
            let _guard = guard;
            forever::<u8>().await
        };
        let joined = all(Losers::Drop, [work]);
        assert!(tokio::time::timeout(MS, joined).await.is_err());
    });
    drop(runtime);
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_join_outside_a_runtime_panics() {
    let caught = std::panic::catch_unwind(|| {
        let joined = all(Losers::Drop, [async { Ok::<_, Fail>(1) }]);
        let mut joined = std::pin::pin!(joined);
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        joined.as_mut().poll(&mut cx).is_ready()
    });
    let payload = caught.unwrap_err();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    assert!(text.unwrap().contains("no reactor running"), "{text:?}");
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the caller of the join stands on a thread outside of every runtime"
)]
fn a_join_ends_when_a_runtime_has_gone_away_with_its_arms() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let handle = runtime.handle().clone();
    let (sender, started) = mpsc::sync_channel(1);
    let joined = thread::scope(|threads| {
        let joining = threads.spawn(move || {
            let arm = async move {
                sender.send(()).unwrap();
                forever::<u8>().await
            };
            handle.block_on(all(Losers::Drop, [arm]))
        });
        started.recv().unwrap();
        runtime.shutdown_background();
        joining.join().unwrap()
    });
    assert!(joined.finished.is_empty());
    assert_eq!(joined.unfinished, [(0, Reason::Ended)]);
}
