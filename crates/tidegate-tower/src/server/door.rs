//! One request at the door: the policy's call, and the handler beside it.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Poll, ready},
};

use tidegate::policy::{Attempt, CallError, Classify, Op, Policy, Verdict};

use super::drain::Drain;

/// What became of a request at the door.
pub(super) enum Passage<T> {
    /// It went in, and this is what came out.
    Through(T),
    /// The policy did not let it in, or had it out again because its time was over.
    Stopped(CallError<Never>),
    /// The doors closed before it was inside.
    Closed,
}

/// Waits until `policy` lets a request in, then runs what `handle` makes of it.
///
/// The handler is polled beside the attempt, which only lasts as long, and not inside it: what a handler calls in turn is
/// no repetition of the request, so it must not be paid from the budget of the door.
///
/// Cancel safe: dropping it drops the handler and gives up the place.
pub(super) async fn pass<T, Fut>(
    policy: &Policy,
    drain: &Drain,
    handle: impl FnOnce(Attempt) -> Fut,
) -> Passage<T>
where
    Fut: Future<Output = T>,
{
    let entered = Mutex::new(None);
    let is_done = AtomicBool::new(false);
    let attempt = |attempt| {
        *entered.lock().unwrap_or_else(PoisonError::into_inner) = Some(attempt);
        // Polled whenever the handler is, so nobody needs to wake it.
        poll_fn(|_| match is_done.load(Relaxed) {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        })
    };
    let mut call = pin!(policy.call(Op::unsafe_to_repeat().send_once(), attempt));
    let mut closed = pin!(drain.wait_closed());
    let mut handler = pin!(None);
    let mut handle = Some(handle);
    poll_fn(|cx| {
        if let Poll::Ready(result) = call.as_mut().poll(cx) {
            let stopped = result.expect_err("an attempt succeeds when its handler is done");
            return Poll::Ready(Passage::Stopped(stopped));
        }
        let attempt = entered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(attempt) = attempt {
            let handle = handle.take().expect("what is sent once has one attempt");
            handler.set(Some(handle(attempt)));
        }
        if let Some(handler) = handler.as_mut().as_pin_mut() {
            let answer = ready!(handler.poll(cx));
            is_done.store(true, Relaxed);
            let ended = call.as_mut().poll(cx);
            debug_assert!(ended.is_ready(), "nothing is left to wait for");
            return Poll::Ready(Passage::Through(answer));
        }
        closed.as_mut().poll(cx).map(|()| Passage::Closed)
    })
    .await
}

/// An attempt at the door does not fail by itself.
#[derive(Debug)]
pub(super) enum Never {}

impl Classify for Never {
    fn verdict(&self) -> Verdict {
        match *self {}
    }
}
