//! Connections, tasks and the handle.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::answers::{Answer, Route, answer, json, refusal};
use super::builder::Builder;
use super::counters::{Counters, Decision, Down};
use super::stats::Stats;

/// A local HTTP API that misbehaves on purpose.
///
/// | route | answer |
/// |---|---|
/// | `GET /users/{id}` | `{"id":17,"name":"User 17","active":true}`; an id that is no number is a string, percent signs resolved |
/// | `GET /orders/{id}` | `[{"number":1,"total":12.5}]`, 1 to 4 of them, see [`orders`](super::orders) |
/// | `POST /echo` | the body back, and each header as `echo-…` |
/// | `GET /stats` | [`Stats`] as JSON; never misbehaves |
/// | all else | 404 |
///
/// Dropping it ends it: connections are closed, its thread, if it has one, is joined.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let api = tidegate_test::Api::builder().seed(1).unavailable(0.05).start().await?;
/// assert!(api.base_url().starts_with("http://127.0.0.1:"));
/// assert_eq!(api.stats().requests, 0);
/// api.shutdown().await;
/// # Ok(())
/// # }
/// ```
pub struct Api {
    address: SocketAddr,
    counters: Shared,
    /// Dropped to stop the accepting task.
    stop: Option<oneshot::Sender<Infallible>>,
    /// Closed when the accepting task and all connections are gone.
    ended: Option<oneshot::Receiver<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Api {
    /// Starts a configuration in which nothing goes wrong.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Starts an API without faults as tasks of the current runtime.
    ///
    /// # Cancel safety
    ///
    /// As [`Builder::start`].
    ///
    /// # Errors
    ///
    /// As [`Builder::start`].
    ///
    /// # Panics
    ///
    /// As [`Builder::start`].
    pub async fn plain() -> io::Result<Self> {
        Self::builder().start().await
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "its owner is the `Api`, which may stand outside of every scope"
    )]
    pub(super) async fn start(address: SocketAddr, counters: Counters) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let (api, accepting) = Self::on(listener, counters)?;
        // Its owner is the `Api`: it stops when `stop` is dropped.
        tokio::spawn(accepting);
        Ok(api)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "its owner is the `Api`, for programs without a runtime"
    )]
    pub(super) fn spawn_thread(address: SocketAddr, counters: Counters) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = runtime.block_on(TcpListener::bind(address))?;
        let (mut api, accepting) = Self::on(listener, counters)?;
        let thread = std::thread::Builder::new()
            .name("demo-api".into())
            .spawn(move || runtime.block_on(accepting))?;
        api.thread = Some(thread);
        Ok(api)
    }

    fn on(
        listener: TcpListener,
        counters: Counters,
    ) -> io::Result<(Self, impl Future<Output = ()> + Send)> {
        let address = listener.local_addr()?;
        let counters = Shared(Arc::new(Mutex::new(counters)));
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let accepting = accept(listener, counters.clone(), stopped, end);
        let api = Self {
            address,
            counters,
            stop: Some(stop),
            ended: Some(ended),
            thread: None,
        };
        Ok((api, accepting))
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// `http://` and the address, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it has seen so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.counters.lock().stats()
    }

    /// How often each path was requested, as it stood in the request, without the query.
    ///
    /// Empty unless it was told to [`remember`](Builder::remember).
    #[must_use]
    pub fn paths(&self) -> BTreeMap<String, u64> {
        self.counters.lock().paths()
    }

    /// Lets every request fail until [`come_up`](Self::come_up). Requests that are being worked on end as they would have.
    pub fn go_down(&self, how: Down) {
        self.counters.lock().set_down(Some(how));
    }

    /// Ends [`go_down`](Self::go_down) and [`brown_out`](Self::brown_out).
    pub fn come_up(&self) {
        let mut counters = self.counters.lock();
        counters.set_down(None);
        counters.set_brown_out(0.0, Duration::ZERO);
    }

    /// Answers 503 to so much more of the requests, and everything so much later, until [`come_up`](Self::come_up).
    pub fn brown_out(&self, unavailable: f64, latency: Duration) {
        self.counters.lock().set_brown_out(unavailable, latency);
    }

    /// Whether every request is answered 401.
    pub fn auth_required(&self, required: bool) {
        self.counters.lock().set_auth_required(required);
    }

    /// Closes the listener and all connections, and waits until they are closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops everything too, without waiting.
    pub async fn shutdown(mut self) {
        self.stop = None;
        if let Some(ended) = self.ended.take() {
            // Nothing is ever sent: that the sender is gone is the message.
            let Err(_) = ended.await;
        }
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the server has been printed already; a second one here would abort.
            drop(thread.join());
        }
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct Shared(Arc<Mutex<Counters>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Counters> {
        // Counts are whole after every statement, so a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accepts connections until the sender of `stopped` is dropped; then closes all and drops `_end`.
#[expect(
    clippy::disallowed_methods,
    reason = "a server that does not stand on what it is there to test"
)]
async fn accept(
    listener: TcpListener,
    counters: Shared,
    mut stopped: oneshot::Receiver<Infallible>,
    _end: oneshot::Sender<Infallible>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Err(_) = &mut stopped => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    if counters.lock().connected() {
                        connections.spawn(serve(stream, counters.clone()));
                    }
                }
                // Out of descriptors, most likely: let others close theirs instead of spinning.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
        }
    }
    connections.shutdown().await;
}

async fn serve(stream: TcpStream, counters: Shared) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(move |request| handle(request, counters.clone()));
    let connection = http1::Builder::new()
        // A client may keep its connection idle as long as it likes, and a timer for each request costs.
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service);
    // An error is a client that went away, or a connection this API cut off on purpose.
    drop(connection.await);
}

/// The connection is to be closed without an answer.
#[derive(Debug)]
struct CutOff;

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection cut off on purpose")
    }
}

impl std::error::Error for CutOff {}

async fn handle(request: Request<Incoming>, counters: Shared) -> Result<Answer, CutOff> {
    let path = request.uri().path();
    let route = Route::of(path);
    if route == Route::Stats {
        return Ok(json(StatusCode::OK, counters.lock().stats().to_json()));
    }
    let (decision, delay) = counters.lock().arrived(path, route, Instant::now());
    // Counted as open until it is answered or the client has gone, which drops this future.
    let _open = Open(&counters);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    match decision {
        Decision::Answer => Ok(answer(request).await),
        Decision::Hang => pending().await,
        refused => refusal(refused).ok_or(CutOff),
    }
}

/// One request that is being worked on.
struct Open<'c>(&'c Shared);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.lock().finished();
    }
}
