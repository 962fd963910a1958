//! One connection, from its first request to its end.

use crate::{answer::answer, requests::Requests};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{pin::pin, sync::Arc, time::Duration};
use tidegate::cancelled;
use tokio::net::TcpStream;

/// Serves until the client leaves. When told to stop, the request under way is finished; a connection without one is
/// closed after `linger`, or with the refusal of the next request.
///
/// An error is a client that went away, so there is nothing to report.
pub(crate) async fn serve(stream: TcpStream, linger: Duration, requests: Arc<Requests>) {
    let service = service_fn(|request| answer(request, requests.clone()));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);

    // The connection is polled in each of the three waits, so none of them can hold up a request.
    tokio::select! {
        ended = connection.as_mut() => return drop(ended),
        _ = cancelled() => {}
    }
    // Closing at once would race with a request that is on its way, and its client could not tell whether it was read.
    tokio::select! {
        ended = connection.as_mut() => return drop(ended),
        () = tokio::time::sleep(linger) => {}
    }
    connection.as_mut().graceful_shutdown();
    drop(connection.await);
}
