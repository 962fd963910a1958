//! What a child's future may give, and what its scope makes of it.

use super::{Overdue, Stopped};
use crate::cancel::{Fault, Node, Site, What};
use std::time::Duration;

/// The output of a child's future.
pub(crate) trait Outcome {
    /// What its task gives when all went well.
    type Value;

    /// Tells the node of a failure.
    fn settle(self, node: &Node, name: &'static str, at: Site) -> Result<Self::Value, Stopped>;
}

impl<T, E: Fault> Outcome for Result<T, E> {
    type Value = T;

    #[inline]
    fn settle(self, node: &Node, name: &'static str, at: Site) -> Result<T, Stopped> {
        self.map_err(|error| {
            node.failed(name, at, error);
            Stopped::Failed
        })
    }
}

/// The end of a critical section.
pub(super) struct Critical<T, E> {
    pub(super) result: Result<Result<T, E>, Overdue>,
    pub(super) within: Duration,
}

impl<T, E: Fault> Outcome for Critical<T, E> {
    type Value = T;

    fn settle(self, node: &Node, name: &'static str, at: Site) -> Result<T, Stopped> {
        match self.result {
            Ok(result) => result.settle(node, name, at),
            Err(Overdue { .. }) => {
                let within = self.within;
                node.cleanup_failed(name, at, What::CutShort { within });
                Err(Stopped::Failed)
            }
        }
    }
}
