//! A section that the tree's cancellation does not reach.

use super::passed;
use crate::{
    cancel::{
        Ctx, Hold, MAX_CHILDREN, Node, NodeOpts, Part, Role, Site, after, current, hold, inside,
    },
    root,
};
use pin_project_lite::pin_project;
use std::{
    error::Error,
    fmt,
    future::Future,
    panic::{Location, resume_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, Sleep};

/// Runs `work` out of reach of the tree's cancellation, for at most `within` from its first poll.
///
/// While it is open, the task, or the body, that awaits it is not dropped when it is told to stop, and the code inside
/// hears nothing of that: [`is_cancelled`](crate::is_cancelled) says no, [`deadline`](crate::deadline) is the shield's
/// own, scopes opened inside are not told. What ends it early is only the *hard* instant, at which the grace of the
/// scope or of an ancestor is over.
///
/// It holds the whole task: other arms of a `join!` go on as well. `work` may borrow, so it dies with whoever awaits it:
/// a shield does not hold against a `select!` or a `timeout` around it. For work that must survive those there is
/// [`Scope::critical`](crate::Scope::critical). To shield the call of `spawn` shields no child.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tidegate::{Reason, Scope, ScopeError, is_cancelled, scope, shield};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let mut saved = false;
/// let ended = scope("order", async |s: &Scope<std::io::Error>| {
///     s.cancel(Reason::User("too late"), Duration::from_secs(10));
///     let done = shield(Duration::from_secs(5), async {
///         assert!(!is_cancelled());
///         tokio::time::sleep(Duration::from_secs(1)).await; // not dropped here
///         saved = true;
///     });
///     assert!(done.await.is_ok());
///     std::future::pending::<Result<(), _>>().await // but here
/// });
/// assert!(matches!(ended.await, Err(ScopeError::Cancelled(_))));
/// assert!(saved);
/// # }
/// ```
///
/// # Cancel safety
///
/// Dropping it drops `work` at its current await, and tells the scopes inside.
///
/// # Errors
///
/// [`Overdue`] when `within` was over; `work` has then been dropped.
///
/// # Panics
///
/// When `work` does.
#[track_caller]
pub fn shield<F: Future>(within: Duration, work: F) -> Shield<F> {
    shield_at(within, Location::caller(), work)
}

pub(super) fn shield_at<F: Future>(within: Duration, at: Site, work: F) -> Shield<F> {
    Shield {
        work: Some(work),
        open: None,
        within,
        at,
    }
}

pin_project! {
    /// See [`shield`].
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the work at its current await.
    #[must_use = "futures do nothing unless awaited"]
    pub struct Shield<F> {
        #[pin]
        work: Option<F>,
        // After the work: its destructors are still inside.
        open: Option<Open>,
        within: Duration,
        at: Site,
    }
    impl<F> PinnedDrop for Shield<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(open) = this.open {
                open.node().cancel_dropped();
                // A panic in a destructor goes on as it would without the shield.
                let gone = inside(&mut open.ctx, || this.work.set(None));
                if let Err(payload) = gone && !std::thread::panicking() {
                    resume_unwind(payload);
                }
            }
        }
    }
}

/// From the first poll on.
struct Open {
    ctx: Ctx,
    until: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    /// Keeps the section around.
    _hold: Option<Hold>,
}

impl Open {
    fn new(within: Duration, at: Site) -> Open {
        let (parent, opener) =
            current().unwrap_or_else(|| (root::process_node(), Default::default()));
        let until = after(Instant::now(), within);
        let opts = NodeOpts {
            name: "shield",
            at,
            deadline: Some(until),
            grace: None,
            limit: MAX_CHILDREN,
        };
        let part = match opener.is_child {
            true => Part::Task,
            false => Part::Body,
        };
        let node = Node::new(Some(parent), opener, Role::Shield, opts);
        Open {
            ctx: Ctx::new(node, None, part),
            until,
            timer: None,
            _hold: hold(),
        }
    }

    fn node(&self) -> &Arc<Node> {
        self.ctx
            .node
            .as_ref()
            .expect("the context is back between polls")
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.node().unmask();
    }
}

impl<F: Future> Future for Shield<F> {
    type Output = Result<F::Output, Overdue>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let open = this
            .open
            .get_or_insert_with(|| Open::new(*this.within, this.at));
        let work = this
            .work
            .as_mut()
            .as_pin_mut()
            .expect("polled after it was done");
        let output = match inside(&mut open.ctx, || work.poll(cx)) {
            Ok(Poll::Ready(output)) => Ok(output),
            Ok(Poll::Pending) => {
                if !passed(&mut open.timer, open.until, cx) {
                    return Poll::Pending;
                }
                open.node().cancel_by_deadline();
                Err(Overdue {
                    within: *this.within,
                })
            }
            Err(payload) => resume_unwind(payload),
        };
        let gone = inside(&mut open.ctx, || this.work.set(None));
        *this.open = None;
        match gone {
            Ok(()) => Poll::Ready(output),
            Err(payload) => resume_unwind(payload),
        }
    }
}

impl<F> fmt::Debug for Shield<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shield")
            .field("within", &self.within)
            .field("is_open", &self.open.is_some())
            .finish_non_exhaustive()
    }
}

/// A shielded section did not end in its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// The time that it had.
    pub within: Duration,
}

impl fmt::Display for Overdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the shielded section was not done within {:?}",
            self.within
        )
    }
}

impl Error for Overdue {}
