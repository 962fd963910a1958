//! A waker that sees who registers it. A leaf that returns `Pending` has cloned the waker or has woken it: at that
//! moment the stack shows every await from the leaf up to the poll.
//!
//! `std::task::Wake` cannot do this, as cloning such a waker runs no code of ours; hence the vtable written by hand.
#![expect(
    unsafe_code,
    reason = "a waker whose clone is seen needs a vtable of its own"
)]

use super::stack::Stack;
use std::{
    cell::RefCell,
    mem::ManuallyDrop,
    task::{Context, RawWaker, RawWakerVTable, Waker},
};
use tidegate::cancel::hook::Progress;

thread_local! {
    static SEEN: RefCell<Vec<Stack>> = const { RefCell::new(Vec::new()) };
}

/// Invariant of every `RawWaker` with this table: its data is a `*const Waker` that points to a waker which outlives it.
static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake_by_ref, wake_by_ref, forget);

/// Polls with a waker that takes down the stack of whoever registers it; what is registered is the real one.
///
/// `will_wake` says of two such wakers that they are the same when their polls were called from the same place on the
/// stack; only a future that is moved to another task while it waits could be misled by that.
///
/// Not inlined: its frame ends the stacks.
#[inline(never)]
pub(super) fn poll_seeing(
    cx: &mut Context<'_>,
    poll: &mut dyn FnMut(&mut Context<'_>) -> Progress,
) -> (Progress, Vec<Stack>) {
    let real: &Waker = cx.waker();
    // SAFETY: the table upholds the contract of `RawWaker`: see each of its functions; a `Waker` is `Sync`, so they may
    // be called on any thread. The invariant holds because `real` is borrowed from `cx` until the end of this function
    // and `seeing` is never given away: `poll` gets a reference of a lifetime it cannot name, and a clone is a clone of
    // `real`.
    let seeing = unsafe { Waker::new(std::ptr::from_ref(real).cast(), &TABLE) };
    // Never dropped, and dropping it would do nothing: it owns nothing.
    let seeing = ManuallyDrop::new(seeing);
    let outer = SEEN.take();
    let progress = poll(&mut Context::from_waker(&seeing));
    (progress, SEEN.replace(outer))
}

fn clone(data: *const ()) -> RawWaker {
    note();
    // SAFETY: the invariant of `TABLE`; the reference does not outlive this call.
    let real = unsafe { &*data.cast::<Waker>() };
    // The clone's parts are a valid `RawWaker`, owned by whoever gets it: `ManuallyDrop` gives the ownership up here.
    let clone = ManuallyDrop::new(real.clone());
    RawWaker::new(clone.data(), clone.vtable())
}

/// Also `wake`: the waker owns nothing that waking it by value would have to free.
fn wake_by_ref(data: *const ()) {
    note();
    // SAFETY: the invariant of `TABLE`; the reference does not outlive this call.
    let real = unsafe { &*data.cast::<Waker>() };
    real.wake_by_ref();
}

fn forget(_: *const ()) {}

fn note() {
    let stack = Stack::up_to(poll_seeing as *const ());
    // A clone on a thread that is ending has nobody to tell.
    let _gone = SEEN.try_with(|seen| seen.borrow_mut().push(stack));
}
