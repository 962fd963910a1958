//! A program whose `main` is a scope.

use super::{Ended, Shutdown, Survivor, listener::Listener, process::root_node, report::survivors};
use crate::{
    cancel::{Fault, Look, Node, Opener, Reason, Role, after},
    scope::{Drive, Opts, Owner, Scope, passed},
};
use std::{
    future::{Future, poll_fn},
    panic::Location,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{runtime::Builder, time::Instant};

/// How long after its end a grace is still waited out: what was just dropped needs a moment to be gone.
pub(super) const LAST_WAIT: Duration = Duration::from_millis(100);

/// Runs `main` as the body of the main scope, in a new current-thread runtime, and returns when nothing runs any more.
///
/// The first signal tells the tree to stop, with [`Reason::Shutdown`] and the grace of `on`; `main` itself is asked
/// (see [`cancelled`](crate::cancelled())). When the main scope is done, scopes that were left behind are told to stop
/// as well and get the same grace. What cannot be ended, a thread for one, is waited for until 100 ms after the grace
/// and then listed in [`Ended::survivors`]; it runs on until the process exits.
///
/// # Panics
///
/// When the system refuses the runtime or the signal handlers, and when called inside a runtime.
#[track_caller]
pub fn run<T, E, B>(on: Shutdown, name: &'static str, main: B) -> Ended<T, E>
where
    B: AsyncFnOnce(&Scope<E>) -> Result<T, E>,
    E: Fault,
{
    let grace = on.grace;
    let opts = Opts::named(name).grace(grace);
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system gives what a runtime needs");
    let root = root_node(&on);
    let node = Node::new(
        Some(root.clone()),
        Opener::default(),
        Role::Scope,
        opts.node(Location::caller()),
    );
    let listener =
        Listener::start(root.clone(), on).expect("the system gives signal handlers and a thread");
    let handle = Scope::of(node.clone());
    let (result, survivors) = runtime.block_on(async {
        let mut drive = pin!(Drive::new(main(&handle), Owner::new(node.clone(), opts)));
        let (result, left) = match in_time(&node, |cx| drive.as_mut().poll(cx)).await {
            Some(result) => (result, grace),
            None => (drive.as_mut().give_up(), Duration::ZERO),
        };
        (
            result,
            end(&root, Reason::Ended, left, listener.look()).await,
        )
    });
    let signal = listener.first();
    drop(listener);
    // What has not ended by now must not hold the process back.
    runtime.shutdown_background();
    let (unclaimed, unclaimed_lost) = root.take_unclaimed();
    Ended {
        result,
        signal,
        unclaimed,
        unclaimed_lost,
        survivors,
    }
}

/// Tells what still runs below `root` to stop and waits for it; then lists what has not ended in time.
/// `since`: what was being polled when it was told before, if it was.
pub(super) async fn end(
    root: &Arc<Node>,
    why: Reason,
    grace: Duration,
    since: Option<&Look>,
) -> Vec<Survivor> {
    let since = since.cloned().unwrap_or_else(Look::now);
    if !root.is_idle() {
        root.cancel(why, Some(after(Instant::now(), grace)));
    }
    let idle = |cx: &mut Context<'_>| match root.is_idle() || root.park_owner(cx.waker(), true) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    };
    match in_time(root, idle).await {
        Some(()) => Vec::new(),
        None => survivors(root, &since),
    }
}

/// `poll`'s result, or `None` a little after the hard instant of `node`. `poll` has to make the node wake the caller
/// when it is told.
async fn in_time<R>(
    node: &Arc<Node>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
) -> Option<R> {
    let mut timer = None;
    poll_fn(|cx| {
        if let Poll::Ready(result) = poll(cx) {
            return Poll::Ready(Some(result));
        }
        match node.hard() {
            Some(hard) if passed(&mut timer, hard + LAST_WAIT, cx) => Poll::Ready(None),
            _ => Poll::Pending,
        }
    })
    .await
}
