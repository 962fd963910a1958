//! `queue: { limit }`: how many calls stand at the gate of a service at once.
//!
//! The policy itself would refuse a call beyond the limit, which is right where somebody can be told to come again. A
//! record can only wait, so it waits here, in front of the policy, and the engine takes no further one meanwhile.

use super::Bell;
use tokio::sync::{Semaphore, SemaphorePermit};

/// The places at one gate.
#[derive(Debug)]
pub(crate) struct Places {
    free: Semaphore,
}

/// A call's place, from before it comes to the gate until its first attempt leaves.
#[derive(Debug)]
pub(super) struct Place<'p> {
    permit: Option<SemaphorePermit<'p>>,
    bell: &'p Bell,
}

impl Places {
    pub(super) fn new(limit: usize) -> Places {
        Places {
            free: Semaphore::new(limit.min(Semaphore::MAX_PERMITS)),
        }
    }

    /// Whether somebody could come to the gate now.
    pub(crate) fn any_free(&self) -> bool {
        self.free.available_permits() > 0
    }

    /// Waits for a place, behind those who came before.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the turn, and loses nothing else.
    pub(super) async fn take<'p>(&'p self, bell: &'p Bell) -> Place<'p> {
        let permit = self.free.acquire().await;
        Place {
            permit: Some(permit.expect("nobody closes the places")),
            bell,
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        // Free before the bell rings, so that whoever hears it finds it.
        drop(self.permit.take());
        self.bell.ring();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn a_call_beyond_the_limit_waits_until_one_has_left() {
        let (places, bell) = (Places::new(1), Bell::default());
        let first = places.take(&bell).now_or_never().expect("it is free");
        let mut second = Box::pin(places.take(&bell));
        assert!(second.as_mut().now_or_never().is_none());
        assert!(!places.any_free());
        drop(first);
        assert!(second.now_or_never().is_some());
        assert!(places.any_free());
    }

    #[test]
    fn whoever_gives_up_waiting_keeps_nobody_out() {
        let (places, bell) = (Places::new(1), Bell::default());
        let first = places.take(&bell).now_or_never().expect("it is free");
        let mut second = Box::pin(places.take(&bell));
        assert!(second.as_mut().now_or_never().is_none());
        drop(second);
        drop(first);
        assert!(places.take(&bell).now_or_never().is_some());
    }

    #[test]
    fn the_bell_rings_when_a_place_is_free() {
        let (places, bell) = (Places::new(1), Bell::default());
        let first = places.take(&bell).now_or_never().expect("it is free");
        bell.ask();
        assert!(bell.rung().now_or_never().is_none());
        drop(first);
        assert!(bell.rung().now_or_never().is_some());
    }
}
