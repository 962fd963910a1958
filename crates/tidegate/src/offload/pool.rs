//! A bounded pool for what computes.

use super::{
    StopFlag,
    crew::{Crew, CrewOpts},
    work::Work,
};
use crate::{
    cancel::{Cancelled, Fault, NoRoom, Node, Room, Site},
    scope::{Opts, Refused, RefusedBecause, Scope, ScopeError, Stopped, Task, open},
};
use std::{
    fmt,
    future::{Future, poll_fn},
    panic::Location,
    sync::{Arc, OnceLock},
    thread,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Threads of its own for closures that compute, a bounded queue before them, and backpressure before that.
///
/// A closure is a child of the scope it is spawned for: the scope waits for it, its error or panic is the child's, and
/// when the scope is told to stop it is dropped unrun if it still waits for a thread, else its [`StopFlag`] is set. A
/// closure that computes for longer than a few milliseconds should look at the flag that often.
///
/// Cheap to clone; all clones are one pool. Threads are made when first needed and stay. When the last clone is dropped
/// they finish what the pool has taken, then end.
///
/// Closures run in the order in which they got their place. They must not wait for others of the same pool: those may
/// stand behind them. The pool uses no worker of the runtime, so I/O goes on while it is full; but it has as many threads
/// as there are cores, so a program whose I/O must stay quick on a busy machine gives it one less.
///
/// # Examples
///
/// ```
/// use tidegate::offload::{Pool, PoolOpts};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = Pool::new(PoolOpts::named("sums").threads(2));
/// let sum = pool.run("sum", |_| (1..=1000_u64).sum::<u64>()).await?;
/// assert_eq!(sum, 500_500);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Pool {
    inner: Arc<Inner>,
}

struct Inner {
    name: &'static str,
    crew: Crew,
    /// One for every closure that runs or waits for a thread.
    places: Arc<Semaphore>,
    limit: usize,
}

/// How a pool differs from the default. A `&'static str` is a name and otherwise the default.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct PoolOpts {
    name: &'static str,
    threads: Option<usize>,
    queue: Option<usize>,
}

impl PoolOpts {
    /// A pool with this name, which its threads bear with a number behind it.
    pub fn named(name: &'static str) -> Self {
        PoolOpts {
            name,
            threads: None,
            queue: None,
        }
    }

    /// How many closures run at once; 0 means 1. Default: as many as [`std::thread::available_parallelism`] says, as more
    /// would only take the cores from each other.
    pub fn threads(mut self, n: usize) -> Self {
        self.threads = Some(n);
        self
    }

    /// How many closures wait for a thread. Default: two for each thread, so that the next one is there before its
    /// spawner could be woken, and no more, as whatever waits here is late and holds its data.
    pub fn queue(mut self, n: usize) -> Self {
        self.queue = Some(n);
        self
    }
}

impl Default for PoolOpts {
    fn default() -> Self {
        PoolOpts::named("tidegate-cpu")
    }
}

impl From<&'static str> for PoolOpts {
    fn from(name: &'static str) -> Self {
        PoolOpts::named(name)
    }
}

impl Pool {
    /// A new pool; no thread is made yet.
    pub fn new(opts: impl Into<PoolOpts>) -> Self {
        let PoolOpts {
            name,
            threads,
            queue,
        } = opts.into();
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.unwrap_or_else(cores).max(1);
        let queue = queue.unwrap_or_else(|| threads.saturating_mul(2));
        let limit = threads.saturating_add(queue).min(Semaphore::MAX_PERMITS);
        let crew = Crew::new(CrewOpts {
            name,
            most_threads: threads,
            idle: None,
        });
        let inner = Inner {
            name,
            crew,
            places: Arc::new(Semaphore::new(limit)),
            limit,
        };
        Pool {
            inner: Arc::new(inner),
        }
    }

