//! Children that do not keep their scope open: they hang in a hidden node below it, which is told when nothing else is left.

use super::{
    MAX_CHILDREN, Node, NodeOpts, Opener, Reason, Role, ScopeId,
    node::{BACKGROUND, CLOSED, NESTED, ORPHAN, busy},
};
use crate::sync::Ordering::{AcqRel, Acquire};
use std::sync::Arc;

/// Whether a node with this word has nothing but one nested scope, which may be the hidden one.
const fn maybe_background_only(word: u64) -> bool {
    word & BACKGROUND != 0 && busy(word) == busy(NESTED)
}

impl Node {
    /// The hidden node for background children, made when first needed.
    pub(crate) fn background(self: &Arc<Self>) -> Arc<Node> {
        let new = self.hidden_below(self.clone());
        let node = self
            .lock()
            .cold
            .get_or_insert_default()
            .background
            .get_or_insert(new)
            .clone();
        let word = self.word.fetch_or(BACKGROUND, AcqRel);
        if word & CLOSED != 0 || (word & ORPHAN != 0 && busy(word) == 0) {
            // Too late: nobody will end it, and what is spawned there is refused.
            self.drop_background();
        }
        node
    }

    /// A hidden node among the background, for children that are told together: what fails in it is a failure of this
    /// scope, and nothing in it keeps the scope open. Whoever has asked for it leaves it by `orphan`.
    pub(crate) fn group(self: &Arc<Self>) -> Arc<Node> {
        self.hidden_below(self.background())
    }

    fn hidden_below(&self, parent: Arc<Node>) -> Arc<Node> {
        let ScopeId { name, at, .. } = self.id;
        let opts = NodeOpts {
            name,
            at,
            deadline: None,
            grace: None,
            limit: MAX_CHILDREN,
        };
        Node::new(Some(parent), Opener::default(), Role::Background, opts)
    }

    /// Tells the background children if nothing else is left. `true`: they run, and had not been told.
    pub(crate) fn end_background(&self) -> bool {
        if !maybe_background_only(self.word.load(Acquire)) {
            return false;
        }
        let background = self
            .lock()
            .cold
            .as_ref()
            .and_then(|cold| cold.background.clone());
        match background {
            Some(node) if !node.is_idle() && !node.is_told() => {
                node.cancel(Reason::BodyReturned, None);
                true
            }
            _ => false,
        }
    }

    /// The node has ended. It and the hidden one hold each other.
    pub(super) fn drop_background(&self) {
        let node = self
            .lock()
            .cold
            .as_mut()
            .and_then(|cold| cold.background.take());
        if let Some(node) = node {
            // It has no owner any more, takes nothing in, and lets go of a hidden node of its own.
            node.orphan();
        }
    }
}
