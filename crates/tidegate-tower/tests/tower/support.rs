//! A service that sees to it that its caller keeps tower's contract.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tidegate::policy::{Policy, PolicyBuilder, Retry, Sent, Verdict};
use tidegate_tower::HttpJudge;
use tower::Service;

pub(crate) type Body = Full<Bytes>;
pub(crate) type Answer = Result<Response<Body>, Broken>;
type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// The service's own error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) Sent);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for Broken {}

/// How a service becomes ready.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ready {
    AtOnce,
    Never,
    Fails,
    /// For one caller at a time, from its `poll_ready` until its call has ended or its clone is dropped.
    OneAtATime,
}

/// Answers with a closure. Clones share all but their readiness. A call of one that is not ready panics.
pub(crate) struct Strict {
    shared: Arc<Shared>,
    reserved: Option<Reserved>,
}

struct Shared {
    ready: Ready,
    answer: Box<dyn Fn(u32, Request<Body>) -> Answering + Send + Sync>,
    polled: AtomicU32,
    calls: AtomicU32,
    reserved: AtomicU32,
}

/// What readiness takes.
struct Reserved(Arc<Shared>);

impl Drop for Reserved {
    fn drop(&mut self) {
        self.0.reserved.fetch_sub(1, SeqCst);
    }
}

impl Strict {
    /// `answer` is given the number of the call, from 1, and the request.
    pub(crate) fn new<F, A>(ready: Ready, answer: F) -> Self
    where
        F: Fn(u32, Request<Body>) -> A + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        Self {
            shared: Arc::new(Shared {
                ready,
                answer: Box::new(move |number, request| Box::pin(answer(number, request))),
                polled: AtomicU32::new(0),
                calls: AtomicU32::new(0),
                reserved: AtomicU32::new(0),
            }),
            reserved: None,
        }
    }

    /// Answers with these statuses, one after the other, and with the last one for ever.
    pub(crate) fn saying(statuses: &'static [u16]) -> Self {
        Self::new(Ready::AtOnce, move |number, _| async move {
            let at = (number as usize).min(statuses.len()) - 1;
            Ok(answer(statuses[at]))
        })
    }

    /// Answers 200 after this time.
    pub(crate) fn taking(time: Duration) -> Self {
        Self::new(Ready::AtOnce, move |_, _| async move {
            tokio::time::sleep(time).await;
            Ok(answer(200))
        })
    }

    pub(crate) fn calls(&self) -> u32 {
        self.shared.calls.load(SeqCst)
    }

    /// How often it was asked whether it is ready.
    pub(crate) fn polled(&self) -> u32 {
        self.shared.polled.load(SeqCst)
    }

    /// How many clones are ready or in a call.
    pub(crate) fn reserved(&self) -> u32 {
        self.shared.reserved.load(SeqCst)
    }
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            reserved: None,
        }
    }
}

impl Service<Request<Body>> for Strict {
    type Response = Response<Body>;
    type Error = Broken;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        self.shared.polled.fetch_add(1, SeqCst);
        if self.reserved.is_some() {
            return Poll::Ready(Ok(()));
        }
        match self.shared.ready {
            Ready::Never => return Poll::Pending,
            Ready::Fails => return Poll::Ready(Err(Broken(Sent::Maybe))),
            Ready::OneAtATime if self.reserved() > 0 => return Poll::Pending,
            Ready::AtOnce | Ready::OneAtATime => {}
        }
        self.shared.reserved.fetch_add(1, SeqCst);
        self.reserved = Some(Reserved(Arc::clone(&self.shared)));
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answering {
        let reserved = self.reserved.take().expect("called without being ready");
        let number = self.shared.calls.fetch_add(1, SeqCst) + 1;
        let answering = (self.shared.answer)(number, request);
        Box::pin(async move {
            let _reserved = reserved;
            answering.await
        })
    }
}

pub(crate) fn answer(status: u16) -> Response<Body> {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

pub(crate) fn get() -> Request<Body> {
    Request::get("http://api/").body(Body::default()).unwrap()
}

pub(crate) fn post() -> Request<Body> {
    Request::post("http://api/")
        .body(Body::from("order"))
        .unwrap()
}

/// A judge that believes what [`Broken`] says was sent.
pub(crate) fn judge() -> HttpJudge<impl Fn(&Broken) -> Verdict + Clone> {
    HttpJudge::new().errors(|broken: &Broken| Verdict::transient().sent(broken.0))
}

/// Three attempts, 10 s each, without a delay between them.
pub(crate) fn policy() -> PolicyBuilder {
    let retry = Retry {
        base: Duration::ZERO,
        throttled_base: Duration::ZERO,
        ..Retry::default()
    };
    Policy::named("api")
        .retry(retry)
        .attempt_timeout(Duration::from_secs(10))
}
