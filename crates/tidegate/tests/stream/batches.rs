//! Batches by count, bytes and age.

use crate::support::*;
use std::time::Duration;
use tidegate::{
    Scope, scope,
    stream::{Batcher, Limits, batches, channel, map_concurrent},
};
use tokio::time::{Instant, sleep, timeout};

const LIMITS: Limits = Limits {
    count: 3,
    bytes: 10,
    age: SEC,
};

#[tokio::test(start_paused = true)]
async fn a_batch_ends_by_count_or_by_bytes_whichever_comes_first() {
    let (sender, receiver) = channel(16);
    for n in [1, 1, 1, 9, 1, 30, 1, 1] {
        sender.try_send(n).unwrap();
    }
    drop(sender);
    let mut batches = batches(receiver, LIMITS, |n| *n);
    let mut all = Vec::new();
    while let Some(batch) = batches.next().await {
        all.push(batch);
    }
    assert_eq!(all, [vec![1, 1, 1], vec![9, 1], vec![30], vec![1, 1]]);
    assert_eq!(batches.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_batch_ends_when_its_first_item_has_waited_long_enough() {
    let (sender, receiver) = channel(16);
    let mut batches = batches(receiver, LIMITS, |_| 0);
    let start = Instant::now();
    let sending = async {
        for secs in [5.0, 5.9, 6.5] {
            tokio::time::sleep_until(start + Duration::from_secs_f64(secs)).await;
            sender.try_send(secs).unwrap();
        }
        // Open until the end, so that only the age ends a batch.
        sleep(10 * SEC).await;
    };
    let taking = async {
        assert_eq!(batches.next().await, Some(vec![5.0, 5.9]));
        assert_eq!(start.elapsed(), 6 * SEC);
        assert_eq!(batches.next().await, Some(vec![6.5]));
        assert_eq!(start.elapsed(), 7 * SEC + SEC / 2);
    };
    tokio::join!(sending, taking);
}

#[tokio::test(start_paused = true)]
async fn a_next_that_is_given_up_loses_nothing_and_keeps_the_age() {
    let (sender, receiver) = channel(16);
    let mut batches = batches(receiver, LIMITS, |_| 0);
    let start = Instant::now();
    sender.try_send(1).unwrap();
    assert!(timeout(SEC / 2, batches.next()).await.is_err());
    sender.try_send(2).unwrap();
    assert_eq!(batches.next().await, Some(vec![1, 2]));
    assert_eq!(start.elapsed(), SEC);
}

#[tokio::test(start_paused = true)]
async fn closing_gives_what_is_there_and_then_the_end() {
    let (sender, receiver) = channel(16);
    let mut batches = batches(receiver, LIMITS, |_| 0);
    sender.try_send(1).unwrap();
    assert!(timeout(MS, batches.next()).await.is_err());
    sender.try_send(2).unwrap();
    batches.close();
    assert!(sender.try_send(3).is_err());
    assert_eq!(batches.next().await, Some(vec![1, 2]));
    assert_eq!(batches.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn without_a_bound_on_the_age_only_the_others_end_a_batch() {
    let (sender, receiver) = channel(16);
    let limits = Limits {
        age: Duration::MAX,
        ..LIMITS
    };
    let mut batches = batches(receiver, limits, |_| 0);
    sender.try_send(1).unwrap();
    assert!(timeout(1_000_000 * SEC, batches.next()).await.is_err());
    sender.try_send(2).unwrap();
    sender.try_send(3).unwrap();
    assert_eq!(batches.next().await, Some(vec![1, 2, 3]));
}

#[tokio::test(start_paused = true)]
async fn bounds_of_zero_still_give_one_item_at_a_time() {
    let (sender, receiver) = channel(2);
    sender.try_send(1).unwrap();
    sender.try_send(2).unwrap();
    drop(sender);
    let limits = Limits {
        count: 0,
        bytes: 0,
        age: Duration::ZERO,
    };
    let mut batches = batches(receiver, limits, |_| 0);
    assert_eq!(batches.next().await, Some(vec![1]));
    assert_eq!(batches.next().await, Some(vec![2]));
    assert_eq!(batches.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn while_nobody_asks_for_a_batch_the_channel_slows_its_senders() {
    let (sender, receiver) = channel(2);
    let mut batches = batches(receiver, LIMITS, |_| 0);
    sender.try_send(1).unwrap();
    sender.try_send(2).unwrap();
    sleep(10 * SEC).await;
    assert!(sender.try_send(3).is_err());
    assert_eq!(batches.next().await, Some(vec![1, 2]));
    sender.try_send(3).unwrap();
}

#[tokio::test(start_paused = true)]
async fn batches_are_a_source() {
    let sizes = scope("pipeline", async |s: &Scope<Fail>| {
        let (sender, receiver) = channel(2);
        let feeding = s.spawn("feeds", async move {
            for n in 0..8 {
                sender
                    .send(n)
                    .await
                    .map_err(|error| Fail(error.to_string()))?;
            }
            Ok(())
        });
        drop(feeding.await);
        let batches = batches(receiver, LIMITS, |_| 0);
        let mut mapped = map_concurrent(s, "commit", batches, async |batch| Ok(batch.len()));
        let mut sizes = Vec::new();
        while let Some(size) = mapped.next().await {
            sizes.push(size?);
        }
        Ok(sizes)
    });
    assert_eq!(sizes.await.unwrap(), [3, 3, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_ends_by_age_also_when_the_channel_is_never_empty() {
    let (sender, receiver) = channel(4096);
    for n in 0..4096 {
        sender.try_send(n).unwrap();
    }
    let limits = Limits {
        count: usize::MAX,
        bytes: usize::MAX,
        age: SEC,
    };
    let mut batches = batches(receiver, limits, |_| 1);
    // As much as a task may do in one turn.
    assert!(timeout(Duration::ZERO, batches.next()).await.is_err());
    sleep(2 * SEC).await;
    let batch = timeout(Duration::ZERO, batches.next()).await.unwrap();
    assert!(batch.unwrap().len() < 1024);
}

#[test]
fn weights_that_together_are_too_large_to_count_end_a_batch() {
    let mut batcher = Batcher::new(LIMITS);
    let now = Instant::now();
    batcher.push("light", 1, now);
    batcher.push("a batch of its own", usize::MAX, now);
    assert!(batcher.is_full());
}
