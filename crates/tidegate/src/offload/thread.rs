//! Operating-system threads as children of a scope.

use crate::{
    cancel::{Entry, Fault, Kind, Node, Reason, ignore_poison, inside},
    scope::{Refused, RefusedBecause, Scope, Seat, Stopped, Task},
};
use std::{
    fmt,
    panic::Location,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};
use tokio::{runtime::Handle, sync::oneshot};

impl<E: Fault> Scope<E> {
    /// Runs `work` on a thread of its own that counts as a child: the scope waits until `work` has returned, its error
    /// or panic is the child's.
    ///
    /// A thread cannot be stopped from outside. When the scope is told to stop, the [`StopFlag`] is set; `work` has to
    /// look at it, however long that takes. Only [`root::run`](crate::root::run) goes away without it, 100 ms after
    /// the grace. Inside `work` the ambient functions speak of this scope, and tasks can be spawned into it if the
    /// caller runs in a runtime.
    ///
    /// # Errors
    ///
    /// The scope is full, was told to stop or has ended, or the system gives no thread: `work` comes back.
    #[track_caller]
    pub fn spawn_thread<F, T>(&self, name: &'static str, work: F) -> Result<Task<T>, Refused<F>>
    where
        F: FnOnce(StopFlag) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
    {
        let at = Location::caller();
        if let Err(why) = self.node().try_room() {
            return Err(Refused::new(why.into(), work));
        }
        // It is asked, and nothing can force it.
        let seat = Seat::new(self.node().clone(), name, at, Some(Duration::MAX));
        let (sender, receiver) = oneshot::channel();
        let runtime = Handle::try_current().ok();
        // A thread that cannot be made drops its closure, so the work waits outside it.
        let slot = Arc::new(Mutex::new(Some((work, seat))));
        let theirs = slot.clone();
        let spawned = thread::Builder::new().name(name.into()).spawn(move || {
            let taken = ignore_poison(theirs.lock()).take();
            let (work, seat) =
                taken.expect("the spawner takes the work back only if there is no thread");
            let _runtime = runtime.as_ref().map(Handle::enter);
            // Nobody listens when the task was dropped; the scope has the outcome.
            drop(sender.send(run(seat, work)));
        });
        match spawned {
            Ok(_) => Ok(Task::thread(receiver)),
            Err(error) => {
                let taken = ignore_poison(slot.lock()).take();
                let (work, _seat) = taken.expect("no thread was made to take it");
                Err(Refused::new(RefusedBecause::NoThread(error.kind()), work))
            }
        }
    }
}

fn run<F, T, E>(mut seat: Seat, work: F) -> Result<T, Stopped>
where
    F: FnOnce(StopFlag) -> Result<T, E>,
    E: Fault,
{
    let node = seat.node().clone();
    let entry = Entry {
        waker: None,
        name: seat.name(),
        at: seat.at(),
        kind: Kind::Thread,
        task: None,
    };
    seat.set_key(node.park_told(entry));
    match inside(seat.ctx(), || work(StopFlag { node })) {
        Ok(outcome) => seat.finish(outcome),
        Err(payload) => {
            seat.panicked(payload);
            seat.leave();
            Err(Stopped::Panicked)
        }
    }
}

/// Says to a thread that its scope was told to stop.
#[derive(Clone)]
pub struct StopFlag {
    node: Arc<Node>,
}

impl StopFlag {
    /// Whether the scope was told to stop. Costs one load.
    pub fn is_set(&self) -> bool {
        self.node.is_told()
    }

    /// Why. `None`: it was not told.
    pub fn reason(&self) -> Option<Reason> {
        self.node.reason()
    }
}

impl fmt::Debug for StopFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopFlag")
            .field("is_set", &self.is_set())
            .finish()
    }
}
