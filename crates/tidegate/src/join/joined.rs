//! What a join has come to.

use crate::cancel::{Fault, Reason, What};
use std::{error::Error, fmt};

/// What a join has come to: every arm, by its place in the input counted from 0, stands in one of the two lists.
#[derive(Debug)]
#[must_use = "the failures in it have been reported to nobody else"]
pub struct Joined<T, E> {
    /// The arms that have ended, in the order in which they did; of several that ended at one and the same instant, in
    /// the order of the input; losers come last. One that panicked while it was dropped is here too.
    pub finished: Vec<(usize, Result<T, What<E>>)>,
    /// The arms that were dropped or never started, in the order of the input, and why.
    pub unfinished: Vec<(usize, Reason)>,
}

impl<T, E> Joined<T, E> {
    /// `finished` is in its final order; `reason` holds for all other arms.
    pub(super) fn new(
        arms: usize,
        finished: Vec<(usize, Result<T, What<E>>)>,
        reason: Reason,
    ) -> Self {
        let mut is_finished = vec![false; arms];
        for (index, _) in &finished {
            is_finished[*index] = true;
        }
        let unfinished = is_finished.into_iter().enumerate();
        let unfinished = unfinished.filter(|(_, finished)| !finished);
        Joined {
            finished,
            unfinished: unfinished.map(|(index, _)| (index, reason)).collect(),
        }
    }

    /// The values of all arms, in the order of the input.
    ///
    /// # Errors
    ///
    /// An arm has failed or is unfinished: everything comes back.
    pub fn into_values(mut self) -> Result<Vec<T>, Self> {
        if !self.unfinished.is_empty() || self.finished.iter().any(|(_, result)| result.is_err()) {
            return Err(self);
        }
        self.finished.sort_unstable_by_key(|(index, _)| *index);
        let values = self.finished.into_iter();
        Ok(values.filter_map(|(_, result)| result.ok()).collect())
    }

    /// The arm that has succeeded first, and its value; the other arms are dropped.
    ///
    /// # Errors
    ///
    /// No arm has succeeded: everything comes back.
    pub fn into_first_ok(mut self) -> Result<(usize, T), Self> {
        match self.finished.iter().position(|(_, result)| result.is_ok()) {
            Some(at) => match self.finished.swap_remove(at) {
                (index, Ok(value)) => Ok((index, value)),
                (_, Err(_)) => unreachable!("it was just seen to be a value"),
            },
            None => Err(self),
        }
    }
}

/// How many arms have succeeded, and the first failure or else the first reason.
impl<T, E: fmt::Display> fmt::Display for Joined<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ok = self.finished.iter().filter(|(_, result)| result.is_ok());
        let arms = self.finished.len() + self.unfinished.len();
        write!(f, "{} of {arms} arms succeeded", ok.count())?;
        let mut failures = self.finished.iter();
        let failure = failures.find_map(|(index, result)| Some((index, result.as_ref().err()?)));
        match (failure, self.unfinished.first()) {
            // The alternate form is the one in which `anyhow` prints its causes.
            (Some((index, What::Error(error))), _) => write!(f, "; arm {index} failed: {error:#}"),
            (Some((index, What::Panic(panic))), _) => write!(f, "; arm {index} panicked: {panic}"),
            (Some((index, What::CutShort { .. } | What::NotRun)), _) => {
                write!(f, "; arm {index} was cut short")
            }
            (None, Some((index, reason))) => write!(f, "; arm {index} was stopped: {reason}"),
            (None, None) => Ok(()),
        }
    }
}

/// As what [`into_values`](Joined::into_values) and [`into_first_ok`](Joined::into_first_ok) give back. Without a source,
/// as [`ScopeError`](crate::ScopeError): the message carries the causes.
impl<T: fmt::Debug, E: Fault> Error for Joined<T, E> {}
