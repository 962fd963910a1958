//! HTTP, as a policy sees it.

use http::{Request, Response};
use tidegate::policy::{Attempt, Class, Op, Quota, Sent, StopReason, Verdict};
use tidegate_http::DeadlineHeader;
use tokio::time::Instant;

use super::Judge;

/// Judges HTTP by status, method and headers.
///
/// * A request is idempotent if its method is by RFC 9110, 9.2.2. An [`Op`] in the request's extensions is used instead.
/// * A response is judged by the table of [`tidegate_http::verdict`], `Retry-After` included.
/// * `RateLimit` fields are the quota.
/// * A bad response that goes to the caller has the [`StopReason`] in its extensions.
///
/// # Examples
///
/// ```
/// use http::{Request, Response, StatusCode};
/// use std::convert::Infallible;
/// use tidegate::policy::{Class, Op};
/// use tidegate_tower::{HttpJudge, Judge};
///
/// type Answer<'a> = Result<&'a Response<()>, &'a Infallible>;
/// let judge = &HttpJudge::new() as &dyn Judge<Request<()>, Response<()>, Infallible>;
/// assert_eq!(judge.op(&Request::get("/").body(()).unwrap()), Op::idempotent());
/// assert_eq!(judge.op(&Request::post("/").body(()).unwrap()), Op::unsafe_to_repeat());
///
/// let busy = Response::builder().status(StatusCode::SERVICE_UNAVAILABLE).body(()).unwrap();
/// assert_eq!(judge.verdict(Answer::Ok(&busy)).class, Class::Overload);
/// ```
#[derive(Clone, Debug, Default)]
pub struct HttpJudge<F = Unsure> {
    errors: F,
    deadline: Option<DeadlineHeader>,
}

impl HttpJudge {
    /// The judge of clients of whose errors nothing is known: see [`Unsure`].
    #[must_use]
    pub const fn new() -> Self {
        Self {
            errors: Unsure,
            deadline: None,
        }
    }
}

impl<F> HttpJudge<F> {
    /// Judges errors with `errors`: of the errors of a client only the client's author knows what had been sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use tidegate::policy::{Sent, Verdict};
    /// use tidegate_tower::HttpJudge;
    ///
    /// let judge = HttpJudge::new().errors(|error: &reqwest::Error| {
    ///     if error.is_connect() {
    ///         Verdict::never_sent()
    ///     } else {
    ///         Verdict::transient().sent(Sent::Maybe)
    ///     }
    /// });
    /// # drop(judge);
    /// ```
    #[must_use]
    pub fn errors<E, G: Fn(&E) -> Verdict>(self, errors: G) -> HttpJudge<G> {
        HttpJudge {
            errors,
            deadline: self.deadline,
        }
    }

    /// Says in this header how much time each attempt has: until its timeout, or until the call's deadline if that is
    /// nearer. Default: it is not said.
    #[must_use]
    pub fn deadline_header(self, header: DeadlineHeader) -> Self {
        Self {
            deadline: Some(header),
            ..self
        }
    }
}

impl<B, R, E, F: ErrorVerdict<E>> Judge<Request<B>, Response<R>, E> for HttpJudge<F> {
    fn op(&self, request: &Request<B>) -> Op {
        if let Some(op) = request.extensions().get::<Op>() {
            *op
        } else if request.method().is_idempotent() {
            Op::idempotent()
        } else {
            Op::unsafe_to_repeat()
        }
    }

    fn verdict(&self, outcome: Result<&Response<R>, &E>) -> Verdict {
        match outcome {
            Ok(response) => {
                tidegate_http::verdict(response.status(), response.headers(), Instant::now())
            }
            Err(error) => self.errors.verdict(error),
        }
    }

    fn prepare(&self, request: &mut Request<B>, attempt: &Attempt) {
        if let Some(header) = &self.deadline {
            let left = attempt.ends.saturating_duration_since(Instant::now());
            header.write(request.headers_mut(), left);
        }
    }

    fn quota(&self, response: &Response<R>) -> Option<Quota> {
        let (remaining, reset_at) = tidegate_http::quota(response.headers(), Instant::now())?;
        Some(Quota {
            remaining,
            reset_at,
        })
    }

    fn stopped(&self, response: &mut Response<R>, why: StopReason) {
        response.extensions_mut().insert(why);
    }
}

/// What an error of an HTTP client means. Implemented by closures `Fn(&E) -> Verdict`.
pub trait ErrorVerdict<E> {
    /// The verdict on an attempt that ended with this error.
    fn verdict(&self, error: &E) -> Verdict;
}

impl<E, F: Fn(&E) -> Verdict> ErrorVerdict<E> for F {
    fn verdict(&self, error: &E) -> Verdict {
        self(error)
    }
}

/// Any error may pass, and the request may have arrived: only idempotent ones are repeated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unsure;

impl<E> ErrorVerdict<E> for Unsure {
    fn verdict(&self, _: &E) -> Verdict {
        Verdict::new(Class::Transient, Sent::Maybe)
    }
}
