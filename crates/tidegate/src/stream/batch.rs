//! When a batch is full: by count, by bytes or by age.

use std::time::Duration;
use tokio::time::Instant;

/// The bounds of a batch; whichever is reached first ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most items; one item alone is always a batch.
    pub count: usize,
    /// Most bytes, as the caller weighs them. One item alone may weigh more.
    pub bytes: usize,
    /// Longest time that the first item waits. `Duration::MAX`, or any other time too long to be an instant: no bound.
    pub age: Duration,
}

/// Collects items until a bound of [`Limits`] is reached. Pure: it is told the time and never waits.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use tidegate::stream::{Batcher, Limits};
/// use tokio::time::Instant;
///
/// let limits = Limits { count: 2, bytes: 1_000, age: Duration::from_millis(200) };
/// let mut batcher = Batcher::new(limits);
/// let now = Instant::now();
/// batcher.push("a", 1, now);
/// assert!(!batcher.is_due(now));
/// assert_eq!(batcher.due_at(), Some(now + limits.age));
/// batcher.push("b", 1, now);
/// assert!(batcher.is_due(now));
/// assert_eq!(batcher.take(), ["a", "b"]);
/// ```
#[derive(Debug)]
pub struct Batcher<T> {
    limits: Limits,
    items: Vec<T>,
    bytes: usize,
    first: Option<Instant>,
}

impl<T> Batcher<T> {
    /// An empty batch with these bounds.
    pub fn new(limits: Limits) -> Batcher<T> {
        Batcher {
            limits,
            items: Vec::new(),
            bytes: 0,
            first: None,
        }
    }

    /// Adds an item that weighs `bytes`.
    pub fn push(&mut self, item: T, bytes: usize, now: Instant) {
        self.first.get_or_insert(now);
        self.bytes = self.bytes.saturating_add(bytes);
        self.items.push(item);
    }

    /// Whether a bound is reached.
    pub fn is_due(&self, now: Instant) -> bool {
        self.is_full() || self.due_at().is_some_and(|due| due <= now)
    }

    /// Whether the batch has no more room, whatever its age.
    pub fn is_full(&self) -> bool {
        self.items.len() >= self.limits.count || self.bytes >= self.limits.bytes
    }

    /// When the batch is due by age; none while it is empty, or without a bound.
    pub fn due_at(&self) -> Option<Instant> {
        self.first?.checked_add(self.limits.age)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many items it holds.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Takes all items; the batch is empty afterwards.
    pub fn take(&mut self) -> Vec<T> {
        self.first = None;
        self.bytes = 0;
        std::mem::take(&mut self.items)
    }
}
