//! A join whose runtime goes away, and one that has none.

use crate::support::*;
use tidegate::join::{Losers, all};

#[test]
fn a_runtime_that_goes_away_drops_the_arms() {
    let drops = Drops::default();
    let guard = drops.guard();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
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
