//! Results as they come, while more children are spawned.

use super::{Deliver, Refused, Scope, Stopped};
use crate::cancel::{Fault, Room, Site, ignore_poison, is_doomed};
use std::{
    collections::VecDeque,
    fmt,
    future::{Future, poll_fn},
    mem,
    panic::Location,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
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
    /// What `next` has taken over from `shared`, all at once. The mutex is never locked by two: it makes a set `Sync`
    /// whose results are not.
    ready: Mutex<VecDeque<Result<T, Stopped>>>,
    /// How many results there will have been, and how many have been taken.
    promised: AtomicUsize,
    taken: usize,
}

struct Shared<T> {
    ready: VecDeque<Result<T, Stopped>>,
    waker: Option<Waker>,
    /// Nobody will take a result any more.
    abandoned: bool,
}

impl<T: Send + 'static, E: Fault> Gather<T, E> {
    pub(super) fn new(scope: Scope<E>) -> Self {
        let shared = Shared {
            ready: VecDeque::new(),
            waker: None,
            abandoned: false,
        };
        Gather {
            scope,
            shared: Arc::new(Mutex::new(shared)),
            ready: Mutex::default(),
            promised: AtomicUsize::new(0),
            taken: 0,
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
        let ready = ignore_poison(self.ready.get_mut());
        if ready.is_empty() {
            if self.taken == *self.promised.get_mut() {
                budget.made_progress();
                return Poll::Ready(None);
            }
            if !take_over(&self.shared, ready, cx) {
                return Poll::Pending;
            }
        }
        // As in `Task::poll`: code that is to be dropped at this await does not hear the news.
        if matches!(ready.front(), Some(Err(_))) && is_doomed() {
            return Poll::Pending;
        }
        self.taken += 1;
        budget.made_progress();
        Poll::Ready(ready.pop_front())
    }

    /// The number of results still to be taken: children that run, and results that wait.
    pub fn len(&self) -> usize {
        self.promised.load(Relaxed) - self.taken
    }

    /// Whether [`next`](Gather::next) would give `None` now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn spawn_at<F>(
        &self,
        name: &'static str,
        at: Site,
        grace: Option<Duration>,
        work: F,
    ) -> impl Future<Output = ()> + Send
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let mut room = Room::new(self.scope.node());
        let mut work = Some(work);
        // No `async fn`: it would hold the work twice, and copy it once more.
        poll_fn(move |cx| {
            let entered = ready!(room.poll(cx));
            let work = work.take().expect("polled after it was done");
            match entered {
                Ok(()) => self.start(name, at, grace, work),
                Err(why) => self.promise().deliver(Err(Stopped::NotStarted(why.into()))),
            }
            Poll::Ready(())
        })
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
        let ticket = self.promise();
        self.scope.start_to(name, at, grace, work, ticket);
    }

    fn promise(&self) -> Ticket<T> {
        self.promised.fetch_add(1, Relaxed);
        Ticket {
            shared: Some(self.shared.clone()),
        }
    }
}

impl<T, E> Drop for Gather<T, E> {
    fn drop(&mut self) {
        // What `next` has taken over goes with the fields.
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
        let ready = lock(&self.shared).ready.len() + ignore_poison(self.ready.lock()).len();
        let left = self.promised.load(Relaxed) - self.taken;
        f.debug_struct("Gather")
            .field("running", &left.saturating_sub(ready))
            .field("ready", &ready)
            .finish_non_exhaustive()
    }
}

fn lock<T>(shared: &Mutex<Shared<T>>) -> MutexGuard<'_, Shared<T>> {
    ignore_poison(shared.lock())
}

/// Empties the shared queue into `ready`. `false`: there is nothing yet, and the next result wakes.
fn take_over<T>(
    shared: &Mutex<Shared<T>>,
    ready: &mut VecDeque<Result<T, Stopped>>,
    cx: &Context<'_>,
) -> bool {
    mem::swap(&mut lock(shared).ready, ready);
    if !ready.is_empty() {
        return true;
    }
    // Cloned and dropped outside the lock: it is user code.
    let mut waker = Some(cx.waker().clone());
    {
        let mut shared = lock(shared);
        mem::swap(&mut shared.ready, ready);
        if ready.is_empty() {
            mem::swap(&mut shared.waker, &mut waker);
        }
    }
    drop(waker);
    !ready.is_empty()
}

/// The promise of one result.
struct Ticket<T> {
    /// Gone once it is kept.
    shared: Option<Arc<Mutex<Shared<T>>>>,
}

impl<T> Deliver<T> for Ticket<T> {
    #[inline]
    fn deliver(&mut self, result: Result<T, Stopped>) {
        let Some(shared) = self.shared.take() else {
            return;
        };
        let mut guard = lock(&shared);
        if guard.abandoned {
            // What nobody wants is dropped after the lock.
            drop(guard);
            return;
        }
        guard.ready.push_back(result);
        let waker = guard.waker.take();
        drop(guard);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Drop for Ticket<T> {
    #[inline]
    fn drop(&mut self) {
        if self.shared.is_some() {
            self.deliver(Err(Stopped::RuntimeGone));
        }
    }
}
