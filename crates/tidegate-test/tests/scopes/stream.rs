//! Streams: a consumer that is stopped loses nothing that it had not been given.

use crate::support::{MS, swept};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};
use tidegate::{
    Scope, scope,
    stream::{
        Concurrent, Limits, Order, Receiver, batches, channel, for_each_per_key, map_concurrent,
    },
};
use tidegate_test::{Mode, Sweep};
use tokio::time::sleep;

const ITEMS: u32 = 6;

/// How many items have been sent, and which have been given to the program.
#[derive(Clone, Default)]
struct Flow(Arc<(AtomicU32, Mutex<Vec<u32>>)>);

impl Flow {
    /// A channel that a task of its own fills.
    fn filled(&self) -> Receiver<u32> {
        let (sender, receiver) = channel(2);
        let flow = self.clone();
        drop(tokio::spawn(async move {
            for item in 0..ITEMS {
                // Nobody may be left to receive it.
                let Ok(place) = sender.reserve().await else {
                    return;
                };
                place.send(item);
                flow.0.0.fetch_add(1, SeqCst);
                sleep(MS).await;
            }
        }));
        receiver
    }

    fn given(&self, items: impl IntoIterator<Item = u32>) {
        self.0.1.lock().unwrap().extend(items);
    }

    /// What was given and what is left are what was sent, in its order.
    fn check(&self, left: Vec<u32>) -> Result<(), String> {
        let sent = self.0.0.load(SeqCst);
        let given = self.0.1.lock().unwrap();
        match given.iter().chain(&left).copied().eq(0..sent) {
            true => Ok(()),
            false => Err(format!("sent 0..{sent}, given {given:?}, left {left:?}")),
        }
    }
}

#[test]
fn what_a_receiver_was_not_given_is_still_in_the_channel() {
    let coverage = Sweep::new("receive").modes([Mode::Drop]).run(
        || {
            let flow = Flow::default();
            let receiver = Arc::new(tokio::sync::Mutex::new(flow.filled()));
            let (from, to) = (receiver.clone(), flow.clone());
            let program = async move {
                while let Some(item) = from.lock().await.recv().await {
                    to.given([item]);
                }
            };
            ((receiver, flow), program)
        },
        |(receiver, flow)| {
            let mut receiver = receiver.try_lock().map_err(|e| e.to_string())?;
            flow.check(std::iter::from_fn(|| receiver.try_recv().ok()).collect())
        },
    );
    assert!(coverage.points > ITEMS as usize, "{coverage}");
}

#[test]
fn a_batch_that_was_begun_is_not_lost() {
    let coverage = Sweep::new("batches").modes([Mode::Drop]).run(
        || {
            let limits = Limits {
                count: 4,
                bytes: 1000,
                age: 10 * MS,
            };
            let flow = Flow::default();
            let batches = batches(flow.filled(), limits, |_| 1);
            let batches = Arc::new(tokio::sync::Mutex::new(batches));
            let (from, to) = (batches.clone(), flow.clone());
            let program = async move {
                while let Some(batch) = from.lock().await.next().await {
                    to.given(batch);
                }
            };
            ((batches, flow), program)
        },
        |(batches, flow)| {
            let mut batches = batches.try_lock().map_err(|e| e.to_string())?;
            batches.close();
            let mut cx = Context::from_waker(Waker::noop());
            let mut left = Vec::new();
            while let Poll::Ready(Some(batch)) = batches.poll_next(&mut cx) {
                left.extend(batch);
            }
            flow.check(left)
        },
    );
    assert!(coverage.points > ITEMS as usize, "{coverage}");
}

#[test]
fn a_send_that_is_given_up_leaves_its_place() {
    let coverage = Sweep::new("send").modes([Mode::Drop, Mode::Panic]).run(
        || {
            let (sender, receiver) = channel(1);
            let receiver = Arc::new(Mutex::new(receiver));
            let (others, from) = (sender.clone(), receiver.clone());
            drop(tokio::spawn(async move {
                for _ in 0..20 {
                    sleep(MS).await;
                    let _taken = from.lock().unwrap().try_recv();
                }
            }));
            let program = async move {
                for item in 0..4 {
                    let _closed = sender.send(item).await;
                }
            };
            ((others, receiver), program)
        },
        |(others, receiver)| {
            while receiver.lock().unwrap().try_recv().is_ok() {}
            others.try_send(9).map_err(|e| e.to_string())
        },
    );
    assert!(coverage.points >= 4, "{coverage}");
}

#[test]
fn concurrent_items() {
    swept("map", |ledger| async move {
        let ended = scope("mapping", async |s: &Scope<String>| {
            let mine = ledger.clone();
            let opts = Concurrent::named("item").at_once(2).order(Order::Input);
            let mut mapped = map_concurrent(s, opts, 0..ITEMS, move |item| {
                let running = mine.running();
                async move {
                    let _running = running;
                    sleep(MS * (item % 3)).await;
                    Ok(item)
                }
            });
            let mut next = 0;
            while let Some(item) = mapped.next().await {
                if item.is_ok_and(|item| item != next) {
                    ledger.fault("out of order");
                }
                next += 1;
            }
            Ok(next)
        });
        let ended = ended.await;
        ledger.nothing_runs("after the scope");
        ended
    });
}

#[test]
fn items_of_one_key_one_after_the_other() {
    swept("per key", |ledger| async move {
        let busy = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
        struct Leave(Arc<[AtomicU32; 2]>, usize);
        impl Drop for Leave {
            fn drop(&mut self) {
                self.0[self.1].fetch_sub(1, SeqCst);
            }
        }
        let opts = Concurrent::named("item").at_once(4);
        let ended = for_each_per_key(
            opts,
            0..ITEMS,
            |item| item % 2,
            |item| {
                let (ledger, busy) = (ledger.clone(), busy.clone());
                async move {
                    let _running = ledger.running();
                    let key = item as usize % 2;
                    if busy[key].fetch_add(1, SeqCst) > 0 {
                        ledger.fault("two of one key at once");
                    }
                    let _leave = Leave(busy, key);
                    sleep(Duration::from_millis(2)).await;
                    Ok::<_, String>(())
                }
            },
        );
        let ended = ended.await;
        ledger.nothing_runs("after the loop");
        ended
    });
}
