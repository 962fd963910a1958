//! A root inside a program that owns its `main` and its runtime.

use super::{Report, Shutdown, listener::Listener, process::root_node, run::end};
use crate::{
    cancel::{Fault, Node, Orphan, Reason},
    scope::{Nursery, Opts, Scope, ScopeError, open},
};
use std::{future::Future, io, panic::Location, sync::Arc, time::Duration};

/// A root inside a program that owns its `main`: hears signals, holds scopes, is shut down by hand.
///
/// Dropping it stops hearing signals and leaves its scopes to themselves; call [`shutdown`](Root::shutdown).
#[derive(Debug)]
pub struct Root {
    node: Arc<Node>,
    grace: Duration,
    listener: Listener,
}

impl Root {
    /// A new root. From now on the signals that `on` wants heard no longer end the process by themselves.
    ///
    /// # Errors
    ///
    /// The system refuses the signal handlers or their thread.
    #[track_caller]
    pub fn attach(on: Shutdown) -> io::Result<Root> {
        let (node, grace) = (root_node(&on), on.grace);
        let listener = Listener::start(node.clone(), on)?;
        Ok(Root {
            node,
            grace,
            listener,
        })
    }

    /// Opens a scope below this root, wherever the caller runs; else as [`scope`](crate::scope::scope).
    ///
    /// # Cancel safety
    ///
    /// As `scope`: dropping it tells the children to stop, and the root waits for them.
    #[track_caller]
    pub fn scope<T, E, B>(
        &self,
        opts: impl Into<Opts>,
        body: B,
    ) -> impl Future<Output = Result<T, ScopeError<E>>>
    where
        B: AsyncFnOnce(&Scope<E>) -> Result<T, E>,
        E: Fault,
    {
        open(
            Some(self.node.clone()),
            opts.into(),
            body,
            Location::caller(),
        )
    }

    /// Opens a supervisor without a body below this root, for as long as the root lives: to be kept in a server's state.
    ///
    /// # Examples
    ///
    /// ```
    /// use tidegate::{Nursery, Reason, root::{Root, Shutdown}};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let root = Root::attach(Shutdown::new().signals(false))?;
    /// let jobs: Nursery<std::io::Error> = root.nursery("jobs");
    /// // In a handler, with a clone of `jobs` from the server's state:
    /// let mail = jobs.spawn("mail", async { Ok(250) }).await;
    /// assert_eq!(mail.await.ok(), Some(250));
    /// let report = root.shutdown(Reason::User("the end")).await;
    /// assert!(report.survivors.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// With a deadline of its own, outside a tokio runtime.
    #[track_caller]
    pub fn nursery<E: Fault>(&self, opts: impl Into<Opts>) -> Nursery<E> {
        Nursery::open(self.node.clone(), &opts.into(), Location::caller())
    }

    /// Takes the failures so far of scopes whose future was dropped; of those that nobody takes, 1,024 are kept.
    pub fn unclaimed(&self) -> Vec<Orphan> {
        self.node.take_unclaimed().0
    }

    /// Tells everything below to stop and waits until it has, at most 100 ms longer than the grace.
    ///
    /// # Cancel safety
    ///
    /// Dropping it stops the waiting and the hearing of signals; what was told stays told.
    pub async fn shutdown(self, why: Reason) -> Report {
        let survivors = end(&self.node, why, self.grace, self.listener.look()).await;
        let (unclaimed, unclaimed_lost) = self.node.take_unclaimed();
        Report {
            signal: self.listener.first(),
            unclaimed,
            unclaimed_lost,
            survivors,
        }
    }
}
