//! What a call is given to ask the service with, and how an answer finds its way back.

use super::station::{Answer, Id, Station};
use std::{
    error::Error,
    fmt,
    future::{Future, pending},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tidegate::policy::{Classify, Verdict};
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, timeout_at},
};

/// One call's way to the simulated service. Clones are the same client.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) link: Arc<Link>,
    /// The number of the call.
    pub(super) call: usize,
}

impl Client {
    /// Sends one request and waits for its answer, without an end if there is none: the timeout is the caller's.
    ///
    /// # Cancel safety
    ///
    /// Dropping it gives the request up. The service does not hear that and works on for nobody, unless it was made with
    /// [`Service::stop_given_up`](super::Service::stop_given_up).
    ///
    /// # Errors
    ///
    /// What the service says.
    pub fn request(&self) -> impl Future<Output = Result<(), ServiceError>> + Send + use<> {
        self.ask(None)
    }

    /// As [`request`](Self::request), and tells the service until when anybody waits, for one that drops what is overdue
    /// ([`Service::drop_expired`](super::Service::drop_expired)).
    ///
    /// # Cancel safety
    ///
    /// As [`request`](Self::request).
    ///
    /// # Errors
    ///
    /// What the service says.
    pub fn request_by(
        &self,
        expires: Instant,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send + use<> {
        self.ask(Some(expires))
    }

    fn ask(&self, expires: Option<Instant>) -> impl Future<Output = Answer> + Send + use<> {
        let (link, call) = (Arc::clone(&self.link), self.call);
        async move { link.ask(call, expires).await }
    }
}

/// Why the simulated service did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceError {
    /// The connection was refused.
    Unreachable,
    /// The queue is full: a 503.
    Overloaded,
    /// It was worked on and failed: a 500.
    Failed,
    /// Too many requests: a 429.
    Throttled {
        /// When to ask again, if it says so.
        retry_at: Option<Instant>,
    },
}

impl Classify for ServiceError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Unreachable => Verdict::never_sent(),
            Self::Overloaded => Verdict::overload(),
            Self::Failed => Verdict::transient(),
            Self::Throttled { retry_at: None } => Verdict::throttled(),
            Self::Throttled { retry_at: Some(at) } => Verdict::throttled().retry_at(*at),
        }
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "connection refused",
            Self::Overloaded => "the service is overloaded",
            Self::Failed => "the service failed",
            Self::Throttled { .. } => "too many requests",
        })
    }
}

impl Error for ServiceError {}

/// The station, shared by its clients and the task that wakes them.
#[derive(Debug)]
pub(super) struct Link {
    state: Mutex<State>,
    /// The station has something to do earlier than [`State::armed`].
    sooner: Notify,
}

#[derive(Debug)]
struct State {
    station: Station<oneshot::Sender<Answer>>,
    /// When [`Link::serve`] looks next, if it knows of anything.
    armed: Option<Instant>,
    sent: Vec<Sent>,
}

impl Link {
    pub(super) fn new(station: Station<oneshot::Sender<Answer>>) -> Self {
        Self {
            state: Mutex::new(State {
                station,
                armed: None,
                sent: Vec::new(),
            }),
            sooner: Notify::new(),
        }
    }

    async fn ask(&self, call: usize, expires: Option<Instant>) -> Answer {
        let (reply, answer) = oneshot::channel();
        let id = self.with(|state, now| {
            state.sent.push(Sent { at: now, call });
            state.station.arrive(now, expires, reply)
        });
        // Dropped when the answer is there as well: then there is nothing to give up.
        let _asked = Asked { link: self, id };
        match answer.await {
            Ok(answer) => answer,
            // It was dropped at its turn, and nobody says so.
            Err(_dropped) => pending().await,
        }
    }

    /// Delivers what is due, for ever.
    pub(super) async fn serve(&self) {
        loop {
            let next = self.with(|state, _| {
                state.armed = state.station.next_event();
                state.armed
            });
            let sooner = self.sooner.notified();
            match next {
                // Whichever it is, the next look finds out.
                Some(at) => drop(timeout_at(at, sooner).await),
                None => sooner.await,
            }
        }
    }

    /// Every request, and the work done and wasted.
    pub(super) fn take_figures(&self) -> Figures {
        self.with(|state, _| Figures {
            sent: std::mem::take(&mut state.sent),
            worked: state.station.worked,
            wasted: state.station.wasted,
        })
    }

    fn with<T>(&self, decide: impl FnOnce(&mut State, Instant) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let answers = state.station.advance(now);
        let result = decide(&mut state, now);
        let next = state.station.next_event();
        let sooner = next.is_some_and(|next| state.armed.is_none_or(|armed| next < armed));
        drop(state);
        // Both wake foreign code, which may come back to this lock.
        for (reply, answer) in answers {
            // A client that has given up meanwhile does not miss it.
            let _heard = reply.send(answer);
        }
        if sooner {
            self.sooner.notify_one();
        }
        result
    }
}

#[derive(Debug)]
pub(super) struct Figures {
    /// In order.
    pub(super) sent: Vec<Sent>,
    pub(super) worked: Duration,
    pub(super) wasted: Duration,
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) at: Instant,
    /// The number of its call.
    pub(super) call: usize,
}

/// A request that somebody waits for.
struct Asked<'a> {
    link: &'a Link,
    id: Id,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.link
            .with(|state, now| state.station.give_up(self.id, now));
    }
}
