//! Waiting to be told to stop.

use super::{Entry, Kind, Node, Reason, context};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::task;

/// Waits until the surrounding scope is told to stop; at once if it has been. Never ends outside a scope.
///
/// Of use to code that has a grace: other code is dropped before it could see the answer.
///
/// # Cancel safety
///
/// Dropping it loses nothing: the next call sees the same.
pub fn cancelled() -> Cancelled {
    Cancelled {
        node: None,
        ambient: true,
        key: None,
    }
}

/// See [`cancelled`] and [`Scope::cancelled`](crate::scope::Scope::cancelled).
///
/// # Cancel safety
///
/// Dropping it loses nothing.
#[must_use = "futures do nothing unless awaited"]
pub struct Cancelled {
    /// Found at the first poll when not given.
    node: Option<Arc<Node>>,
    /// It speaks of the code that polls it; else of the node, wherever it is polled.
    ambient: bool,
    key: Option<u32>,
}

impl Cancelled {
    pub(crate) fn of(node: Arc<Node>) -> Self {
        Cancelled {
            node: Some(node),
            ambient: false,
            key: None,
        }
    }
}

impl Future for Cancelled {
    type Output = Reason;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        let this = self.get_mut();
        if this.node.is_none() {
            this.node = context::current().map(|(node, _)| node);
        }
        let Some(node) = &this.node else {
            return Poll::Pending;
        };
        // Waking the task is not enough: inside a `FuturesUnordered` or the like only this waker reaches here.
        node.link();
        let waker = cx.waker().clone();
        let parked = match this.key {
            Some(key) => node.rearm(key, waker, Kind::Watcher),
            None => {
                let id = node.id;
                this.key = node.park(Entry {
                    waker: Some(waker),
                    name: id.name,
                    at: id.at,
                    kind: Kind::Watcher,
                    task: task::try_id(),
                });
                this.key.is_some()
            }
        };
        let told = if this.ambient {
            context::told()
        } else {
            node.told()
        };
        match told {
            Some(told) => Poll::Ready(told.reason),
            None => {
                debug_assert!(parked, "only a node that was told refuses to park");
                Poll::Pending
            }
        }
    }
}

impl Drop for Cancelled {
    fn drop(&mut self) {
        if let (Some(node), Some(key)) = (&self.node, self.key.take()) {
            node.unpark(key);
        }
    }
}

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancelled").finish_non_exhaustive()
    }
}
