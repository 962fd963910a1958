//! Wakers: those that are set aside under a lock, since they are foreign code, and whom they wake.

use std::task::Waker;

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

    pub(super) fn wake_all(self) {
        if let Some(waker) = self.one {
            waker.wake();
        }
        for waker in self.more {
            waker.wake();
        }
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
