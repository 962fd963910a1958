//! Tracing: the span of whoever spawned a child goes with it, and a scope that is slow to end says whom it waits for.

use super::timer::passed;
use crate::cancel::{Look, Node};
use std::{pin::Pin, sync::Arc, task::Context, time::Duration};
use tokio::time::Sleep;
use tracing::{Span, warn};

/// How long a scope that was told to stop waits in silence.
const SLOW: Duration = Duration::from_secs(1);

/// The most children that one warning names.
const NAMED: usize = 10;

/// The span in which a child runs.
pub(super) struct Surrounding(Span);

impl Surrounding {
    pub(super) fn current() -> Surrounding {
        Surrounding(Span::current())
    }

    #[inline]
    pub(super) fn within<R>(&self, code: impl FnOnce() -> R) -> R {
        let _entered = (!self.0.is_none()).then(|| self.0.enter());
        code()
    }
}

/// Warns once when a scope that was told has not ended after [`SLOW`].
#[derive(Default)]
pub(super) struct SlowEnd {
    timer: Option<Pin<Box<Sleep>>>,
    look: Option<Look>,
    warned: bool,
}

impl SlowEnd {
    /// The owner waits for its children.
    pub(super) fn wait(&mut self, node: &Arc<Node>, cx: &mut Context<'_>) {
        let Some(told) = node.told().filter(|_| !self.warned) else {
            return;
        };
        let look = self.look.get_or_insert_with(Look::now);
        if !passed(&mut self.timer, told.at + SLOW, cx) {
            return;
        }
        self.warned = true;
        let left = node.survey(look);
        let names: Vec<_> = left
            .iter()
            .take(NAMED)
            .map(|one| format!("{} ({}) {:?}", one.path, one.at, one.doing))
            .collect();
        warn!(
            scope = %node.id,
            reason = %told.reason,
            waiting_for = ?names,
            more = left.len().saturating_sub(NAMED),
            "the scope was told to stop and has not ended"
        );
    }
}
