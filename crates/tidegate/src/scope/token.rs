//! Cancellation to and from programs that use tokio-util's tokens.

use super::{Refused, Scope};
use crate::cancel::{Entry, Fault, Kind, Reason};
use std::{
    panic::Location,
    sync::Arc,
    task::{Wake, Waker},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

impl<E: Fault> Scope<E> {
    /// A new token that is cancelled when the scope is told to stop, at once if it has been; for code that takes one. Not
    /// the other way round: cancelling it tells the scope nothing, see [`follow`](Scope::follow).
    ///
    /// Each call leaves a small entry in the scope for as long as it lives, so take one and clone it.
    #[track_caller]
    pub fn token(&self) -> CancellationToken {
        let token = CancellationToken::new();
        let node = self.node();
        node.link();
        let parked = node.park(Entry {
            waker: Some(Waker::from(Arc::new(CancelOnWake(token.clone())))),
            name: "token",
            at: Location::caller(),
            kind: Kind::Watcher,
            task: None,
        });
        if parked.is_none() || node.reason().is_some() {
            token.cancel();
        }
        token
    }

    /// Tells the scope to stop, with `why` and no limit to what its children's own graces allow, when `token` is
    /// cancelled. A background child waits for that; it does not keep the scope open.
    ///
    /// # Errors
    ///
    /// The scope was told to stop or has ended.
    #[track_caller]
    pub fn follow(&self, token: CancellationToken, why: Reason) -> Result<(), Refused<()>> {
        let scope = self.clone();
        let following = async move {
            token.cancelled().await;
            scope.cancel(why, Duration::MAX);
            Ok(())
        };
        self.spawn_background("follows a token", following)
            .map_err(|refused| Refused::new(refused.because, ()))
    }
}

struct CancelOnWake(CancellationToken);

impl Wake for CancelOnWake {
    fn wake(self: Arc<Self>) {
        self.0.cancel();
    }
}
