//! One call through a policy: what each of its attempts sends, and what is left of the bad ones.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tidegate::policy::{Attempt, CallError, Class, Classify, Op, Permit, Policy, Sent, Verdict};
use tokio::time::{Instant, timeout_at};
use tower::Service;

use super::{Judge, Replay, layer::Rules};
use crate::held::Hold;

pub(super) struct Call<S, J, R, H> {
    pub(super) policy: Policy,
    pub(super) service: S,
    pub(super) rules: Rules<J, R>,
    pub(super) hold: H,
}

impl<S, J, R, H> Call<S, J, R, H> {
    pub(super) async fn run<Req>(self, request: Req) -> Result<H::Response, CallError<S::Error>>
    where
        S: Service<Req> + Clone,
        J: Judge<Req, S::Response, S::Error>,
        R: Replay<Req>,
        H: Hold<S::Response> + Clone,
    {
        let Call {
            policy,
            service,
            rules,
            hold,
        } = self;
        let mut op = rules.judge.op(&request);
        let copy = rules.replay.again(&request);
        if copy.is_none() {
            op = op.send_once();
        }
        let state = Arc::new(State::new(request, copy));
        let sending = Sending {
            service,
            rules: rules.clone(),
            hold: hold.clone(),
            state: Arc::clone(&state),
        };
        let result = policy
            .call(op, move |attempt| sending.again().send(op, attempt))
            .await;
        let CallError { why, attempts, .. } = match result {
            Ok((response, permit)) => return Ok(hold.wrap(response, permit)),
            Err(error) => error,
        };
        let last = match state.lock().last.take() {
            Some(Ok((mut response, permit))) => {
                rules.judge.stopped(&mut response, why);
                return Ok(hold.wrap(response, permit));
            }
            Some(Err(error)) => Some(error),
            None => None,
        };
        Err(CallError {
            why,
            last,
            attempts,
            fallback: None,
        })
    }
}

/// A response, and the permit that its body keeps.
type Kept<Res> = (Res, Option<Permit>);

/// What the attempts of one call share. Hedged ones run side by side.
struct State<Req, Res, Err>(Mutex<Inner<Req, Res, Err>>);

struct Inner<Req, Res, Err> {
    /// The request; gone once it was sent itself, for want of copies.
    request: Option<Req>,
    /// A copy that nobody has sent yet.
    copy: Option<Req>,
    /// The last bad outcome. The policy has only the verdict, so that an attempt without an outcome leaves this alone.
    last: Option<Result<Kept<Res>, Err>>,
}

impl<Req, Res, Err> State<Req, Res, Err> {
    fn new(request: Req, copy: Option<Req>) -> Self {
        Self(Mutex::new(Inner {
            request: Some(request),
            copy,
            last: None,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner<Req, Res, Err>> {
        // Poison means that copying a request has panicked, and that panic ends the call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to send, and whether there is more where it came from.
    fn take(&self, replay: &impl Replay<Req>) -> Option<(Req, bool)> {
        let mut inner = self.lock();
        if let Some(copy) = inner.copy.take() {
            return Some((copy, true));
        }
        match replay.again(inner.request.as_ref()?) {
            Some(copy) => Some((copy, true)),
            None => Some((inner.request.take()?, false)),
        }
    }
}

/// What one attempt has.
struct Sending<S, J, R, H, Req, Res, Err> {
    service: S,
    rules: Rules<J, R>,
    hold: H,
    state: Arc<State<Req, Res, Err>>,
}

impl<S, J, R, H, Req> Sending<S, J, R, H, Req, S::Response, S::Error>
where
    S: Service<Req> + Clone,
    J: Judge<Req, S::Response, S::Error>,
    R: Replay<Req>,
    H: Hold<S::Response> + Clone,
{
    /// The same for a further attempt, with a service of its own.
    fn again(&self) -> Self {
        Self {
            service: self.service.clone(),
            rules: self.rules.clone(),
            hold: self.hold.clone(),
            state: Arc::clone(&self.state),
        }
    }

    /// Makes the service ready, then sends. The request is still there when the former fails.
    async fn send(mut self, op: Op, attempt: Attempt) -> Result<Kept<S::Response>, Bad> {
        self.ready(op, &attempt).await?;
        let Rules { judge, replay } = &self.rules;
        let Some((mut request, can_repeat)) = self.state.take(&**replay) else {
            return Err(Bad(Verdict::rejected()));
        };
        judge.prepare(&mut request, &attempt);
        let outcome = self.service.call(request).await;

        let mut verdict = judge.verdict(outcome.as_ref());
        if !can_repeat && verdict.sent == Sent::No {
            // Nothing has left, but what was to be sent is used up.
            verdict = verdict.sent(Sent::Maybe);
        }
        let outcome = outcome.map(|response| {
            if let Some(quota) = judge.quota(&response) {
                attempt.quota(quota);
            }
            // A response that may be followed by another attempt must not take that one's permit.
            let may_be_the_last = matches!(verdict.class, Class::Ok | Class::Fatal);
            let permit = may_be_the_last
                .then(|| self.hold.permit(&response, &attempt))
                .flatten();
            (response, permit)
        });
        match outcome {
            Ok(kept) if verdict.class == Class::Ok => Ok(kept),
            bad => {
                self.state.lock().last = Some(bad);
                Err(Bad(verdict))
            }
        }
    }

    /// Until the attempt's own end: then nothing has been sent, which the policy could not know of a timeout.
    async fn ready(&mut self, op: Op, attempt: &Attempt) -> Result<(), Bad> {
        let ready = poll_fn(|cx| self.service.poll_ready(cx));
        match timeout_at(attempt.ends, ready).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                let verdict = self.rules.judge.verdict(Err(&error)).sent(Sent::No);
                self.state.lock().last = Some(Err(error));
                Err(Bad(verdict))
            }
            Err(_elapsed) if ends_by_deadline(op, attempt.ends) => {
                // The caller's own hurry says nothing about the service: the policy drops this.
                std::future::pending().await
            }
            Err(_elapsed) => Err(Bad(Verdict::never_sent())),
        }
    }
}

fn ends_by_deadline(op: Op, ends: Instant) -> bool {
    let deadlines = [op.due(), tidegate::deadline()];
    deadlines.into_iter().flatten().any(|at| at <= ends)
}

/// A bad outcome, as the policy sees it.
struct Bad(Verdict);

impl Classify for Bad {
    fn verdict(&self) -> Verdict {
        self.0
    }
}
