//! How much of a concurrent map goes on at once, and in which order its results come.

use std::time::Duration;

/// The most items that run at once unless [`Concurrent::at_once`] says otherwise: enough to hide a network's latency,
/// far below the 1,024 open files that a process commonly may have.
const DEFAULT_AT_ONCE: usize = 64;

/// How [`map_concurrent`](super::map_concurrent) and its kin run their items. A `&'static str` is a name and otherwise
/// the default.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Concurrent {
    pub(super) name: &'static str,
    pub(super) at_once: usize,
    window: Option<usize>,
    pub(super) order: Order,
    pub(super) grace: Option<Duration>,
}

/// In which order results are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As the items end.
    #[default]
    Any,
    /// As the source gave the items. One that takes long holds back the results behind it, and when these fill the
    /// window also the source.
    Input,
}

impl Concurrent {
    /// At most 64 items at once, twice as many between source and consumer, results as they come, no grace. The name is
    /// that of every item, in failures and reports.
    pub fn named(name: &'static str) -> Self {
        Concurrent {
            name,
            at_once: DEFAULT_AT_ONCE,
            window: None,
            order: Order::Any,
            grace: None,
        }
    }

    /// How many items run at once. Default: 64.
    ///
    /// # Panics
    ///
    /// When `n` is 0: nothing would ever run.
    pub fn at_once(mut self, n: usize) -> Self {
        assert!(n > 0, "with 0 items at once nothing would ever run");
        self.at_once = n;
        self
    }

    /// How many items may be between source and consumer: waiting for their key, running, or with a result that nobody
    /// has taken. When there are so many the source is not asked for more, so a slow consumer slows the source down.
    ///
    /// Default: twice what runs at once, so that as many can run while as many results wait.
    ///
    /// # Panics
    ///
    /// When `n` is 0: nothing would ever be taken from the source.
    pub fn window(mut self, n: usize) -> Self {
        assert!(
            n > 0,
            "with a window of 0 nothing would be taken from the source"
        );
        self.window = Some(n);
        self
    }

    /// In which order results are taken. Default: [`Order::Any`]. Of no effect where there are no results.
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// The grace of every item, as in [`Scope::spawn_with_grace`](crate::Scope::spawn_with_grace). Default: none, an
    /// item that is told to stop is dropped at its current await.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }

    pub(super) fn most_held(&self) -> usize {
        self.window
            .unwrap_or_else(|| self.at_once.saturating_mul(2))
    }
}

impl Default for Concurrent {
    fn default() -> Self {
        Concurrent::named("item")
    }
}

impl From<&'static str> for Concurrent {
    fn from(name: &'static str) -> Self {
        Concurrent::named(name)
    }
}
