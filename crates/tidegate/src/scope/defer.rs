//! Work that a scope must not lose: clean-ups that it runs at its end, and sections that survive their caller.

use super::{
    Refused, RefusedBecause, Scope, Shield, Task,
    child::{ChildFuture, spawn_counted},
    outcome::Critical,
    shield::{Overdue, shield_at},
};
use crate::cancel::{Cleanup, CleanupWork, Fault, Node, Site, What};
use std::{
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, Location, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::runtime::Handle;

impl<E: Fault> Scope<E> {
    /// Has the scope run `work` after its last child, whichever way it ends: return, error, panic, deadline, cancel, drop
    /// of its future. The last one deferred runs first, one after the other.
    ///
    /// Each runs [shielded](crate::shield()) for at most `within`, and at most until the hard instant, at which the grace
    /// of the scope or of an ancestor is over. What was cut then fails as [`What::CutShort`](crate::What::CutShort), what
    /// had not begun as [`What::NotRun`](crate::What::NotRun); an error or a panic of `work` is a failure of the scope
    /// like a child's, and the other clean-ups run all the same. A scope whose future was dropped is waited for by its
    /// parent; one whose future was forgotten (`mem::forget`) has forgotten its clean-ups.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidegate::{Scope, scope};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// let (sender, mut closed) = tokio::sync::mpsc::channel(1);
    /// let failed = scope("upload", async |s: &Scope<String>| {
    ///     s.defer("close", Duration::from_secs(5), async move {
    ///         sender.send("closed").await.map_err(|e| e.to_string())
    ///     })
    ///     .map_err(|refused| refused.to_string())?;
    ///     let sent = s.spawn("send", async { Err::<(), _>("refused".to_owned()) });
    ///     drop(sent.await);
    ///     std::future::pending::<Result<(), _>>().await
    /// });
    /// assert!(failed.await.is_err());
    /// assert_eq!(closed.recv().await, Some("closed"));
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The scope has ended: `work` comes back.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[track_caller]
    pub fn defer<F>(
        &self,
        name: &'static str,
        within: Duration,
        work: F,
    ) -> Result<Deferred, Refused<F>>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let at = Location::caller();
        let mut work = Some(work);
        let deferred = self.node().defer(Handle::current(), start, || Cleanup {
            name,
            at,
            within,
            work: erased(work.take()),
        });
        match (deferred, work) {
            (Some(id), _) => Ok(Deferred {
                node: self.node().clone(),
                id,
            }),
            (None, work) => Err(Refused::new(
                RefusedBecause::Closed,
                work.expect("it is taken only when the node keeps it"),
            )),
        }
    }

    /// Spawns a child that has to come to its end once it has begun: it survives the drop of whoever awaits its task, and
    /// the scope being told to stop, and is taken also while the scope is stopping, whatever its
    /// [`max_children`](super::Opts::max_children).
    ///
    /// `work` runs [shielded](crate::shield()) for at most `within`, and at most until the hard instant; cut short, it is
    /// a failure of the scope, [`What::CutShort`](crate::What::CutShort).
    ///
    /// # Errors
    ///
    /// The scope has ended: `work` comes back.
    #[track_caller]
    pub fn critical<F, T>(
        &self,
        name: &'static str,
        within: Duration,
        work: F,
    ) -> Result<Task<T>, Refused<F>>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        let at = Location::caller();
        if let Err(why) = self.node().enter_late() {
            return Err(Refused::new(self.node().no_room(why).into(), work));
        }
        let section = shield_at(within, at, work);
        let node = self.node().clone();
        let section = async move {
            // Made at the first poll: what never began has nothing half done.
            let cut = CutShort {
                node: Some(node),
                name,
                at,
                within,
            };
            let result = section.await;
            cut.disarm();
            Critical { result, within }
        };
        // Asked when told, so that it can open its shield; from then on only that bounds it.
        let child = ChildFuture::new(section, self.node().clone(), name, at, Some(within));
        Ok(Task::spawned(spawn_counted(child), self.node().clone()))
    }
}

