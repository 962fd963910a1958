//! What a piece of code has taken and may give back only when everything has ended that runs in the scopes it has opened.
//!
//! A scope's node enters its tenure where it enters its parent, on the way of its count from 0 to 1, and leaves both on
//! the way back. So a scope that runs nothing holds nothing, also when its future is forgotten.

use super::{Node, current};
use std::{any::Any, cell::Cell, fmt, sync::Arc};

/// Counts the scopes, opened by one piece of code, that run something. Called without a lock; may run wakers.
pub(crate) trait Tenure: Any + fmt::Debug + Send + Sync {
    fn enter(&self);
    fn leave(&self);
}

/// Gives the tenure of the code that is being polled, which only now needs one.
pub(crate) type Giver = fn() -> Option<Arc<dyn Tenure>>;

thread_local! {
    static GIVER: Cell<Option<Giver>> = const { Cell::new(None) };
}

/// Says whom to ask about the code that is about to be polled. Returns what was said before, to be said again after it.
#[inline]
pub(crate) fn ask(giver: Option<Giver>) -> Option<Giver> {
    GIVER.replace(giver)
}

/// The tenure of the calling code, for a scope that it opens.
#[inline]
pub(crate) fn tenure() -> Option<Arc<dyn Tenure>> {
    GIVER.get().and_then(|giver| giver())
}

/// The tenure that the scope around the calling code belongs to, as far up as there is one.
pub(crate) fn tenure_above() -> Option<Arc<dyn Tenure>> {
    let (node, _) = current()?;
    let mut node = &node;
    loop {
        if let Some(tenure) = &node.tenure {
            return Some(tenure.clone());
        }
        node = node.parent.as_ref()?;
    }
}

impl Node {
    #[inline]
    pub(super) fn enter_tenure(&self) {
        if let Some(tenure) = &self.tenure {
            tenure.enter();
        }
    }

    #[inline]
    pub(super) fn leave_tenure(&self) {
        if let Some(tenure) = &self.tenure {
            tenure.leave();
        }
    }
}
