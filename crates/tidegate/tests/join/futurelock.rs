//! A lock that a loser holds, or is next in line for, is free when the join returns: the program of Oxide's RFD 609,
//! which never ends with `select!` over `&mut` arms.

use crate::support::*;
use std::{pin::Pin, sync::Arc};
use tidegate::join::{Losers, Until, here, join};
use tokio::{sync::Mutex, time::timeout};

type BoxedArm = Pin<Box<dyn Future<Output = Result<&'static str, Fail>> + Send>>;

/// One arm takes the lock or waits in its queue while another wins.
fn arms(lock: &Arc<Mutex<()>>) -> [BoxedArm; 3] {
    let (holder, waiter) = (lock.clone(), lock.clone());
    [
        Box::pin(async move {
            let _held = holder.lock().await;
            after(99 * SEC, Ok("holder")).await
        }),
        Box::pin(async move {
            let _held = waiter.lock().await;
            Ok("waiter")
        }),
        Box::pin(after(SEC, Ok("winner"))),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_lock_of_spawned_losers_is_free_afterwards() {
    for losers in [Losers::Drop, Losers::Drain { grace: SEC }] {
        let lock = Arc::new(Mutex::new(()));
        let joined = join(Until::First, losers, arms(&lock)).await;
        assert!(lock.try_lock().is_ok());
        assert!(matches!(joined.finished[0], (2, Ok("winner"))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_of_losers_in_this_task_is_free_afterwards() {
    let lock = Arc::new(Mutex::new(()));
    let joined = here::race(arms(&lock)).await;
    assert!(lock.try_lock().is_ok());
    assert!(matches!(joined.finished[0], (2, Ok("winner"))));
}

#[tokio::test(start_paused = true)]
async fn an_arm_next_in_line_when_another_wins_does_not_hold_the_line_up() {
    let lock = Mutex::new(());
    let held = lock.lock().await;
    let release = async {
        tokio::time::sleep(SEC).await;
        drop(held);
    };
    let work = async {
        let first = async {
            let _held = lock.lock().await;
            Ok::<_, Fail>("first")
        };
        let second = after(MS, Ok("second"));
        let arms: [Pin<Box<dyn Future<Output = _> + '_>>; 2] = [Box::pin(first), Box::pin(second)];
        let joined = here::race(arms).await;
        assert!(matches!(joined.finished[0], (1, Ok("second"))));
        let _held = lock.lock().await;
    };
    let both = async { tokio::join!(release, work) };
    assert!(timeout(9 * SEC, both).await.is_ok());
}
