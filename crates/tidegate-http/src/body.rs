//! The body of an answer: decompressed, limited, in one piece.

use std::convert::Infallible;
use std::future::ready;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, Response, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use tower::Service;
use tower::util::service_fn;
use tower_http::decompression::{Decompression, DecompressionBody};

use crate::client::Answer;
use crate::error::{BoxError, HttpError};

/// The longest body of a redirect that is read to keep its connection.
const DRAIN: usize = 64 * 1024;
/// The most that is reserved for a body before its bytes are there.
const RESERVE: usize = 1 << 20;

/// Reads the body of `response`, the answer from `uri`.
pub(crate) async fn answer(
    response: Response<Incoming>,
    max_body: usize,
    uri: &Uri,
) -> Result<Answer, HttpError> {
    // The answer to HEAD, a 204 and a 304 may name an encoding and have no body to decode.
    if is_gzip(response.headers()) && !response.body().is_end_stream() {
        let (parts, body) = decoding(response).await.into_parts();
        return match read(body, max_body).await {
            Ok(body) => Ok(Answer {
                status: parts.status,
                headers: parts.headers,
                body,
            }),
            Err(error) => Err(HttpError::body(error, max_body, uri)),
        };
    }
    let (parts, body) = response.into_parts();
    if body.size_hint().lower() > max_body as u64 {
        return Err(HttpError::body_too_large(max_body, uri));
    }
    match read(body, max_body).await {
        Ok(body) => Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }),
        Err(error) => Err(HttpError::body(error, max_body, uri)),
    }
}

/// Reads the body of a redirect and throws it away, so that its connection can serve the next request.
///
/// Too long or broken: the connection is closed instead, and the next request opens another.
pub(crate) async fn drain(body: Incoming) {
    let mut body = Limited::new(body, DRAIN);
    while let Some(Ok(_)) = body.frame().await {}
}

fn is_gzip(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_ENCODING)
        .is_some_and(|value| value == "gzip")
}

/// Puts the decompression layer around one response that needs it.
///
/// Around the client it would cost every request something, and most answers are not compressed.
async fn decoding(response: Response<Incoming>) -> Response<DecompressionBody<Incoming>> {
    let mut response = Some(response);
    let replay = service_fn(move |_: http::Request<()>| {
        let response = response
            .take()
            .expect("the layer calls its service once per call");
        ready(Ok::<_, Infallible>(response))
    });
    let Ok(decoded) = Decompression::new(replay)
        .call(http::Request::new(()))
        .await;
    decoded
}

/// Collects `body`. One frame, as most answers have, is returned without copying.
async fn read<B>(body: B, max_body: usize) -> Result<Bytes, BoxError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let mut body = Limited::new(body, max_body);
    let first = match next_data(&mut body).await? {
        None => return Ok(Bytes::new()),
        Some(data) if body.is_end_stream() => return Ok(data),
        Some(data) => data,
    };
    let Some(second) = next_data(&mut body).await? else {
        return Ok(first);
    };
    // What the server promises is a hint, not a reason to take all of it at once.
    let promised = usize::try_from(body.size_hint().lower()).unwrap_or(RESERVE);
    let mut whole = BytesMut::with_capacity(first.len() + second.len() + promised.min(RESERVE));
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&second);
    while let Some(data) = next_data(&mut body).await? {
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// The next bytes of `body`; trailers are skipped.
async fn next_data<B>(body: &mut Limited<B>) -> Result<Option<Bytes>, BoxError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// Whether `error` says that the limit of [`read`] was passed.
pub(crate) fn is_over_limit(error: &BoxError) -> bool {
    error.is::<LengthLimitError>()
}
