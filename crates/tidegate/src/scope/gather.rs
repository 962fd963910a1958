//! Results as they come, while more children are spawned.

use super::{Deliver, Refused, Scope, Stopped};
use crate::cancel::{Fault, Room, Site, ignore_poison, is_doomed};
use std::{
    collections::VecDeque,
    fmt,
    future::{Future, poll_fn},
    mem,
    panic::Location,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

/// A set of a scope's children whose results are taken in the order in which they end: the shape of tokio's `JoinSet`.
/// Made by [`Scope::gather`].
///
/// Dropping it drops the results that nobody has taken; the children run on, and their scope waits for them. Results
/// wait in memory until they are taken, so a loop that only spawns should take some too.
pub struct Gather<T, E> {
    scope: Scope<E>,
    shared: Arc<Mutex<Shared<T>>>,
}

struct Shared<T> {
    ready: VecDeque<Result<T, Stopped>>,
    running: usize,
    waker: Option<Waker>,
    /// Nobody will take a result any more.
    abandoned: bool,
}

impl<T: Send + 'static, E: Fault> Gather<T, E> {
    pub(super) fn new(scope: Scope<E>) -> Self {
        let shared = Shared {
            ready: VecDeque::new(),
            running: 0,
            waker: None,
            abandoned: false,
        };
        Gather {
            scope,
            shared: Arc::new(Mutex::new(shared)),
        }
    }

    /// [`Scope::spawn`]: waits while the scope is full. A child that is not taken any more shows as
    /// [`Stopped::NotStarted`] among the results.
    ///
    /// # Cancel safety
    ///
    /// Dropping it before it is done drops `work`, never run, and nothing shows among the results.
    #[track_caller]
    pub fn spawn<F>(&self, name: &'static str, work: F) -> impl Future<Output = ()> + Send
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.spawn_at(name, Location::caller(), None, work)
    }

    /// [`Scope::spawn_with_grace`].
    ///
    /// # Cancel safety
    ///
    /// As [`spawn`](Gather::spawn).
    #[track_caller]
    pub fn spawn_with_grace<F>(
        &self,
        name: &'static str,
        grace: Duration,
        work: F,
    ) -> impl Future<Output = ()> + Send
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.spawn_at(name, Location::caller(), Some(grace), work)
    }

    /// [`Scope::try_spawn`].
    ///
    /// # Errors
    ///
    /// The scope is full, was told to stop or has ended: `work` comes back.
    #[track_caller]
    pub fn try_spawn<F>(&self, name: &'static str, work: F) -> Result<(), Refused<F>>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.try_spawn_at(name, Location::caller(), None, work)
    }

    /// [`Scope::try_spawn_with_grace`].
    ///
    /// # Errors
    ///
    /// As [`try_spawn`](Gather::try_spawn).
    #[track_caller]
    pub fn try_spawn_with_grace<F>(
        &self,
        name: &'static str,
        grace: Duration,
        work: F,
    ) -> Result<(), Refused<F>>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.try_spawn_at(name, Location::caller(), Some(grace), work)
    }

    /// The next result, in the order in which children end. `None`: nothing is outstanding; more may be spawned.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses no result.
    pub async fn next(&mut self) -> Option<Result<T, Stopped>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The poll of [`next`](Gather::next).
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Stopped>>> {
        let budget = ready!(tokio::task::coop::poll_proceed(cx));
        let waker = cx.waker().clone();
        let mut shared = lock(&self.shared);
        // As in `Task::poll`: code that is to be dropped at this await does not hear the news.
        let result = match shared.ready.front() {
            Some(Err(_)) if is_doomed() => return Poll::Pending,
            Some(_) => shared.ready.pop_front(),
            None if shared.running > 0 => {
                let old = shared.waker.replace(waker);
                drop(shared);
                drop(old);
                return Poll::Pending;
            }
            None => None,
        };
        budget.made_progress();
        Poll::Ready(result)
    }

    /// The number of results still to be taken: children that run, and results that wait.
    pub fn len(&self) -> usize {
        let shared = lock(&self.shared);
        shared.running + shared.ready.len()
    }

    /// Whether [`next`](Gather::next) would give `None` now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    async fn spawn_at<F>(&self, name: &'static str, at: Site, grace: Option<Duration>, work: F)
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let mut room = Room::new(self.scope.node());
        match poll_fn(|cx| room.poll(cx)).await {
            Ok(()) => self.start(name, at, grace, work),
            Err(why) => Ticket::new(&self.shared).deliver(Err(Stopped::NotStarted(why.into()))),
        }
    }

    fn try_spawn_at<F>(
        &self,
        name: &'static str,
        at: Site,
        grace: Option<Duration>,
        work: F,
    ) -> Result<(), Refused<F>>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        match self.scope.node().try_room() {
            Ok(()) => {
                self.start(name, at, grace, work);
                Ok(())
            }
            Err(why) => Err(Refused::new(why.into(), work)),
        }
    }

    /// The caller has taken a place.
    fn start<F>(&self, name: &'static str, at: Site, grace: Option<Duration>, work: F)
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let ticket = Ticket::new(&self.shared);
        self.scope.start_to(name, at, grace, work, ticket);
    }
}

impl<T, E> Drop for Gather<T, E> {
    fn drop(&mut self) {
        let left = {
            let mut shared = lock(&self.shared);
            shared.abandoned = true;
            mem::take(&mut shared.ready)
        };
        drop(left);
    }
}

impl<T, E> fmt::Debug for Gather<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (running, ready) = {
            let shared = lock(&self.shared);
            (shared.running, shared.ready.len())
        };
        f.debug_struct("Gather")
            .field("running", &running)
            .field("ready", &ready)
            .finish_non_exhaustive()
    }
}

fn lock<T>(shared: &Mutex<Shared<T>>) -> MutexGuard<'_, Shared<T>> {
    ignore_poison(shared.lock())
}

/// The promise of one result.
struct Ticket<T> {
    shared: Arc<Mutex<Shared<T>>>,
    done: bool,
}

impl<T> Ticket<T> {
    fn new(shared: &Arc<Mutex<Shared<T>>>) -> Self {
        lock(shared).running += 1;
        Ticket {
            shared: shared.clone(),
            done: false,
        }
    }
}

impl<T> Deliver<T> for Ticket<T> {
    fn deliver(&mut self, result: Result<T, Stopped>) {
        self.done = true;
        let mut unwanted = Some(result);
        let waker = {
            let mut shared = lock(&self.shared);
            shared.running -= 1;
            if !shared.abandoned {
                shared.ready.extend(unwanted.take());
            }
            shared.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Drop for Ticket<T> {
    fn drop(&mut self) {
        if !self.done {
            self.deliver(Err(Stopped::RuntimeGone));
        }
    }
}