    /// The pool that the whole process shares, made with the default options when first asked for.
    pub fn shared() -> &'static Pool {
        static POOL: OnceLock<Pool> = OnceLock::new();
        POOL.get_or_init(|| Pool::new(PoolOpts::default()))
    }

    /// Runs `work` as a child of `scope`; waits while the pool, or the scope, is full. The task of a child that is not
    /// taken any more ends as [`Stopped::NotStarted`]; so it does, while `scope` is not told, when the system gives no
    /// thread and the pool has none.
    ///
    /// Places are given in the order of asking; only who finds its own scope full loses its turn. As with
    /// [`Scope::spawn`], a child of `scope` does not wait for room in it: when the scope is full, its work is not
    /// started.
    ///
    /// # Cancel safety
    ///
    /// Dropping it before it is done drops `work`, never run, and gives up the place in the line.
    #[track_caller]
    pub fn spawn<F, T, E>(
        &self,
        scope: &Scope<E>,
        name: &'static str,
        work: F,
    ) -> impl Future<Output = Task<T>> + Send
    where
        F: FnOnce(&StopFlag) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Fault,
    {
        self.spawn_at(scope, name, Location::caller(), work)
    }

    /// Runs `work` as a child of `scope` if there is a place now.
    ///
    /// # Errors
    ///
    /// The pool is full ([`RefusedBecause::PoolFull`]), or the scope is, was told to stop or has ended: `work` comes
    /// back.
    #[track_caller]
    pub fn try_spawn<F, T, E>(
        &self,
        scope: &Scope<E>,
        name: &'static str,
        work: F,
    ) -> Result<Task<T>, Refused<F>>
    where
        F: FnOnce(&StopFlag) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Fault,
    {
        let Some(place) = self.try_place() else {
            let limit = self.inner.limit;
            return Err(Refused::new(RefusedBecause::PoolFull { limit }, work));
        };
        if let Err(why) = scope.node().try_room() {
            return Err(Refused::new(why.into(), work));
        }
        self.submit(place, scope.node(), name, Location::caller(), work)
            .map_err(|(because, work)| Refused::new(because, work))
    }

    /// Runs one closure and gives its result: a scope of its own around [`spawn`](Pool::spawn), below the surrounding
    /// one.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops `work` unrun if it still waits for a thread, else sets its [`StopFlag`]; the surrounding scope
    /// waits until `work` has returned. The result is lost.
    ///
    /// # Errors
    ///
    /// `work` panicked ([`ScopeError::Failed`]), the surrounding scope was told to stop before `work` had returned
    /// ([`ScopeError::Cancelled`]), or the system gives no thread and the pool has none.
    #[track_caller]
    pub fn run<F, R>(
        &self,
        name: &'static str,
        work: F,
    ) -> impl Future<Output = Result<R, ScopeError<Stopped>>> + Send
    where
        F: FnOnce(&StopFlag) -> R + Send + 'static,
        R: Send + 'static,
    {
        let at = Location::caller();
        let pool = self.clone();
        let body = async move |s: &Scope<Stopped>| {
            pool.spawn_at(s, name, at, |stop: &StopFlag| Ok(work(stop)))
                .await
                .await
        };
        open(None, Opts::named(name), body, at)
    }

    /// How many closures wait for a thread.
    pub fn queued(&self) -> usize {
        self.inner.crew.queued()
    }

    /// How many closures run.
    pub fn running(&self) -> usize {
        self.inner.crew.running()
    }

    async fn spawn_at<F, T, E>(
        &self,
        scope: &Scope<E>,
        name: &'static str,
        at: Site,
        work: F,
    ) -> Task<T>
    where
        F: FnOnce(&StopFlag) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Fault,
    {
        let node = scope.node();
        let submitted = match self.enter(node).await {
            Ok(place) => self.submit(place, node, name, at, work),
            Err(because) => Err((because, work)),
        };
        submitted.unwrap_or_else(|(because, _work)| Task::not_started(because))
    }

    /// Waits for a place in the pool and one in the scope. Neither is held while the other is waited for: who holds
    /// the last place of a pool could wait for a child that waits for one.
    async fn enter(&self, node: &Arc<Node>) -> Result<OwnedSemaphorePermit, RefusedBecause> {
        loop {
            let place = self.place(node).await?;
            match node.try_room() {
                Ok(()) => return Ok(place),
                Err(NoRoom::Full { .. }) => drop(place),
                Err(why) => return Err(why.into()),
            }
            let mut room = Room::new(node);
            poll_fn(|cx| room.poll(cx)).await?;
            match self.try_place() {
                Some(place) => return Ok(place),
                None => node.leave_child(),
            }
        }
    }

    async fn place(&self, node: &Arc<Node>) -> Result<OwnedSemaphorePermit, RefusedBecause> {
        tokio::select! {
            biased;
            reason = Cancelled::of(node.clone()) => Err(RefusedBecause::Cancelling(reason)),
            place = self.inner.places.clone().acquire_owned() => {
                Ok(place.expect("a pool never closes its places"))
            }
        }
    }

    fn try_place(&self) -> Option<OwnedSemaphorePermit> {
        self.inner.places.clone().try_acquire_owned().ok()
    }

    /// The caller has entered the node.
    fn submit<F, T, E>(
        &self,
        place: OwnedSemaphorePermit,
        node: &Arc<Node>,
        name: &'static str,
        at: Site,
        work: F,
    ) -> Result<Task<T>, (RefusedBecause, F)>
    where
        F: FnOnce(&StopFlag) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Fault,
    {
        let call = |work: F, stop: StopFlag| work(&stop);
        let (work, task) = Work::with(work, call, node.clone(), name, at);
        self.inner.crew.submit(work.holding(place))?;
        Ok(task)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.inner.name)
            .field("queued", &self.queued())
            .field("running", &self.running())
            .field("limit", &self.inner.limit)
            .finish()
    }
}
