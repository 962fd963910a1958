//! A policy as a layer.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tidegate::policy::{CallError, Policy};
use tower::{Layer, Service};

use super::{Cloned, HttpJudge, Judge, Replay, call::Call};
use crate::{
    held::{Hold, UntilBodyEnds, UntilResponse},
    response_future::ResponseFuture,
};

/// Puts a [`Policy`] in front of a service.
///
/// | type | says | default |
/// |---|---|---|
/// | `J` | what requests and outcomes mean | [`HttpJudge`] |
/// | `R` | what a further attempt sends | [`Cloned`] |
/// | `H` | until when a request is in flight | [`UntilResponse`] |
///
/// Services made by one layer, or by layers with clones of one policy, share its limits.
#[derive(Clone, Debug)]
pub struct PolicyLayer<J = HttpJudge, R = Cloned, H = UntilResponse> {
    policy: Policy,
    rules: Rules<J, R>,
    hold: H,
}

/// What the services of a layer share.
#[derive(Debug)]
pub(super) struct Rules<J, R> {
    pub(super) judge: Arc<J>,
    pub(super) replay: Arc<R>,
}

impl<J, R> Clone for Rules<J, R> {
    fn clone(&self) -> Self {
        Self {
            judge: Arc::clone(&self.judge),
            replay: Arc::clone(&self.replay),
        }
    }
}

impl PolicyLayer {
    /// A layer for an HTTP client whose errors say nothing of what was sent: see [`Unsure`](crate::Unsure).
    pub fn http(policy: Policy) -> Self {
        Self::new(policy, HttpJudge::new())
    }
}

impl<J> PolicyLayer<J> {
    /// A layer that asks `judge` what requests and outcomes mean, and clones what it sends again.
    pub fn new(policy: Policy, judge: J) -> Self {
        Self {
            policy,
            rules: Rules {
                judge: Arc::new(judge),
                replay: Arc::new(Cloned),
            },
            hold: UntilResponse,
        }
    }
}

impl<J, R, H> PolicyLayer<J, R, H> {
    /// Makes the request of a further attempt with `replay`. Default: [`Cloned`].
    #[must_use]
    pub fn replay<Q>(self, replay: Q) -> PolicyLayer<J, Q, H> {
        PolicyLayer {
            policy: self.policy,
            rules: Rules {
                judge: self.rules.judge,
                replay: Arc::new(replay),
            },
            hold: self.hold,
        }
    }

    /// Keeps the permit of a request until the body of its response has ended or was dropped. Default: until the response
    /// is there.
    ///
    /// The attempt's timeout ends with the response in either case: a body takes as long as it takes. To bound it, put
    /// `tower_http`'s layers for the timeouts of bodies around.
    #[must_use]
    pub fn hold_until_body_ends(self) -> PolicyLayer<J, R, UntilBodyEnds> {
        PolicyLayer {
            policy: self.policy,
            rules: self.rules,
            hold: UntilBodyEnds,
        }
    }
}

impl<S, J, R, H: Clone> Layer<S> for PolicyLayer<J, R, H> {
    type Service = PolicyService<S, J, R, H>;

    fn layer(&self, inner: S) -> Self::Service {
        PolicyService {
            inner,
            policy: self.policy.clone(),
            rules: self.rules.clone(),
            hold: self.hold.clone(),
        }
    }
}

/// A service behind a [`Policy`]. Made by [`PolicyLayer`].
///
/// It is always ready: the queue is the policy's, and a place in it is taken when the request is there. Each attempt has
/// a clone of the inner service, which it makes ready behind the gate, as a part of the attempt: nothing that readiness
/// may reserve is held by a request that waits, and a service that does not become ready is timed out like one that
/// does not answer; nothing was sent then, so the request may be repeated whatever it is.
///
/// | how the call ended | result |
/// |---|---|
/// | an attempt was judged as [`Ok`](tidegate::policy::Class::Ok) | its response |
/// | else, there was a response | the last one, judged bad as it is |
/// | else | [`CallError`], with the last error of the inner service |
///
/// A bad response is kept unread until there is another one, and with it, as a rule, its connection.
///
/// # Cancel safety
///
/// Of the future of `call`: see [`ResponseFuture`].
///
/// # Panics
///
/// The future does when the inner service panics, and outside a tokio runtime with time enabled.
#[derive(Clone, Debug)]
pub struct PolicyService<S, J = HttpJudge, R = Cloned, H = UntilResponse> {
    inner: S,
    policy: Policy,
    rules: Rules<J, R>,
    hold: H,
}

impl<S, Req, J, R, H> Service<Req> for PolicyService<S, J, R, H>
where
    Req: Send + 'static,
    S: Service<Req> + Clone + Send + 'static,
    S::Response: Send + 'static,
    S::Error: Send + 'static,
    S::Future: Send,
    J: Judge<Req, S::Response, S::Error> + Send + Sync + 'static,
    R: Replay<Req> + Send + Sync + 'static,
    H: Hold<S::Response> + Clone + Send + Sync + 'static,
{
    type Response = H::Response;
    type Error = CallError<S::Error>;
    type Future = ResponseFuture<H::Response, CallError<S::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let call = Call {
            policy: self.policy.clone(),
            service: self.inner.clone(),
            rules: self.rules.clone(),
            hold: self.hold.clone(),
        };
        ResponseFuture::new(call.run(request))
    }
}
