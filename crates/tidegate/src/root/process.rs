//! The root of scopes that are opened outside every other.

use super::{Shutdown, Survivor, report::survivors};
use crate::cancel::{Look, MAX_CHILDREN, Node, NodeOpts, Opener, Orphan, Role};
use std::{
    panic::Location,
    sync::{Arc, OnceLock},
};

/// Made when first needed, so that `scope()` works anywhere: in a test, below another program's `main`.
pub(crate) fn process_node() -> Arc<Node> {
    static NODE: OnceLock<Arc<Node>> = OnceLock::new();
    NODE.get_or_init(bare_root).clone()
}

pub(super) fn root_node(on: &Shutdown) -> Arc<Node> {
    let node = bare_root();
    if let Some(hook) = &on.on_unclaimed {
        node.on_unclaimed(hook.clone());
    }
    node
}

fn bare_root() -> Arc<Node> {
    // A root stands in no path, so its name and place are for debugging only.
    let at = Location::caller();
    Node::new(
        None,
        Opener::default(),
        Role::Scope,
        NodeOpts {
            name: "root",
            at,
            deadline: None,
            grace: None,
            limit: MAX_CHILDREN,
        },
    )
}

/// What runs now in the scopes below the process root, which is where scopes opened outside every other scope hang.
pub fn running() -> Vec<Survivor> {
    survivors(&process_node(), &Look::now())
}

/// Takes the failures of scopes below the process root, which is where scopes opened outside every other scope hang,
/// whose future was dropped before it could return them. The first 1,024 since the last call are kept.
pub fn unclaimed() -> Vec<Orphan> {
    process_node().take_unclaimed().0
}
