//! Threads that serve one queue, first in, first out.
//!
//! Invariants
//! 1. `threads` counts those that run, those that are being made, and none that has decided to end; so while the queue
//!    is not empty and `threads` is not 0, somebody will come for it.
//! 2. Whoever is queued is taken out exactly once: by a thread, by its scope's waker, or when no thread can be made.
//! 3. No user code (closures, their destructors, wakers) runs while the lock is held.
//!
//! The queue has no bound of its own: a pool counts its places, a scope its children.

use super::work::{Job, Work};
use crate::{
    cancel::{Fault, ignore_poison},
    scope::RefusedBecause,
};
use std::{
    collections::VecDeque,
    io, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, Weak},
    task::{Wake, Waker},
    thread,
    time::Duration,
};

/// The threads' owner. When it is dropped they finish what is queued, then end.
pub(super) struct Crew {
    shared: Arc<Shared>,
}

pub(super) struct CrewOpts {
    /// Of the threads, each with a number behind it.
    pub(super) name: &'static str,
    pub(super) most_threads: usize,
    /// How long a thread waits for work before it ends. `None`: for ever.
    pub(super) idle: Option<Duration>,
}

struct Shared {
    state: Mutex<State>,
    news: Condvar,
    opts: CrewOpts,
}

#[derive(Default)]
struct State {
    /// Sorted by ticket.
    queue: VecDeque<(u64, Box<dyn Job>)>,
    next_ticket: u64,
    threads: usize,
    /// Those that wait for news; one that was called counts until it has woken.
    idle: usize,
    running: usize,
    threads_made: usize,
    closed: bool,
}

impl Crew {
    pub(super) fn new(opts: CrewOpts) -> Self {
        let shared = Shared {
            state: Mutex::default(),
            news: Condvar::new(),
            opts,
        };
        Crew {
            shared: Arc::new(shared),
        }
    }

    /// Queues a child of a scope, unless that was told to stop.
    pub(super) fn submit<F, T, E>(&self, mut work: Work<F, T, E>) -> Result<(), (RefusedBecause, F)>
    where
        F: Send + 'static,
        T: Send + 'static,
        E: Fault,
    {
        let ticket = self.shared.ticket();
        let place = Arc::new(InQueue {
            crew: Arc::downgrade(&self.shared),
            ticket,
        });
        let node = work.node().clone();
        if !work.queue(Waker::from(place)) {
            let reason = node.reason().expect("a node that was told has its reason");
            return Err((RefusedBecause::Cancelling(reason), work.into_closure()));
        }
        self.shared.push(ticket, Box::new(work));
        // Told meanwhile, its waker may have looked into the queue too early.
        if node.is_told() {
            self.shared.take_out(ticket);
        }
        Ok(())
    }

    /// How many wait for a thread.
    pub(super) fn queued(&self) -> usize {
        self.shared.lock().queue.len()
    }

    /// How many closures are being run.
    pub(super) fn running(&self) -> usize {
        self.shared.lock().running
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.news.notify_all();
    }
}

/// Takes a closure out of the queue when its scope is told.
struct InQueue {
    crew: Weak<Shared>,
    ticket: u64,
}

impl Wake for InQueue {
    fn wake(self: Arc<Self>) {
        if let Some(crew) = self.crew.upgrade() {
            crew.take_out(self.ticket);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        ignore_poison(self.state.lock())
    }

    fn ticket(&self) -> u64 {
        let mut state = self.lock();
        state.next_ticket += 1;
        state.next_ticket
    }

    fn push(self: &Arc<Self>, ticket: u64, job: Box<dyn Job>) {
        let number = {
            let mut state = self.lock();
            // Of two that come at the same time the later ticket may be here first.
            let at = state.queue.partition_point(|(other, _)| *other < ticket);
            state.queue.insert(at, (ticket, job));
            // Those that are idle have one each; this one needs somebody more.
            if state.queue.len() > state.idle && state.threads < self.opts.most_threads {
                state.threads += 1;
                state.threads_made += 1;
                Some(state.threads_made)
            } else {
                None
            }
        };
        match number {
            Some(number) => self.make_thread(number),
            None => self.news.notify_one(),
        }
    }

    /// `threads` counts the new one already.
    #[expect(
        clippy::disallowed_methods,
        reason = "the home of threads that run the blocking children of scopes"
    )]
    fn make_thread(self: &Arc<Self>, number: usize) {
        let name = format!("{}-{number}", self.opts.name);
        let crew = self.clone();
        let made = thread::Builder::new()
            .name(name)
            .spawn(move || crew.serve());
        if let Err(error) = made {
            self.do_without(&error);
        }
    }

    /// Fewer threads than there could be serve the queue as well; only with none at all it must not wait.
    #[cold]
    fn do_without(&self, error: &io::Error) {
        let left = {
            let mut state = self.lock();
            state.threads -= 1;
            match state.threads {
                0 => mem::take(&mut state.queue),
                _ => VecDeque::new(),
            }
        };
        for (_, job) in left {
            job.give_up(RefusedBecause::NoThread(error.kind()));
        }
    }

    fn take_out(&self, ticket: u64) {
        let job = {
            let mut state = self.lock();
            let at = state.queue.binary_search_by_key(&ticket, |(of, _)| *of);
            at.ok().and_then(|at| state.queue.remove(at))
        };
        if let Some((_, job)) = job {
            job.settle();
        }
    }

    fn serve(&self) {
        while let Some(mut job) = self.next() {
            // Closures are caught where their panic can be told of. What is left are destructors of a result that
            // nobody wants, and wakers of strangers: none of them may take the thread away.
            drop(catch_unwind(AssertUnwindSafe(|| job.run())));
            self.lock().running -= 1;
            drop(catch_unwind(AssertUnwindSafe(|| job.settle())));
        }
    }

    /// Waits for work. `None`: the thread is to end, and is no longer counted.
    fn next(&self) -> Option<Box<dyn Job>> {
        let mut state = self.lock();
        let mut waited_out = false;
        loop {
            if let Some((_, job)) = state.queue.pop_front() {
                state.running += 1;
                return Some(job);
            }
            if state.closed || waited_out {
                state.threads -= 1;
                return None;
            }
            state.idle += 1;
            match self.opts.idle {
                Some(time) => {
                    let (back, wait) = ignore_poison(self.news.wait_timeout(state, time));
                    (state, waited_out) = (back, wait.timed_out());
                }
                None => state = ignore_poison(self.news.wait(state)),
            }
            state.idle -= 1;
        }
    }
}
