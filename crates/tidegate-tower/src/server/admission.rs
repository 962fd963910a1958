//! How many requests are in the house, and how many wait at the door.

use std::{
    future::poll_fn,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use tidegate::{
    Overdue,
    policy::{Attempt, CallError, Class, Permit, Policy, Snapshot, StopReason},
    shield,
};
use tokio::time::Instant;
use tower::{Layer, Service};

use super::{
    door::{self, Never, Passage},
    drain::Drain,
    refusal::Manner,
};
use crate::{
    held::{Hold, UntilBodyEnds, UntilResponse},
    response_future::ResponseFuture,
};

/// The longest `Retry-After`: what a queue says about later than that is not to be believed.
const MOST: Duration = Duration::from_secs(60);

/// Lets requests in as a [`Policy`] allows, and refuses the others at once.
///
/// Of the policy count `in_flight`, `queue` and `rate`: how many are inside, how many wait at the door, how many come in
/// per second. Nothing is ever repeated, and whatever a handler answers is taken for good. The policy's attempt timeout,
/// 30 s unless it says otherwise, is the longest that a handler may take.
///
/// | request | answer | to gRPC |
/// |---|---|---|
/// | no room inside or at the door | 503, `Retry-After` | `UNAVAILABLE` |
/// | its time is over, at the door or inside | 504 | `DEADLINE_EXCEEDED` |
/// | the doors are closed | 503, `Retry-After: 0`, `Connection: close` | `UNAVAILABLE` |
///
/// `Retry-After` is about how long the queue takes as it is now, and by chance up to half of that and a second longer, so
/// that those who were refused together do not come back together; in seconds, at least 1 and at most 60.
///
/// # Shutdown
///
/// The doors close when the surrounding scope is told to stop, or by a [`Drain`]. Requests inside are then out of reach
/// of the news until the scope's grace is over, as in a [`shield`]: they, and what they have started, finish.
/// Those at the door are refused.
///
/// # Deadlines
///
/// Inside [`DeadlineLayer`](crate::DeadlineLayer) the time at the door counts. Put this layer inside that one.
#[derive(Clone, Debug)]
pub struct AdmissionLayer<H = UntilResponse> {
    policy: Policy,
    drain: Drain,
    hold: H,
}

impl AdmissionLayer {
    /// Lets in as `policy` allows.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            drain: Drain::new(),
            hold: UntilResponse,
        }
    }
}

impl<H> AdmissionLayer<H> {
    /// Closes the doors with `drain`. Default: only the surrounding scope closes them.
    #[must_use]
    pub fn drain(self, drain: Drain) -> Self {
        Self { drain, ..self }
    }

    /// Counts a request as inside until the body of its response has ended or was dropped. Default: until the response is
    /// there.
    #[must_use]
    pub fn hold_until_body_ends(self) -> AdmissionLayer<UntilBodyEnds> {
        AdmissionLayer {
            policy: self.policy,
            drain: self.drain,
            hold: UntilBodyEnds,
        }
    }
}

impl<S, H: Clone> Layer<S> for AdmissionLayer<H> {
    type Service = Admission<S, H>;

    fn layer(&self, inner: S) -> Self::Service {
        Admission {
            inner,
            rules: self.clone(),
        }
    }
}

/// A handler with a door. Made by [`AdmissionLayer`].
///
/// It is always ready; the handler is made ready inside.
///
/// # Cancel safety
///
/// Of the future of `call`: dropping it drops the handler and makes room for another request.
///
/// # Panics
///
/// The future does when the handler panics, and outside a tokio runtime with time enabled.
#[derive(Clone, Debug)]
pub struct Admission<S, H = UntilResponse> {
    inner: S,
    rules: AdmissionLayer<H>,
}

impl<S, H, B, R, T> Service<Request<B>> for Admission<S, H>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: Send + 'static,
    H: Hold<Response<R>, Response = Response<T>> + Clone + Send + Sync + 'static,
    T: Default + Send + 'static,
{
    type Response = Response<T>;
    type Error = S::Error;
    type Future = ResponseFuture<Response<T>, S::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let manner = Manner::of(&request);
        let service = self.inner.clone();
        let AdmissionLayer {
            policy,
            drain,
            hold,
        } = self.rules.clone();
        ResponseFuture::new(async move {
            if drain.is_closed() {
                return Ok(manner.leaving());
            }
            let passage = door::pass(&policy, &drain, |attempt| {
                inside(service, request, &hold, attempt)
            });
            let mut response = match passage.await {
                Passage::Through(Ok(Ok((response, permit)))) => hold.wrap(response, permit),
                Passage::Through(Ok(Err(error))) => return Err(error),
                Passage::Through(Err(_overdue)) => manner.late(),
                Passage::Stopped(stopped) => refusal(manner, &stopped, &policy),
                Passage::Closed => return Ok(manner.leaving()),
            };
            if drain.is_closed() {
                manner.close(&mut response);
            }
            Ok(response)
        })
    }
}

/// What the handler makes of a request, out of reach of a shutdown.
async fn inside<S, B, R, H>(
    mut service: S,
    request: Request<B>,
    hold: &H,
    attempt: Attempt,
) -> Result<Result<(Response<R>, Option<Permit>), S::Error>, Overdue>
where
    S: Service<Request<B>, Response = Response<R>>,
    H: Hold<Response<R>>,
{
    let within = attempt.ends.saturating_duration_since(Instant::now());
    let work = shield(within, async {
        poll_fn(|cx| service.poll_ready(cx)).await?;
        service.call(request).await
    });
    let answer = work.await?;
    Ok(answer.map(|response| {
        let permit = hold.permit(&response, &attempt);
        (response, permit)
    }))
}

fn refusal<B: Default>(manner: Manner, stopped: &CallError<Never>, policy: &Policy) -> Response<B> {
    let was_inside = stopped
        .attempts
        .last()
        .is_some_and(|attempt| attempt.class == Class::Timeout);
    let is_late = tidegate::remaining() == Some(Duration::ZERO);
    if was_inside || is_late {
        return manner.late();
    }
    let queue = match stopped.why {
        StopReason::BreakerOpen { retry_at } | StopReason::ServerSaidNo { retry_at } => {
            retry_at.saturating_duration_since(Instant::now())
        }
        _ => queue_time(&policy.snapshot()),
    };
    let longest = queue / 2 + Duration::from_secs(1);
    manner.busy((queue + longest.mul_f64(fastrand::f64())).min(MOST))
}

/// How long those who wait now will need to be let in, by the median of what handlers took and by the rate.
fn queue_time(now: &Snapshot) -> Duration {
    let waiting = now.waiting as f64 + 1.0;
    let by_room = waiting * now.latency.p50_ms / 1_000.0 / now.in_flight_limit as f64;
    let by_rate = now.rate.map_or(0.0, |rate| waiting / rate);
    let seconds = by_room.max(by_rate).min(MOST.as_secs_f64());
    Duration::from_secs_f64(seconds)
}