/// A clean-up that waits for its scope's end. Dropping it leaves the clean-up armed.
#[must_use = "dropping it leaves the clean-up armed; `disarm` takes it back"]
pub struct Deferred {
    node: Arc<Node>,
    id: u64,
}

impl Deferred {
    /// Takes the clean-up back, unrun. `false`: it had begun already.
    pub fn disarm(self) -> bool {
        self.node.disarm(self.id).is_some()
    }
}

impl fmt::Debug for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deferred")
            .field("scope", &self.node.id.name())
            .finish_non_exhaustive()
    }
}

fn erased<F, E>(work: Option<F>) -> CleanupWork
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Fault,
{
    let work = work.expect("the node asks once");
    Box::pin(async move {
        work.await.map_err(|error| {
            let error: Box<dyn Fault> = Box::new(error);
            error
        })
    })
}

/// Reports a critical section that is dropped half-way.
struct CutShort {
    node: Option<Arc<Node>>,
    name: &'static str,
    at: Site,
    within: Duration,
}

impl CutShort {
    fn disarm(mut self) {
        self.node = None;
    }
}

impl Drop for CutShort {
    fn drop(&mut self) {
        let within = self.within;
        // A panic is a failure of its own.
        if let Some(node) = self.node.take().filter(|_| !std::thread::panicking()) {
            node.cleanup_failed(self.name, self.at, What::CutShort { within });
        }
    }
}

/// The caller has taken a place for the task.
fn start(node: &Arc<Node>, runtime: &Handle) {
    let work = Cleaning {
        node: node.clone(),
        now: None,
    };
    let at = node.id.at();
    // Asked and never forced but by the hard instant: each clean-up has a bound of its own.
    let child = ChildFuture::new(work, node.clone(), "clean-ups", at, Some(Duration::MAX));
    let _inside = runtime.enter();
    drop(spawn_counted(child));
}

/// Runs a node's clean-ups, the last one first.
struct Cleaning {
    node: Arc<Node>,
    now: Option<Now>,
}

/// The clean-up that runs.
struct Now {
    name: &'static str,
    at: Site,
    within: Duration,
    work: Pin<Box<Shield<CleanupWork>>>,
}

impl Future for Cleaning {
    type Output = Result<(), std::convert::Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let this = &mut *self;
            if this.now.is_none() {
                this.now = this.node.take_cleanup().map(Now::from);
            }
            let Some(now) = &mut this.now else {
                return Poll::Ready(Ok(()));
            };
            // Caught here, so that the next one runs.
            let polled = catch_unwind(AssertUnwindSafe(|| now.work.as_mut().poll(cx)));
            let (name, at, within) = (now.name, now.at, now.within);
            match polled {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(Ok(Ok(())))) => {}
                Ok(Poll::Ready(Ok(Err(error)))) => {
                    this.node.cleanup_failed(name, at, What::Error(error));
                }
                Ok(Poll::Ready(Err(Overdue { .. }))) => {
                    this.node
                        .cleanup_failed(name, at, What::CutShort { within });
                }
                Err(payload) => this.node.panicked(name, at, payload),
            }
            let done = this.now.take();
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(done))) {
                this.node.panicked(name, at, payload);
            }
        }
    }
}

impl From<Cleanup> for Now {
    fn from(cleanup: Cleanup) -> Now {
        let Cleanup {
            name,
            at,
            within,
            work,
        } = cleanup;
        Now {
            name,
            at,
            within,
            work: Box::pin(shield_at(within, at, work)),
        }
    }
}

impl Drop for Cleaning {
    /// Cut at the hard instant, or by the end of the runtime.
    fn drop(&mut self) {
        if let Some(Now {
            name, at, within, ..
        }) = &self.now
        {
            let within = *within;
            self.node
                .cleanup_failed(name, at, What::CutShort { within });
        }
        self.node.give_up_cleanups();
    }
}
