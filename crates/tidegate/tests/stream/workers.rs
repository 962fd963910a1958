//! The same on several workers, where the races are.

use crate::support::*;
use tidegate::{
    Scope, scope,
    stream::{Concurrent, Order, channel, for_each_per_key, map_concurrent},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_result_is_lost_on_several_workers() {
    for order in [Order::Any, Order::Input] {
        let sum = scope("many", async |s: &Scope<Fail>| {
            let opts = Concurrent::named("item").at_once(16).order(order);
            let mapped = map_concurrent(s, opts, 0..5_000_u64, async |n| {
                if n % 2 == 0 {
                    tokio::task::yield_now().await;
                }
                Ok(n)
            });
            let results = crate::map::all(mapped).await?;
            if order == Order::Input {
                assert!(results.is_sorted());
            }
            Ok(results.into_iter().sum::<u64>())
        });
        assert_eq!(sum.await.unwrap(), 5_000 * 4_999 / 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_failure_is_reported_once_and_leaves_nothing_running() {
    for round in 0..200 {
        let gauge = Gauge::default();
        let running = gauge.clone();
        let error = scope("fails", async |s: &Scope<Fail>| {
            let opts = Concurrent::named("item").at_once(8);
            let mapped = map_concurrent(s, opts, 0.., move |n| {
                let running = running.clone();
                async move {
                    let _running = running.enter();
                    tokio::task::yield_now().await;
                    if n == round { fail("this one") } else { Ok(()) }
                }
            });
            crate::map::all(mapped).await
        });
        // The body hears nothing of it, so it adds no failure of its own.
        assert_eq!(failures(error.await.unwrap_err()), ["item: this one"]);
        assert_eq!(gauge.now(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dropped_at_any_moment_it_leaves_nothing_running() {
    for round in 0..200 {
        let gauge = Gauge::default();
        let running = gauge.clone();
        scope("drops", async |s: &Scope<Fail>| {
            let opts = Concurrent::named("item").at_once(8).order(Order::Input);
            let mut mapped = map_concurrent(s, opts, 0.., move |_: u32| {
                let running = running.clone();
                async move {
                    let _running = running.enter();
                    tokio::task::yield_now().await;
                    Ok(())
                }
            });
            for _ in 0..round % 40 {
                mapped.next().await.unwrap()?;
            }
            drop(mapped);
            assert!(!s.is_cancelled());
            Ok(())
        })
        .await
        .unwrap();
        assert_eq!(gauge.now(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_channel_feeds_keys_without_losing_one() {
    let gauge = Gauge::default();
    let (sender, receiver) = channel(4);
    let sending = async move {
        for n in 0..2_000_u32 {
            sender.reserve().await.unwrap().send(n);
        }
    };
    let opts = Concurrent::named("item").at_once(8);
    let working = for_each_per_key(
        opts,
        receiver,
        |n| n % 7,
        |_| {
            let running = gauge.clone();
            async move {
                let _running = running.enter();
                tokio::task::yield_now().await;
                Ok::<_, Fail>(())
            }
        },
    );
    let (done, ()) = tokio::join!(working, sending);
    done.unwrap();
    assert_eq!((gauge.begun(), gauge.now()), (2_000, 0));
    assert!(gauge.most() <= 7);
}
