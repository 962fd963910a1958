//! Many items, for what they do.

use crate::support::*;
use std::sync::{Arc, atomic::Ordering::SeqCst};
use tidegate::{
    Opts, Reason, Scope, ScopeError, scope,
    stream::{Concurrent, Order, for_each_concurrent, pull},
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

#[tokio::test(start_paused = true)]
async fn every_item_runs_and_as_many_at_once_as_is_said() {
    let gauge = Gauge::default();
    let start = Instant::now();
    let opts = Concurrent::named("item").at_once(5);
    for_each_concurrent(opts, 0..50, |_| {
        let running = gauge.clone();
        async move {
            let _running = running.enter();
            sleep(SEC).await;
            Ok::<_, Fail>(())
        }
    })
    .await
    .unwrap();
    assert_eq!((gauge.begun(), gauge.most(), gauge.now()), (50, 5, 0));
    assert_eq!(start.elapsed(), 10 * SEC);
}

#[tokio::test(start_paused = true)]
async fn the_source_and_the_work_may_borrow() {
    let texts = ["a".to_owned(), "b".to_owned()];
    let mut begun = Vec::new();
    for_each_concurrent("item", &texts, |text| {
        begun.push(text.as_str());
        async { Ok::<_, Fail>(()) }
    })
    .await
    .unwrap();
    assert_eq!(begun, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_waits_is_polled_no_further_than_items_run() {
    let gauge = Gauge::default();
    let source = pull(0, async |n| {
        sleep(MS).await;
        (n < 6).then_some((n, n + 1))
    });
    for_each_concurrent(Concurrent::named("item").at_once(2), source, |n| {
        let running = gauge.clone();
        async move {
            let _running = running.enter();
            sleep(n * SEC).await;
            Ok::<_, Fail>(())
        }
    })
    .await
    .unwrap();
    assert_eq!((gauge.begun(), gauge.most()), (6, 2));
}

#[tokio::test(start_paused = true)]
async fn the_first_failure_stops_the_others_and_the_intake() {
    let gauge = Gauge::default();
    let (source, taken) = counted(1_000);
    let opts = Concurrent::named("item").at_once(3);
    let error = for_each_concurrent(opts, source, |n| {
        let running = gauge.enter();
        async move {
            let _running = running;
            sleep(MS).await;
            match n {
                0 => Ok(()),
                1 | 2 => fail(&format!("number {n}")),
                _ => std::future::pending().await,
            }
        }
    })
    .await
    .unwrap_err();
    // Both ended in the same tick, so both have failed; what was begun after them was dropped.
    let failed = failures(error);
    assert_eq!(failed[0], "item: number 1");
    assert!(taken.load(SeqCst) <= 4 && gauge.now() == 0);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_an_item_of_the_work_or_of_the_source_is_in_the_error() {
    for who in ["item", "work", "source"] {
        let source = (0..3).inspect(|_| assert!(who != "source", "of the source"));
        let error = for_each_concurrent("each", source, |_| {
            assert!(who != "work", "of the work");
            async move {
                assert!(who != "item", "of the item");
                Ok(())
            }
        });
        let failures = failures(error.await.unwrap_err());
        assert_eq!(failures[0], format!("each! of the {who}"));
    }
}

#[tokio::test(start_paused = true)]
async fn told_to_stop_after_the_last_item_has_begun_it_is_not_a_success() {
    let opts = Opts::named("around").grace(10 * SEC);
    let ended = scope(opts, async |s: &Scope<Fail>| {
        let each = for_each_concurrent("item", [1], async |_| std::future::pending().await);
        let (ended, ()) = tokio::join!(each, async {
            sleep(SEC).await;
            s.cancel(Reason::User("enough"), SEC);
        });
        Ok::<Result<(), ScopeError<Fail>>, _>(ended)
    });
    let ended = ended.await.unwrap();
    assert!(
        matches!(ended, Err(ScopeError::Cancelled(Reason::User("enough")))),
        "{ended:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn dropped_before_its_first_poll_it_has_taken_nothing() {
    let (source, taken) = counted(3);
    drop(for_each_concurrent("item", source, async |_| {
        Ok::<_, Fail>(())
    }));
    assert_eq!(taken.load(SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn dropped_midway_it_stops_what_runs() {
    let gauge = Gauge::default();
    let endless = for_each_concurrent("item", 0..10, |_| {
        let running = gauge.enter();
        async move {
            let _running = running;
            std::future::pending::<Result<(), Fail>>().await
        }
    });
    assert!(timeout(SEC, endless).await.is_err());
    sleep(MS).await;
    assert_eq!((gauge.begun(), gauge.now()), (10, 0));
}

#[tokio::test(start_paused = true)]
async fn items_go_on_while_the_caller_does_something_else() {
    let gauge = Gauge::default();
    let each = for_each_concurrent("item", 0..3, |_| {
        let running = gauge.enter();
        async move {
            sleep(SEC).await;
            drop(running);
            Ok::<_, Fail>(())
        }
    });
    let mut each = std::pin::pin!(each);
    assert!(timeout(MS, each.as_mut()).await.is_err());
    sleep(2 * SEC).await;
    assert_eq!((gauge.begun(), gauge.now()), (3, 0));
    each.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_order_of_results_is_of_no_effect() {
    let later = Arc::new(Notify::new());
    let opts = Concurrent::named("item").at_once(2).order(Order::Input);
    let all = for_each_concurrent(opts, 0..20, |n| {
        let later = later.clone();
        async move {
            match n {
                0 => later.notified().await,
                19 => later.notify_one(),
                _ => {}
            }
            Ok::<_, Fail>(())
        }
    });
    timeout(SEC, all).await.unwrap().unwrap();
}
