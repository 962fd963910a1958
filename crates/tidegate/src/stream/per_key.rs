//! At most one item of a key under way, the others waiting in their order.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, Hash, RandomState},
};

/// Lets items with different keys go side by side and items with the same key one after the other.
///
/// Pure: it holds the items that wait, and says which may start. Memory is bounded by the items that the caller has under
/// way and waiting.
///
/// # Examples
/// ```
/// use tidegate::stream::PerKey;
///
/// let mut orders = PerKey::new();
/// assert_eq!(orders.start("ann", 1), Some(1));
/// assert_eq!(orders.start("bob", 2), Some(2));
/// assert_eq!(orders.start("ann", 3), None); // waits for 1
/// assert_eq!(orders.finish(&"ann"), Some(3)); // 1 is done, 3 may start
/// assert_eq!(orders.finish(&"ann"), None);
/// ```
#[derive(Debug)]
pub struct PerKey<K, T, S = RandomState> {
    /// A key is here while one of its items is under way; the queue holds those behind it.
    busy: HashMap<K, VecDeque<T>, S>,
    waiting: usize,
}

impl<K: Eq + Hash, T> PerKey<K, T> {
    /// No key is under way.
    pub fn new() -> PerKey<K, T> {
        PerKey::default()
    }
}

impl<K: Eq + Hash, T, S: BuildHasher> PerKey<K, T, S> {
    /// No key is under way; keys are hashed by `hasher`, for keys that are hashes themselves.
    pub fn with_hasher(hasher: S) -> PerKey<K, T, S> {
        PerKey {
            busy: HashMap::with_hasher(hasher),
            waiting: 0,
        }
    }

    /// Gives the item back if it may start now; else keeps it until those before it have finished.
    pub fn start(&mut self, key: K, item: T) -> Option<T> {
        match self.busy.entry(key) {
            std::collections::hash_map::Entry::Vacant(place) => {
                // An empty queue allocates nothing.
                place.insert(VecDeque::new());
                Some(item)
            }
            std::collections::hash_map::Entry::Occupied(mut place) => {
                place.get_mut().push_back(item);
                self.waiting += 1;
                None
            }
        }
    }

    /// The item of `key` that was under way has finished: gives the next one, which may start now.
    pub fn finish(&mut self, key: &K) -> Option<T> {
        let next = self.busy.get_mut(key)?.pop_front();
        match next {
            Some(_) => self.waiting -= 1,
            None => {
                self.busy.remove(key);
            }
        }
        next
    }

    /// How many items wait for one before them.
    pub fn waiting(&self) -> usize {
        self.waiting
    }
}

impl<K: Eq + Hash, T, S: BuildHasher + Default> Default for PerKey<K, T, S> {
    fn default() -> Self {
        PerKey::with_hasher(S::default())
    }
}
