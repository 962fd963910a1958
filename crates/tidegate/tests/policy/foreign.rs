//! Wakers are foreign code: they come back to the policy, and they panic.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use tidegate::policy::{Attempt, Op, Policy};
use tokio::time::sleep;

use crate::support::{Answer, Failed, ms, policy};

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("by a waker");
    }
}

struct LooksAgain {
    policy: Policy,
    waiting: AtomicU32,
}

impl Wake for LooksAgain {
    fn wake(self: Arc<Self>) {
        let waiting = self.policy.snapshot().waiting;
        self.waiting.store(waiting as u32, Ordering::Relaxed);
    }
}

fn answers(policy: &Policy) -> impl Future<Output = Answer> + use<> {
    let call = policy.call(Op::idempotent(), async |_| -> Answer { Ok(1) });
    async { Ok(call.await.expect("it is let through")) }
}

#[tokio::test(start_paused = true)]
async fn a_waker_that_panics_costs_no_other_its_turn() {
    let policy = policy().in_flight(3).build().unwrap();
    let keep = async |attempt: Attempt| Ok::<_, Failed>(attempt.keep_permit());
    let permit = policy.call(Op::idempotent(), keep).await.unwrap();
    policy.set_in_flight(1).unwrap();

    let mut panics = pin!(answers(&policy));
    let waker = Waker::from(Arc::new(Panics));
    assert!(
        panics
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    let other = tokio::spawn(answers(&policy));
    sleep(ms(1)).await;
    assert_eq!(policy.snapshot().waiting, 2);

    // Both are called at once.
    let raised = catch_unwind(AssertUnwindSafe(|| policy.set_in_flight(3)));
    assert!(raised.is_err(), "the panic passes through");
    drop(permit);
    assert_eq!(
        tokio::time::timeout(ms(1), other)
            .await
            .expect("it was woken")
            .unwrap(),
        Ok(1)
    );
    // The alarm is set as well: what was kept for the other is given up.
    let third = tokio::spawn(answers(&policy));
    assert_eq!(third.await.unwrap(), Ok(1));
    assert_eq!(panics.await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_waker_may_come_back_to_the_policy() {
    let policy = policy().in_flight(1).build().unwrap();
    let keep = async |attempt: Attempt| Ok::<_, Failed>(attempt.keep_permit());
    let permit = policy.call(Op::idempotent(), keep).await.unwrap();
    let looks = Arc::new(LooksAgain {
        policy: policy.clone(),
        waiting: AtomicU32::new(0),
    });
    let waker = Waker::from(Arc::clone(&looks));
    let mut context = Context::from_waker(&waker);
    let mut waits = pin!(answers(&policy));
    assert!(waits.as_mut().poll(&mut context).is_pending());
    drop(permit);
    assert_eq!(looks.waiting.load(Ordering::Relaxed), 1);
    assert_eq!(waits.as_mut().poll(&mut context), Poll::Ready(Ok(1)));
}
