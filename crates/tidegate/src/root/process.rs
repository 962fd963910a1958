//! The root of scopes that are opened outside every other.

use crate::cancel::{MAX_CHILDREN, Node, NodeOpts, Orphan};
use std::{
    panic::Location,
    sync::{Arc, OnceLock},
};

/// Made when first needed, so that `scope()` works anywhere: in a test, below another program's `main`.
pub(crate) fn process_node() -> Arc<Node> {
    static NODE: OnceLock<Arc<Node>> = OnceLock::new();
    NODE.get_or_init(root_node).clone()
}

#[track_caller]
pub(super) fn root_node() -> Arc<Node> {
    let at = Location::caller();
    Node::new(
        None,
        NodeOpts {
            name: "root",
            at,
            deadline: None,
            grace: None,
            limit: MAX_CHILDREN,
        },
    )
}

/// Takes the failures of scopes below the process root, which is where scopes opened outside every other scope hang,
/// whose future was dropped before it could return them. The first 1,024 since the last call are kept.
pub fn unclaimed() -> Vec<Orphan> {
    process_node().take_unclaimed().0
}
