//! Timers of deadlines and graces.

use crate::cancel::Node;
use std::{future::Future, pin::Pin, sync::Arc, task::Context};
use tokio::{
    task::{AbortHandle, coop},
    time::{Instant, Sleep},
};

/// Arms `timer` for `until` and says whether that is over.
pub(crate) fn passed(
    timer: &mut Option<Pin<Box<Sleep>>>,
    until: Instant,
    cx: &mut Context<'_>,
) -> bool {
    let armed = timer
        .as_ref()
        .is_some_and(|sleep| sleep.deadline() == until);
    if !armed && until <= Instant::now() {
        return true;
    }
    let sleep = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
    if !armed {
        sleep.as_mut().reset(until);
    }
    // Without a share of tokio's budget: a busy task must be stopped as well.
    Pin::new(&mut coop::unconstrained(sleep))
        .poll(cx)
        .is_ready()
}

/// A task that tells a scope when its deadline passes. Ends with the owner; one that is forgotten leaves it at work.
pub(super) struct Watchdog(AbortHandle);

impl Watchdog {
    #[expect(
        clippy::disallowed_methods,
        reason = "holds no scope open, and ends with its owner"
    )]
    pub(super) fn start(node: &Arc<Node>, at: Instant) -> Self {
        let node = Arc::downgrade(node);
        let task = tokio::spawn(async move {
            tokio::time::sleep_until(at).await;
            if let Some(node) = node.upgrade() {
                node.cancel_by_deadline();
            }
        });
        Watchdog(task.abort_handle())
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.abort();
    }
}
