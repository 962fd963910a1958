//! How a thread hears that it is to stop.

use crate::cancel::{Node, Reason};
use std::{fmt, sync::Arc};

/// Says to a thread that its scope was told to stop.
#[derive(Clone)]
pub struct StopFlag {
    node: Arc<Node>,
}

impl StopFlag {
    pub(super) fn of(node: Arc<Node>) -> Self {
        StopFlag { node }
    }

    /// Whether the scope was told to stop. Costs one load.
    pub fn is_set(&self) -> bool {
        self.node.is_told()
    }

    /// Why. `None`: it was not told.
    pub fn reason(&self) -> Option<Reason> {
        self.node.reason()
    }
}

impl fmt::Debug for StopFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopFlag")
            .field("is_set", &self.is_set())
            .finish()
    }
}
