//! The side of a concurrent map that takes items from the source, holds back those whose key is busy, and spawns.

use super::{Concurrent, PerKey, shared::Shared};
use crate::{
    RefusedBecause, Scope, Stopped,
    cancel::{Fault, Site},
    scope::Deliver,
};
use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    hash::Hash,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// An item and its number.
type Numbered<I> = (u64, I);

/// Gives the items that may start, one after the other.
pub(super) struct Intake<P, Q, K, I> {
    pull: P,
    key: Q,
    lanes: PerKey<K, Numbered<I>>,
    /// The keys of what runs.
    keys: HashMap<u64, K>,
    /// Items whose key has become free.
    ready: VecDeque<(K, Numbered<I>)>,
    exhausted: bool,
}

impl<P, Q, K, I> Intake<P, Q, K, I>
where
    P: FnMut(&mut Context<'_>) -> Poll<Option<I>>,
    Q: FnMut(&I) -> Option<K>,
    K: Clone + Eq + Hash,
{
    pub(super) fn new(pull: P, key: Q) -> Self {
        Intake {
            pull,
            key,
            lanes: PerKey::new(),
            keys: HashMap::new(),
            ready: VecDeque::new(),
            exhausted: false,
        }
    }

    /// The next item to be started. `None`: there will be none.
    pub(super) fn poll_next<T>(
        &mut self,
        shared: &Shared<T>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Numbered<I>>> {
        // A source that never waits must let its neighbours run.
        let budget = ready!(tokio::task::coop::poll_proceed(cx));
        loop {
            let turn = shared.turn(cx);
            for number in turn.ended {
                let key = self.keys.remove(&number);
                let freed = key.and_then(|key| Some((self.lanes.finish(&key)?, key)));
                self.ready.extend(freed.map(|(item, key)| (key, item)));
            }
            if !turn.may_start {
                return Poll::Pending;
            }
            if let Some((key, item)) = self.ready.pop_front() {
                self.keys.insert(item.0, key);
                budget.made_progress();
                return Poll::Ready(Some(item));
            }
            if self.exhausted && self.lanes.waiting() == 0 {
                return Poll::Ready(None);
            }
            if self.exhausted || !turn.has_room {
                return Poll::Pending;
            }
            match ready!((self.pull)(cx)) {
                None => self.exhausted = true,
                Some(item) => {
                    if let Some(item) = self.enter(shared.admit(), item) {
                        budget.made_progress();
                        return Poll::Ready(Some(item));
                    }
                }
            }
        }
    }

    /// Gives the item back unless its key is busy.
    fn enter(&mut self, number: u64, item: I) -> Option<Numbered<I>> {
        let Some(key) = (self.key)(&item) else {
            return Some((number, item));
        };
        let free = self.lanes.start(key.clone(), (number, item));
        if free.is_some() {
            self.keys.insert(number, key);
        }
        free
    }
}

/// Spawns items into a scope.
pub(super) struct Crew<T, E> {
    pub(super) scope: Scope<E>,
    pub(super) opts: Concurrent,
    pub(super) at: Site,
    pub(super) shared: Arc<Shared<T>>,
}

impl<T, E> Crew<T, E>
where
    T: Send + 'static,
    E: Fault,
{
    /// `false`: the scope takes nothing any more.
    pub(super) fn start<F>(&self, number: u64, work: F) -> bool
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let ticket = self.shared.start(number);
        self.spawn(self.opts.grace, work, ticket)
    }

    pub(super) fn spawn<F, U, D>(
        &self,
        grace: Option<std::time::Duration>,
        work: F,
        mut to: D,
    ) -> bool
    where
        F: Future<Output = Result<U, E>> + Send + 'static,
        U: Send + 'static,
        D: Deliver<U> + Send + 'static,
    {
        let node = self.scope.node();
        if let Err(why) = node.try_room() {
            to.deliver(Err(Stopped::NotStarted(RefusedBecause::from(why))));
            return false;
        }
        let Concurrent { name, .. } = self.opts;
        self.scope.start_to(name, self.at, grace, work, to);
        true
    }
}
