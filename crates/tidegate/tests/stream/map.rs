//! Results of many items.

use crate::support::*;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};
use tidegate::{
    Opts, Reason, Scope, ScopeError, Stopped, cancelled, scope,
    stream::{Concurrent, Mapped, Order, map_concurrent, pull},
};
use tokio::{sync::Semaphore, time::sleep};

pub(crate) async fn all<T>(mut mapped: Mapped<T>) -> Result<Vec<T>, Fail> {
    let mut results = Vec::new();
    while let Some(result) = mapped.next().await {
        results.push(result?);
    }
    Ok(results)
}

#[tokio::test(start_paused = true)]
async fn results_come_as_they_end_or_in_the_order_of_the_source() {
    for (order, expected) in [(Order::Any, [1, 2, 3, 4]), (Order::Input, [3, 1, 4, 2])] {
        let results = scope("order", async |s: &Scope<Fail>| {
            let opts = Concurrent::named("sleep").order(order);
            let mapped = map_concurrent(s, opts, [3, 1, 4, 2], async |n| {
                sleep(n * SEC).await;
                Ok(n)
            });
            all(mapped).await
        });
        assert_eq!(results.await.unwrap(), expected, "{order:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn as_many_run_at_once_as_is_said() {
    for order in [Order::Any, Order::Input] {
        let gauge = Gauge::default();
        let sum = scope("bound", async |s: &Scope<Fail>| {
            let gauge = gauge.clone();
            let opts = Concurrent::named("item").at_once(7).order(order);
            let mapped = map_concurrent(s, opts, 1..=100_u64, move |n| {
                let gauge = gauge.clone();
                async move {
                    let _running = gauge.enter();
                    sleep(Duration::from_millis(1 + n * 37 % 11)).await;
                    Ok(n)
                }
            });
            Ok(all(mapped).await?.into_iter().sum::<u64>())
        });
        assert_eq!(sum.await.unwrap(), 5050);
        assert_eq!((gauge.most(), gauge.now()), (7, 0), "{order:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_takes_nothing_holds_the_source_back() {
    for order in [Order::Any, Order::Input] {
        let (source, taken) = counted(1_000);
        let results = scope("slow", async |s: &Scope<Fail>| {
            let opts = Concurrent::named("item").at_once(2).window(5).order(order);
            let mut mapped = map_concurrent(s, opts, source, async |n| Ok(n));
            sleep(SEC).await;
            assert_eq!(taken.load(SeqCst), 5);
            for n in 0..20 {
                assert_eq!(mapped.next().await, Some(Ok(n)));
                sleep(SEC).await;
                assert_eq!(taken.load(SeqCst) as u64, n + 6);
            }
            Ok(20 + all(mapped).await?.len())
        });
        assert_eq!(results.await.unwrap(), 1_000, "{order:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn in_the_order_of_the_source_a_slow_item_stops_the_intake_at_the_window() {
    let (source, taken) = counted(100);
    let results = scope("head", async |s: &Scope<Fail>| {
        let opts = Concurrent::named("item").at_once(4).window(6);
        let opts = opts.order(Order::Input);
        let mapped = map_concurrent(s, opts, source, async |n| {
            sleep(if n == 0 { SEC } else { MS }).await;
            Ok(n)
        });
        let (results, ()) = tokio::join!(all(mapped), async {
            sleep(SEC / 2).await;
            assert_eq!(taken.load(SeqCst), 6);
        });
        results
    });
    assert!(results.await.unwrap().into_iter().eq(0..100));
}

/// The hazard of buffered streams: what is not polled times out, and what it holds stays taken.
#[tokio::test(start_paused = true)]
async fn items_go_on_while_the_consumer_waits_for_something_else() {
    let results = scope("hazard", async |s: &Scope<Fail>| {
        let lock = Arc::new(Semaphore::new(1));
        let theirs = lock.clone();
        let opts = Concurrent::named("request").at_once(3);
        let mut mapped = map_concurrent(s, opts, 0..9, move |n| {
            let lock = theirs.clone();
            async move {
                let answer = async {
                    let _held = lock.acquire().await.unwrap();
                    sleep(100 * MS).await;
                };
                // Timed out if it were polled only while somebody asks for a result.
                let answered = tokio::time::timeout(SEC, answer).await;
                answered.map_or_else(|_| fail("timed out"), |()| Ok(n))
            }
        });
        let mut count = 0;
        while let Some(result) = mapped.next().await {
            result?;
            count += 1;
            // The consumer takes long, and wants the lock that the items take too.
            let _held = lock.acquire().await.unwrap();
            drop(_held);
            sleep(5 * SEC).await;
        }
        Ok(count)
    });
    assert_eq!(results.await.unwrap(), 9);
}

#[tokio::test(start_paused = true)]
async fn as_many_run_while_as_many_results_wait() {
    let gauge = Gauge::default();
    scope("keeps going", async |s: &Scope<Fail>| {
        let running = gauge.clone();
        let opts = Concurrent::named("item").at_once(3);
        let mut mapped = map_concurrent(s, opts, 0..100_u64, move |n| {
            let running = running.clone();
            async move {
                let _running = running.enter();
                sleep(if n < 3 { MS } else { SEC }).await;
                Ok(n)
            }
        });
        sleep(10 * MS).await;
        assert_eq!((gauge.begun(), gauge.now()), (6, 3));
        mapped.next().await.unwrap()?;
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(gauge.now(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_first_failure_stops_the_rest_and_all_failures_are_the_scopes() {
    let gauge = Gauge::default();
    let (source, taken) = counted(1_000);
    let mut here = 0;
    let error = scope("fails", async |s: &Scope<Fail>| {
        let gauge = gauge.clone();
        let opts = Concurrent::named("item").at_once(4);
        here = line!() + 1;
        let mapped = map_concurrent(s, opts, source, move |n| {
            let gauge = gauge.clone();
            async move {
                let _running = gauge.enter();
                match n {
                    2 => fail("two"),
                    _ => std::future::pending().await,
                }
            }
        });
        all::<()>(mapped).await
    });
    let error = error.await.unwrap_err();
    let first = error.first().unwrap();
    assert_eq!((first.at.file(), first.at.line()), (file!(), here));
    assert_eq!(failures(error), ["item: two"]);
    assert_eq!((gauge.now(), taken.load(SeqCst)), (0, 4));
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_an_item_of_the_work_or_of_the_source_is_the_scopes() {
    for who in ["item", "work", "source"] {
        let error = scope("panics", async move |s: &Scope<Fail>| {
            let source = (0..3).inspect(move |_| assert!(who != "source", "of the source"));
            let mapped = map_concurrent(s, "map", source, move |_: i32| {
                assert!(who != "work", "of the work");
                async move {
                    assert!(who != "item", "of the item");
                    Ok(())
                }
            });
            all(mapped).await
        });
        let failures = failures(error.await.unwrap_err());
        assert_eq!(failures[0], format!("map! of the {who}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumer_with_a_grace_sees_how_each_item_ended_and_that_the_source_was_cut() {
    let mut seen = Vec::new();
    let opts = Opts::named("grace").grace(10 * SEC);
    let ended = scope(opts, async |s: &Scope<Fail>| {
        let opts = Concurrent::named("item").at_once(3).order(Order::Input);
        let opts = opts.grace(2 * SEC);
        let mut mapped = map_concurrent(s, opts, 1..100, async |n| {
            sleep(n * SEC).await;
            Ok(n)
        });
        sleep(SEC / 2).await;
        s.cancel(Reason::User("enough"), 10 * SEC);
        while let Some(result) = mapped.next().await {
            seen.push(result);
        }
        assert_eq!(mapped.next().await, None);
        Ok(())
    });
    ended.await.unwrap();
    let cut = Err(Stopped::Cancelled(Reason::User("enough")));
    assert_eq!(seen, [Ok(1), Ok(2), cut, cut]);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_results_stops_the_items_and_the_scope_goes_on() {
    let gauge = Gauge::default();
    let value = scope("drop", async |s: &Scope<Fail>| {
        let theirs = gauge.clone();
        let mut mapped = map_concurrent(s, "item", 0.., move |n: u32| {
            let gauge = theirs.clone();
            async move {
                let _running = gauge.enter();
                if n > 0 {
                    std::future::pending::<()>().await;
                }
                Ok(())
            }
        });
        mapped.next().await.unwrap()?;
        sleep(MS).await;
        assert_eq!(gauge.now(), 64);
        drop(mapped);
        sleep(MS).await;
        assert_eq!(gauge.now(), 0);
        assert!(!s.is_cancelled());
        Ok(5)
    });
    assert_eq!(value.await.unwrap(), 5);
}

#[tokio::test(start_paused = true)]
async fn results_that_leave_their_scope_do_not_keep_it_open_and_say_so() {
    let carried = scope("leaves", async |s: &Scope<Fail>| {
        let opts = Concurrent::named("item").at_once(2).window(2);
        let mapped = map_concurrent(s, opts, 0..5, async |n| Ok(n));
        sleep(MS).await;
        Ok(mapped)
    });
    let mut mapped = carried.await.unwrap();
    assert_eq!(mapped.next().await, Some(Ok(0)));
    assert_eq!(mapped.next().await, Some(Ok(1)));
    let cut = Stopped::Cancelled(Reason::BodyReturned);
    assert_eq!(mapped.next().await, Some(Err(cut)));
    assert_eq!(mapped.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_child_may_take_the_results_after_the_body_has_returned() {
    let log = Log::default();
    scope("child", async |s: &Scope<Fail>| {
        let mapped = map_concurrent(s, "item", 0..5_u32, async |n| {
            sleep(n * SEC).await;
            Ok(n)
        });
        let log = log.clone();
        let taking = s.spawn("takes", async move {
            log.note(format!("{:?}", all(mapped).await?));
            Ok(())
        });
        drop(taking.await);
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(log.take(), ["[0, 1, 2, 3, 4]"]);
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_was_told_to_stop_takes_nothing_from_the_source() {
    let (source, taken) = counted(10);
    let opts = Opts::named("told").grace(SEC);
    scope(opts, async |s: &Scope<Fail>| {
        s.cancel(Reason::User("early"), SEC);
        let mut mapped = map_concurrent(s, "item", source, async |n| Ok(n));
        assert!(matches!(
            mapped.next().await,
            Some(Err(Stopped::NotStarted(_)))
        ));
        assert_eq!(mapped.next().await, None);
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(taken.load(SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn an_empty_source_has_no_results() {
    let results = scope("empty", async |s: &Scope<Fail>| {
        all(map_concurrent(s, "item", [0; 0], async |n| Ok(n))).await
    });
    assert_eq!(results.await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_next_may_be_given_up_and_loses_nothing() {
    scope("patience", async |s: &Scope<Fail>| {
        let mut mapped = map_concurrent(s, "item", [7], async |n| {
            sleep(SEC).await;
            Ok(n)
        });
        assert!(tokio::time::timeout(MS, mapped.next()).await.is_err());
        assert_eq!(mapped.next().await, Some(Ok(7)));
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_map_feeds_another_and_its_early_end_is_not_taken_for_an_end() {
    let chain = async |last: u64| {
        scope("chain", async move |s: &Scope<Fail>| {
            let pages = pull(0, move |n| async move {
                sleep(MS).await;
                (n < last).then_some((n, n + 1))
            });
            let doubled = map_concurrent(s, "double", pages, async |n| match n {
                8 => fail("eight"),
                n => Ok(2 * n),
            });
            let opts = Concurrent::named("add").order(Order::Input);
            all(map_concurrent(s, opts, doubled, async |n| Ok(n? + 1))).await
        })
        .await
    };
    assert_eq!(chain(4).await.unwrap(), [1, 3, 5, 7]);
    assert_eq!(failures(chain(20).await.unwrap_err())[0], "double: eight");
}

#[tokio::test(start_paused = true)]
async fn dropping_the_scope_stops_items_and_intake() {
    let gauge = Gauge::default();
    let theirs = gauge.clone();
    let body = async move |s: &Scope<Fail>| {
        let mapped = map_concurrent(s, "item", 0..9, move |_| {
            let running = theirs.enter();
            async move {
                let _running = running;
                std::future::pending().await
            }
        });
        all::<()>(mapped).await
    };
    let work = scope("dropped", body);
    assert!(tokio::time::timeout(SEC, work).await.is_err());
    sleep(MS).await;
    assert_eq!((gauge.begun(), gauge.now()), (9, 0));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_stops_items_that_would_take_longer() {
    let opts = Opts::named("deadline").timeout(SEC);
    let ended = scope(opts, async |s: &Scope<Fail>| {
        all::<()>(map_concurrent(s, "item", 0.., async |_: u32| {
            std::future::pending().await
        }))
        .await
    });
    let error = ended.await.unwrap_err();
    assert!(
        matches!(error, ScopeError::Cancelled(Reason::Deadline { .. })),
        "{error}"
    );
}

#[test]
#[should_panic(expected = "with 0 items at once nothing would ever run")]
fn zero_at_once_is_refused() {
    let _never = Concurrent::named("none").at_once(0);
}

#[test]
#[should_panic(expected = "with a window of 0")]
fn a_window_of_zero_is_refused() {
    let _never = Concurrent::named("none").window(0);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_panics_when_dropped_does_not_keep_the_items_running() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let gauge = Gauge::default();
    let seen = gauge.clone();
    scope("drop", async |s: &Scope<Fail>| {
        let mapped = map_concurrent(s, "item", 0..9, move |n| {
            let gauge = gauge.clone();
            async move {
                let _running = gauge.enter();
                if n > 0 {
                    sleep(3600 * SEC).await;
                }
                Ok(Bad)
            }
        });
        sleep(SEC).await;
        catch_unwind(AssertUnwindSafe(|| drop(mapped))).unwrap_err();
        sleep(SEC).await;
        assert_eq!((seen.begun(), seen.now()), (9, 0));
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(start_paused = true)]
async fn items_hear_why_the_child_that_takes_their_results_is_stopped() {
    let log = Log::default();
    scope("told", async |s: &Scope<Fail>| {
        let (scope, log) = (s.clone(), log.clone());
        let taking = s.spawn("taking", async move {
            let opts = Concurrent::named("item").grace(SEC);
            let mut mapped = map_concurrent(&scope, opts, [()], move |()| {
                let log = log.clone();
                async move {
                    log.note(cancelled().await.to_string());
                    Ok(())
                }
            });
            mapped.next().await;
            Ok(())
        });
        let taking = taking.await;
        sleep(SEC).await;
        taking.cancel(Reason::User("enough"));
        taking.await.unwrap_err();
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(log.take(), [Reason::User("enough").to_string()]);
}
