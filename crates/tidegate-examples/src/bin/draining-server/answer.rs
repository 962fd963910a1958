//! The routes.

use crate::requests::Requests;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{CONNECTION, HeaderValue, RETRY_AFTER},
};
use std::{convert::Infallible, io, sync::Arc, thread, time::Duration};
use tidegate::{Scope, is_cancelled, scope};

/// | route | answer |
/// |---|---|
/// | `/` | at once |
/// | `/slow?ms=N` | after `N` milliseconds, 1,000 unless it says otherwise |
/// | `/export?ms=N` | the same from a thread that looks at no flag: what a library is like that cannot be stopped |
/// | `/open` | how many other requests are under way |
pub(crate) async fn answer(
    request: Request<Incoming>,
    requests: Arc<Requests>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if is_cancelled() {
        requests.refuse();
        return Ok(refusal());
    }
    let open = requests.begin(request.uri().to_string());
    let wait = milliseconds(request.uri().query());
    let (status, text) = match request.uri().path() {
        "/" => (StatusCode::OK, "hello\n".into()),
        "/slow" => {
            tokio::time::sleep(wait).await;
            (StatusCode::OK, "at last\n".into())
        }
        "/export" => match export(wait).await {
            Ok(()) => (StatusCode::OK, "exported\n".into()),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        },
        "/open" => (StatusCode::OK, format!("{}\n", requests.open() - 1)),
        _ => (StatusCode::NOT_FOUND, "no such page\n".into()),
    };
    open.answered();
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    if is_cancelled() {
        close(&mut response);
    }
    Ok(response)
}

#[expect(
    clippy::disallowed_methods,
    reason = "stands for a library that blocks and hears nothing"
)]
async fn export(takes: Duration) -> Result<(), tidegate::ScopeError<io::Error>> {
    scope("export", async |s: &Scope<io::Error>| {
        let write = s
            .spawn_thread("write", move |_stop| {
                thread::sleep(takes);
                Ok(())
            })
            .map_err(io::Error::other)?;
        write.await.map_err(io::Error::other)
    })
    .await
}

fn refusal() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from("shutting down\n"));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    // Whoever repeats it now may reach another instance; this one will not come back.
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("0"));
    close(&mut response);
    response
}

fn close(response: &mut Response<Full<Bytes>>) {
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
}

fn milliseconds(query: Option<&str>) -> Duration {
    let given = query.and_then(|query| query.strip_prefix("ms=")?.parse().ok());
    Duration::from_millis(given.unwrap_or(1_000))
}
