//! Letting nobody in any more.

use std::sync::Arc;

use tokio::sync::watch;

/// Closes the doors of every [`Admission`](crate::Admission) that has a clone of it.
///
/// Not needed where connections are children of a scope, as in the example `draining-server`: there the doors close when
/// the scope is told to stop. It is for servers that spawn their connections themselves, as `axum::serve` does.
#[derive(Clone, Debug)]
pub struct Drain {
    closed: Arc<watch::Sender<bool>>,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            closed: Arc::new(watch::Sender::new(false)),
        }
    }
}

impl Drain {
    /// Open doors.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Refuses all requests from now on, those that wait at the door too. Those that are inside are finished.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Whether the doors are closed: by [`close`](Self::close), or since the surrounding scope was told to stop.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        *self.closed.borrow() || tidegate::is_cancelled()
    }

    /// Waits until the doors [are closed](Self::is_closed).
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing: the next call sees the same.
    pub async fn wait_closed(&self) {
        let mut news = self.closed.subscribe();
        tokio::select! {
            // It cannot fail: the sender is here.
            _ = news.wait_for(|closed| *closed) => {}
            _ = tidegate::cancelled() => {}
        }
    }
}
