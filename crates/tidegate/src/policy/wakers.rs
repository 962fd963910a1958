//! Wakers: those that are set aside under a lock, since they are foreign code, and whom they wake.

use std::{any::Any, panic, task::Waker};

/// Nearly always none or one: that one needs no memory of its own.
#[derive(Debug, Default)]
pub(super) struct Wakers {
    one: Option<Waker>,
    more: Vec<Waker>,
}

impl Wakers {
    pub(super) fn push(&mut self, waker: Option<Waker>) {
        match waker {
            Some(waker) if self.one.is_some() => self.more.push(waker),
            Some(waker) => self.one = Some(waker),
            None => {}
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.one.is_none()
    }

    /// Wakes all, also those after one that panics. Returns the first panic.
    pub(super) fn wake_all(self) -> Result<(), Box<dyn Any + Send>> {
        let mut result = Ok(());
        for waker in self.one.into_iter().chain(self.more) {
            // What it leaves behind is the waker's own.
            let woken = panic::catch_unwind(panic::AssertUnwindSafe(|| waker.wake()));
            result = result.and(woken);
        }
        result
    }
}

/// Who is woken by a waker, to be compared with others as long as a waker of that task is kept somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WakerId {
    data: usize,
    vtable: usize,
}

impl WakerId {
    pub(super) fn of(waker: &Waker) -> Self {
        Self {
            data: waker.data().addr(),
            vtable: std::ptr::from_ref(waker.vtable()).addr(),
        }
    }
}
