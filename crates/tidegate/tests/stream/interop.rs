//! Streams of `futures`, in and out.

use crate::support::*;
use futures_util::{StreamExt, stream};
use tidegate::{
    Scope, scope,
    stream::{Concurrent, Limits, Order, batches, channel, from_stream, map_concurrent},
};

#[tokio::test(start_paused = true)]
async fn a_stream_is_a_source_and_the_results_are_a_stream() {
    let numbers = scope("streams", async |s: &Scope<Fail>| {
        let rows = stream::iter(0..5).then(async |n| {
            tokio::time::sleep(SEC).await;
            n
        });
        let opts = Concurrent::named("double").order(Order::Input);
        let mapped = map_concurrent(s, opts, from_stream(rows), async |n| Ok(2 * n));
        Ok(mapped.map(Result::unwrap).collect::<Vec<_>>().await)
    });
    assert_eq!(numbers.await.unwrap(), [0, 2, 4, 6, 8]);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_and_its_batches_are_streams() {
    let (sender, receiver) = channel(8);
    for n in 0..5 {
        sender.try_send(n).unwrap();
    }
    drop(sender);
    let mut receiver = receiver;
    assert_eq!(StreamExt::next(&mut receiver).await, Some(0));
    let limits = Limits {
        count: 3,
        bytes: 100,
        age: SEC,
    };
    let batches: Vec<_> = batches(receiver, limits, |_| 1).collect().await;
    assert_eq!(batches, [vec![1, 2, 3], vec![4]]);
}
