//! One item of a key at a time.

use crate::support::*;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, atomic::Ordering::SeqCst},
    time::Duration,
};
use tidegate::{
    Opts, Reason, Scope, Stopped, scope,
    stream::{Concurrent, Order, for_each_per_key, map_per_key},
};
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn items_of_a_key_run_in_order_and_keys_side_by_side() {
    let log = Log::default();
    let items = [("a", 1), ("a", 2), ("b", 3), ("a", 4), ("b", 5)];
    scope("keys", async |s: &Scope<Fail>| {
        let log = log.clone();
        let work = move |(key, n)| {
            let log = log.clone();
            async move {
                log.note(format!("{key}{n}"));
                sleep(SEC).await;
                log.note(format!("-{key}{n}"));
                Ok(n)
            }
        };
        let mut mapped = map_per_key(s, "item", items, |item| item.0, work);
        let mut count = 0;
        while let Some(n) = mapped.next().await {
            n?;
            count += 1;
        }
        assert_eq!(count, 5);
        Ok(())
    })
    .await
    .unwrap();
    let steps = [
        "a1", "b3", "-a1", "-b3", "a2", "b5", "-a2", "-b5", "a4", "-a4",
    ];
    assert_eq!(log.take(), steps);
}

#[tokio::test(start_paused = true)]
async fn never_two_of_a_key_at_once_whatever_the_order_of_the_results() {
    for order in [Order::Any, Order::Input] {
        let busy = Arc::new(Mutex::new(HashMap::<u64, u64>::new()));
        let gauge = Gauge::default();
        let results = scope("keys", async |s: &Scope<Fail>| {
            let (busy, gauge) = (busy.clone(), gauge.clone());
            let work = move |n: u64| {
                let (busy, gauge) = (busy.clone(), gauge.clone());
                async move {
                    let _running = gauge.enter();
                    let before = busy.lock().unwrap().insert(n % 5, n);
                    assert_eq!(before, None, "two of a key");
                    sleep(Duration::from_millis(1 + n * 31 % 17)).await;
                    busy.lock().unwrap().remove(&(n % 5));
                    Ok(n)
                }
            };
            let opts = Concurrent::named("item").at_once(3).order(order);
            let mut mapped = map_per_key(s, opts, 0..200, |n| n % 5, work);
            let mut results = Vec::new();
            while let Some(n) = mapped.next().await {
                results.push(n?);
            }
            Ok(results)
        });
        let mut results = results.await.unwrap();
        if order == Order::Any {
            results.sort_unstable();
        }
        assert!(results.into_iter().eq(0..200), "{order:?}");
        assert_eq!(gauge.most(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_key_fills_the_window_and_holds_the_source_back() {
    let (source, taken) = counted(100);
    let opts = Concurrent::named("item").at_once(2).window(8);
    let gauge = Gauge::default();
    let each = for_each_per_key(
        opts,
        source,
        |_| "the same",
        |_| {
            let running = gauge.clone();
            async move {
                let _running = running.enter();
                sleep(SEC).await;
                Ok::<_, Fail>(())
            }
        },
    );
    let (done, ()) = tokio::join!(each, async {
        sleep(SEC / 2).await;
        assert_eq!(taken.load(SeqCst), 8);
        sleep(SEC).await;
        assert_eq!(taken.load(SeqCst), 9);
    });
    done.unwrap();
    assert_eq!((gauge.begun(), gauge.most()), (100, 1));
}

#[tokio::test(start_paused = true)]
async fn items_that_wait_for_their_key_never_run_after_a_failure() {
    let gauge = Gauge::default();
    let error = for_each_per_key(
        "item",
        0..10,
        |n| n % 2,
        |n| {
            let running = gauge.clone();
            async move {
                let _running = running.enter();
                sleep(MS).await;
                if n == 0 { fail("zero") } else { Ok(()) }
            }
        },
    );
    assert_eq!(failures(error.await.unwrap_err()), ["item: zero"]);
    assert_eq!((gauge.begun(), gauge.now()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn items_that_wait_for_their_key_run_also_while_nobody_takes_a_result() {
    let gauge = Gauge::default();
    scope("full", async |s: &Scope<Fail>| {
        let running = gauge.clone();
        let opts = Concurrent::named("item").window(3);
        let work = move |_| {
            let running = running.enter();
            async move {
                sleep(SEC).await;
                drop(running);
                Ok(())
            }
        };
        let mut mapped = map_per_key(s, opts, 0..9, |_| "the same", work);
        sleep(10 * SEC).await;
        assert_eq!((gauge.begun(), gauge.now()), (3, 0));
        mapped.next().await.unwrap()?;
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(start_paused = true)]
async fn told_to_stop_the_results_end_although_items_waited_for_their_key() {
    for order in [Order::Any, Order::Input] {
        let mut seen = Vec::new();
        let opts = Opts::named("told").grace(10 * SEC);
        let ended = scope(opts, async |s: &Scope<Fail>| {
            let opts = Concurrent::named("item").order(order).grace(2 * SEC);
            let work = async |n: u32| {
                sleep(SEC).await;
                Ok(n)
            };
            // 1 and 2 wait for 0; 3 runs.
            let mut mapped = map_per_key(s, opts, 0..4, |n| n / 3, work);
            sleep(MS).await;
            s.cancel(Reason::User("enough"), 10 * SEC);
            while let Some(result) = mapped.next().await {
                seen.push(result);
            }
            Ok(())
        });
        ended.await.unwrap();
        let cut = Err(Stopped::Cancelled(Reason::User("enough")));
        assert_eq!(seen, [Ok(0), Ok(3), cut], "{order:?}");
    }
}
