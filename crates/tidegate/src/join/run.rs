//! The join itself: starts arms as there is room, waits for the condition, then for the arms.

use super::{Joined, Losers, Until, arms::Ended};
use crate::{
    cancel::{Fault, Node, Reason, Room, Site, after},
    scope::{Drive, Isolated, Opts, Origin, Owner, Scope, ScopeError, node_below, passed},
};
use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    iter::Enumerate,
    panic::Location,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
    vec,
};
use tokio::time::{Instant, Sleep};

/// Runs `arms` in parallel until a condition holds, then stops the others and waits for them.
///
/// [The module](super) says what holds for every form. Arms are of one type: box those that are not
/// (`Pin<Box<dyn Future<Output = _> + Send>>`). All are taken from the iterator by this call.
///
/// # Examples
///
/// ```
/// use std::{convert::Infallible, time::Duration};
/// use tidegate::{Reason, join::{Joined, Losers, Until, join}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let arms = [3_u64, 1, 2].map(|n| async move {
///     tokio::time::sleep(Duration::from_millis(20 * n)).await;
///     Ok::<_, Infallible>(n)
/// });
/// let Joined { finished, unfinished } = join(Until::Quorum(2), Losers::Drop, arms).await;
/// let values: Vec<_> = finished.into_iter().filter_map(|(_, result)| result.ok()).collect();
/// assert_eq!(values, [1, 2]);
/// assert_eq!(unfinished, [(0, Reason::LostJoin)]);
/// # }
/// ```
///
/// # Cancel safety
///
/// Dropping it loses the values and tells the arms to stop ([`Reason::OwnerDropped`]); those with a grace have it, and
/// the caller's scope waits for them. Failures, of before and after, are reported by the root as unclaimed.
///
/// When instead the caller's scope is told to stop, so are the arms, with that reason. A caller without a grace is then
/// dropped, and this with it; one with a grace is given what has finished, and that reason for the others.
///
/// # Panics
///
/// Outside a tokio runtime. Panics of arms are caught and returned.
#[track_caller]
pub fn join<T, E, F>(
    until: Until,
    losers: Losers,
    arms: impl IntoIterator<Item = F>,
) -> impl Future<Output = Joined<T, E>> + Send
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Fault,
{
    Plan::new("join", until, losers, Location::caller()).run(arms)
}

pub(super) struct Plan {
    form: &'static str,
    until: Until,
    losers: Losers,
    at: Site,
    /// How long after one arm the next one starts.
    stagger: Option<Duration>,
}

impl Plan {
    pub(super) fn new(form: &'static str, until: Until, losers: Losers, at: Site) -> Self {
        Plan {
            form,
            until,
            losers,
            at,
            stagger: None,
        }
    }

    pub(super) fn stagger(mut self, delay: Duration) -> Self {
        self.stagger = Some(delay);
        self
    }

    pub(super) fn run<T, E, F>(
        self,
        arms: impl IntoIterator<Item = F>,
    ) -> impl Future<Output = Joined<T, E>> + Send
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Fault,
    {
        let arms: Vec<F> = arms.into_iter().collect();
        async move {
            let opts = self.opts();
            let node = node_below(None, &opts, self.at);
            let ended = Ended::new(node.clone(), arms.len());
            let body = self.decide(&ended, &node, arms);
            let drive = Drive::new(body, Owner::new(node.clone(), opts));
            // Being stopped is told arm by arm; a panic can only be that of a spawn outside a runtime.
            drop(drive.await.map_err(ScopeError::or_resume_panic));
            ended.finish()
        }
    }

    fn opts(&self) -> Opts {
        let mut opts = Opts::named(self.form);
        if let Some(at) = self.until.deadline() {
            opts = opts.deadline(at);
        }
        match self.losers.grace() {
            Some(grace) => opts.grace(grace),
            None => opts,
        }
    }

    /// The body of the join's scope. Whether it comes to its end or is dropped: no arm is started any more.
    async fn decide<T, E, F>(
        &self,
        ended: &Ended<T, E>,
        node: &Arc<Node>,
        arms: Vec<F>,
    ) -> Result<(), Infallible>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Fault,
    {
        let mut waiting = Waiting {
            plan: self,
            ended,
            node,
            arms: arms.into_iter().enumerate(),
            last: None,
            timer: None,
        };
        let mut room = Room::new(node);
        poll_fn(|cx| {
            loop {
                if node.is_cancelled() || ended.is_decided(self.until, cx.waker()) {
                    return Poll::Ready(());
                }
                if !waiting.is_due(cx) {
                    return Poll::Pending;
                }
                match room.poll(cx) {
                    Poll::Ready(Ok(())) => waiting.start_next(),
                    // Told to stop.
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await;
        // One that was told from above keeps that reason, also while it has no children that would have linked it.
        if !ended.are_all() && !node.is_cancelled() {
            node.cancel(Reason::LostJoin, None);
        }
        Ok(())
    }
}

/// Arms that have not been started.
struct Waiting<'a, F, T, E: Fault> {
    plan: &'a Plan,
    ended: &'a Ended<T, E>,
    node: &'a Arc<Node>,
    arms: Enumerate<vec::IntoIter<F>>,
    /// The arm that was started last, and when.
    last: Option<(usize, Instant)>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<F, T, E: Fault> Waiting<'_, F, T, E> {
    fn is_due(&mut self, cx: &mut Context<'_>) -> bool {
        if self.arms.len() == 0 {
            return false;
        }
        match (self.plan.stagger, self.last) {
            (Some(delay), Some((index, at))) => {
                self.ended.has_failed(index) || passed(&mut self.timer, after(at, delay), cx)
            }
            _ => true,
        }
    }

    fn isolate(&self, index: usize, arm: F) -> Isolated<F, super::arms::Arm<T, E>> {
        let origin = Origin {
            node: self.node.clone(),
            name: "arm",
            at: self.plan.at,
        };
        Isolated::new(arm, origin, self.ended.outlet(index))
    }
}

impl<F, T, E> Waiting<'_, F, T, E>
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Fault,
{
    /// The caller has taken a place.
    fn start_next(&mut self) {
        let (index, arm) = self.arms.next().expect("an arm is due");
        self.last = Some((index, Instant::now()));
        let work = self.isolate(index, arm);
        let scope = Scope::of(self.node.clone());
        // Its outcome comes through the outlet.
        drop(scope.start("arm", self.plan.at, self.plan.losers.grace(), work));
    }
}

impl<F, T, E: Fault> Drop for Waiting<'_, F, T, E> {
    fn drop(&mut self) {
        while let Some((index, arm)) = self.arms.next() {
            // So that a panic in its destructor is the arm's.
            drop(self.isolate(index, arm));
        }
    }
}
