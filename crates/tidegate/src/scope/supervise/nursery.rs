//! A supervisor without a body, for state that lives as long as the program.

use super::Supervisor;
use crate::{
    cancel::{Fault, Node, Opener, Role, Site},
    scope::{Opts, timer::Watchdog},
};
use std::{fmt, ops::Deref, sync::Arc};

/// A [`Supervisor`] that is open as long as its root: a handle to keep in a server's state, and to spawn into from any
/// task. Made by [`Root::nursery`](crate::root::Root::nursery).
///
/// Its children are told to stop by the root's shutdown, and waited for there. A failure that no handle has taken goes to
/// the root at once, as unclaimed. When the last clone is dropped its children run on.
pub struct Nursery<E> {
    supervisor: Supervisor<E>,
    open: Arc<Open>,
}

/// Keeps the node known to its parent while it is idle.
struct Open {
    node: Arc<Node>,
    _deadline: Option<Watchdog>,
}

impl<E: Fault> Nursery<E> {
    pub(crate) fn open(root: Arc<Node>, opts: &Opts, at: Site) -> Self {
        // Without the tenure of the code that opens it, which it outlives.
        let node = Node::new(Some(root), Opener::default(), Role::Scope, opts.node(at));
        // Nobody will make a report of it, so the root has its failures at once.
        drop(node.last_failures());
        let deadline = node.own_deadline();
        Nursery {
            supervisor: Supervisor::of(node.clone()),
            open: Arc::new(Open {
                _deadline: deadline.map(|at| Watchdog::start(&node, at)),
                node,
            }),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.node.orphan();
    }
}

impl<E> Deref for Nursery<E> {
    type Target = Supervisor<E>;

    fn deref(&self) -> &Supervisor<E> {
        &self.supervisor
    }
}

impl<E> Clone for Nursery<E> {
    fn clone(&self) -> Self {
        Nursery {
            supervisor: self.supervisor.clone(),
            open: self.open.clone(),
        }
    }
}

impl<E> fmt::Debug for Nursery<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Nursery").field(&self.open.node).finish()
    }
}
