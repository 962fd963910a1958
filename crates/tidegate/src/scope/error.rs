//! What a scope reports: one fixed shape, typed, nothing left out.

use crate::cancel::{Failure, Fault, Reason, What};
use std::{
    error::Error,
    fmt,
    iter::{self, Chain},
    panic::resume_unwind,
    vec,
};

/// Why a scope has no value.
#[derive(Debug)]
pub enum ScopeError<E> {
    /// Children, or the body, failed.
    Failed(Failures<E>),
    /// Nothing failed: the scope was told to stop before its body had a value.
    Cancelled(Reason),
}

/// Everything that failed in one scope, in the order in which it did.
#[derive(Debug)]
pub struct Failures<E> {
    /// The one that came first, and told the scope to stop unless it had been told before.
    pub first: Failure<E>,
    /// The others.
    pub rest: Vec<Failure<E>>,
}

impl<E> Failures<E> {
    /// All of them, the first one first.
    pub fn iter(&self) -> impl Iterator<Item = &Failure<E>> {
        iter::once(&self.first).chain(&self.rest)
    }
}

impl<E> IntoIterator for Failures<E> {
    type Item = Failure<E>;
    type IntoIter = Chain<iter::Once<Failure<E>>, vec::IntoIter<Failure<E>>>;

    fn into_iter(self) -> Self::IntoIter {
        iter::once(self.first).chain(self.rest)
    }
}

impl<E> ScopeError<E> {
    /// The first failure. `None`: nothing failed.
    pub fn first(&self) -> Option<&Failure<E>> {
        match self {
            ScopeError::Failed(failures) => Some(&failures.first),
            ScopeError::Cancelled(_) => None,
        }
    }

    /// The reason of a scope that was told to stop and in which nothing failed.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            ScopeError::Failed(_) => None,
            ScopeError::Cancelled(reason) => Some(*reason),
        }
    }

    /// Gives the error back, unless something panicked.
    ///
    /// # Panics
    ///
    /// With the payload of the first panic among the failures; the other failures are dropped.
    pub fn or_resume_panic(self) -> Self {
        match self {
            ScopeError::Failed(failures)
                if failures
                    .iter()
                    .any(|failure| matches!(failure.what, What::Panic(_))) =>
            {
                let panic = failures.into_iter().find_map(|failure| match failure.what {
                    What::Panic(panic) => Some(panic),
                    What::Error(_) | What::CutShort { .. } | What::NotRun => None,
                });
                resume_unwind(panic.expect("one was just seen").into_payload())
            }
            error => error,
        }
    }
}

impl<E: fmt::Display> fmt::Display for ScopeError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScopeError::Failed(Failures { first, rest }) if rest.is_empty() => first.fmt(f),
            ScopeError::Failed(Failures { first, rest }) => {
                write!(f, "{first} (and {} more)", rest.len())
            }
            ScopeError::Cancelled(reason) => write!(f, "cancelled: {reason}"),
        }
    }
}

/// Without a source: `E` need not be an `Error` itself (`anyhow::Error` is none), so the message carries the causes
/// that its alternate form shows.
impl<E: Fault> Error for ScopeError<E> {}
