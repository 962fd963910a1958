//! Wakers that are set aside under a lock, since they are foreign code.

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

    pub(super) fn wake_all(self) {
        for waker in self.one.into_iter().chain(self.more) {
            waker.wake();
        }
    }
}
