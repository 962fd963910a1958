//! Operating-system threads as children of a scope.

use super::{StopFlag, work::Work};
use crate::{
    cancel::{Fault, ignore_poison},
    scope::{Refused, RefusedBecause, Scope, Task},
};
use std::{
    panic::Location,
    sync::{Arc, Mutex},
    thread,
};

impl<E: Fault> Scope<E> {
    /// Runs `work` on a thread of its own that counts as a child: the scope waits until `work` has returned, its error
    /// or panic is the child's.
    ///
    /// A thread cannot be stopped from outside. When the scope is told to stop, the [`StopFlag`] is set; `work` has to
    /// look at it, however long that takes. Only [`root::run`](crate::root::run) goes away without it, 100 ms after
    /// the grace. Inside `work` the ambient functions speak of this scope, and tasks can be spawned into it if the
    /// caller runs in a runtime.
    ///
    /// For a call that is short beside the making of a thread take [`spawn_blocking`](Scope::spawn_blocking), for
    /// computing a [`Pool`](super::Pool).
    ///
    /// # Errors
    ///
    /// The scope is full, was told to stop or has ended, or the system gives no thread: `work` comes back.
    #[track_caller]
    #[expect(
        clippy::disallowed_methods,
        reason = "the home of threads that belong to a scope"
    )]
    pub fn spawn_thread<F, T>(&self, name: &'static str, work: F) -> Result<Task<T>, Refused<F>>
    where
        F: FnOnce(StopFlag) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
    {
        if let Err(why) = self.node().try_room() {
            return Err(Refused::new(why.into(), work));
        }
        let (work, task) = Work::new(work, self.node().clone(), name, Location::caller());
        // A thread that cannot be made drops its closure, so the work waits outside it.
        let slot = Arc::new(Mutex::new(Some(work)));
        let theirs = slot.clone();
        let spawned = thread::Builder::new().name(name.into()).spawn(move || {
            let taken = ignore_poison(theirs.lock()).take();
            let mut work =
                taken.expect("the spawner takes the work back only if there is no thread");
            work.call();
            work.report();
        });
        match spawned {
            Ok(_) => Ok(task),
            Err(error) => {
                let taken = ignore_poison(slot.lock()).take();
                let work = taken.expect("no thread was made to take it");
                let because = RefusedBecause::NoThread(error.kind());
                Err(Refused::new(because, work.into_closure()))
            }
        }
    }
}
