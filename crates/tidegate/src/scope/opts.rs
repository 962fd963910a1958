//! How a scope differs from the default.

use crate::cancel::{MAX_CHILDREN, NodeOpts, Site};
use std::time::Duration;
use tokio::time::Instant;

/// The most children that run at once unless [`Opts::max_children`] says otherwise.
const DEFAULT_MAX_CHILDREN: u32 = 1024;

/// How a scope is to be. A `&'static str` is a name and otherwise the default.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Opts {
    name: &'static str,
    deadline: Option<Instant>,
    grace: Option<Duration>,
    max_children: u32,
    pub(super) on_leave: Leave,
}

/// What returning from the body does to children that still run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leave {
    /// The scope waits for them.
    #[default]
    Wait,
    /// They are told to stop, with [`Reason::BodyReturned`](crate::Reason::BodyReturned); then the scope waits.
    Cancel,
}

impl Opts {
    /// A scope with this name, no deadline of its own, no grace and at most 1,024 children at once.
    pub fn named(name: &'static str) -> Self {
        Opts {
            name,
            deadline: None,
            grace: None,
            max_children: DEFAULT_MAX_CHILDREN,
            on_leave: Leave::Wait,
        }
    }

    /// When told to stop, the body is asked first (see [`cancelled`](crate::cancelled())) and dropped only after this
    /// time; nothing below the scope gets more. Zero means: all at once, whatever its own grace.
    ///
    /// Default: the body is dropped at its current await, and a child's own grace is bounded by that of the ancestors.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }

    /// Tells the scope to stop at this instant. An ancestor's deadline that is not later comes first and is the one
    /// that the reason names.
    ///
    /// Children hear of it also while nobody polls the scope's future, if they were there when it was polled last.
    pub fn deadline(mut self, at: Instant) -> Self {
        self.deadline = Some(at);
        self
    }

    /// [`deadline`](Opts::deadline), counted from this call. A time too long to be an instant means no deadline.
    pub fn timeout(mut self, after: Duration) -> Self {
        self.deadline = Instant::now().checked_add(after);
        self
    }

    /// How many children may run at once; more than 268,435,455 means that number. Default: 1,024.
    pub fn max_children(mut self, n: usize) -> Self {
        self.max_children = u32::try_from(n).unwrap_or(u32::MAX).min(MAX_CHILDREN);
        self
    }

    /// What returning from the body does to children that still run. Default: [`Leave::Wait`].
    pub fn on_leave(mut self, leave: Leave) -> Self {
        self.on_leave = leave;
        self
    }

    pub(crate) fn body_grace(&self) -> Option<Duration> {
        self.grace.filter(|grace| !grace.is_zero())
    }

    pub(crate) fn node(&self, at: Site) -> NodeOpts {
        NodeOpts {
            name: self.name,
            at,
            deadline: self.deadline,
            grace: self.grace,
            limit: self.max_children,
        }
    }
}

impl Default for Opts {
    fn default() -> Self {
        Opts::named("scope")
    }
}

impl From<&'static str> for Opts {
    fn from(name: &'static str) -> Self {
        Opts::named(name)
    }
}
