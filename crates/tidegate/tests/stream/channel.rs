//! The bounded channel.

use crate::support::*;
use tidegate::{
    Scope, scope,
    stream::{Closed, Concurrent, NotReceived, NotSent, channel, for_each_concurrent},
};
use tokio::time::timeout;

#[tokio::test(start_paused = true)]
async fn a_reserve_that_is_given_up_loses_neither_value_nor_place() {
    let (sender, mut receiver) = channel(1);
    let value = "kept".to_owned();
    sender.send("first".to_owned()).await.unwrap();
    assert!(timeout(SEC, sender.reserve()).await.is_err());
    assert_eq!(receiver.recv().await.unwrap(), "first");
    sender.reserve().await.unwrap().send(value);
    assert_eq!(receiver.recv().await.unwrap(), "kept");
    assert!(sender.is_empty());
}

#[tokio::test]
async fn what_is_not_sent_comes_back() {
    let (sender, mut receiver) = channel(1);
    sender.try_send(1).unwrap();
    assert_eq!(sender.try_send(2), Err(NotSent::Full(2)));
    assert!(sender.try_reserve().is_err_and(|error| error.is_full()));
    receiver.close();
    assert_eq!(sender.send(3).await, Err(Closed(3)));
    assert_eq!(sender.try_send(4).map_err(NotSent::into_value), Err(4));
    assert!(matches!(sender.reserve().await, Err(Closed(()))));
    // What was inside before the close still comes.
    assert_eq!(receiver.recv().await, Some(1));
    assert_eq!(receiver.recv().await, None);
    assert_eq!(receiver.try_recv(), Err(NotReceived::Closed));
}

#[tokio::test]
async fn a_place_reserved_before_the_close_may_still_be_used() {
    let (sender, mut receiver) = channel(2);
    let permit = sender.reserve().await.unwrap();
    assert_eq!((sender.len(), sender.capacity()), (1, 2));
    receiver.close();
    assert!(sender.is_closed());
    assert_eq!(receiver.try_recv(), Err(NotReceived::Empty));
    permit.send(1);
    assert_eq!((receiver.len(), receiver.recv().await), (1, Some(1)));
    assert_eq!(receiver.recv().await, None);
    sender.closed().await;
}

#[tokio::test]
async fn a_dropped_permit_frees_its_place() {
    let (sender, mut receiver) = channel(1);
    drop(sender.reserve().await.unwrap());
    sender.try_send(1).unwrap();
    assert_eq!(receiver.try_recv(), Ok(1));
}

#[tokio::test]
async fn dropping_every_sender_ends_the_receiver_and_dropping_it_the_senders() {
    let (sender, mut receiver) = channel::<u8>(1);
    let other = sender.clone();
    drop(sender);
    assert_eq!(receiver.try_recv(), Err(NotReceived::Empty));
    drop(other);
    assert_eq!(receiver.recv().await, None);
    let (sender, receiver) = channel(1);
    drop(receiver);
    assert_eq!(sender.try_send(1), Err(NotSent::Closed(1)));
}

#[tokio::test]
async fn threads_send_and_receive_by_blocking() {
    let (to, mut from) = channel(1);
    let (back, mut results) = channel(1);
    scope("threads", async |s: &Scope<Fail>| {
        let doubling = s.spawn_thread("double", move |_| {
            while let Some(n) = from.blocking_recv() {
                if back.blocking_send(2 * n).is_err() {
                    break;
                }
            }
            Ok(())
        });
        drop(doubling.unwrap());
        for n in 0..100 {
            to.send(n).await.unwrap();
            assert_eq!(results.recv().await, Some(2 * n));
        }
        drop(to);
        assert_eq!(results.recv().await, None);
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_receiver_is_a_source_and_its_bound_holds_the_sender_back() {
    let gauge = Gauge::default();
    let (sender, receiver) = channel(3);
    let gauge_seen = gauge.clone();
    let sending = async move {
        for n in 0..20_u64 {
            sender.send(n).await.unwrap();
            // What has not begun is in the channel, or about to be received.
            assert!(n < gauge_seen.begun() as u64 + 4, "{n}");
        }
        drop(sender);
    };
    let opts = Concurrent::named("item").at_once(2);
    let working = for_each_concurrent(opts, receiver, |_| {
        let running = gauge.enter();
        async move {
            let _running = running;
            tokio::time::sleep(SEC).await;
            Ok::<_, Fail>(())
        }
    });
    let (done, ()) = tokio::join!(working, sending);
    done.unwrap();
    assert_eq!((gauge.begun(), gauge.most()), (20, 2));
}

#[test]
#[should_panic(expected = "a channel that holds 0 values")]
fn a_channel_without_places_is_refused() {
    drop(channel::<u8>(0));
}
