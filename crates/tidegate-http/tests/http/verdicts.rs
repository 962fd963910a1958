use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, StatusCode};
use tidegate::policy::{Class, Sent};
use tidegate_http::Answer;
use tokio::time::{Duration, Instant};

fn answer(status: u16) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("30"));
    let status = StatusCode::from_u16(status).expect("a status");
    Answer {
        status,
        headers,
        body: Bytes::new(),
    }
}

#[tokio::test(start_paused = true)]
async fn every_status_has_its_class_and_only_what_may_be_tried_again_a_time() {
    let at = Some(Instant::now() + Duration::from_secs(30));
    for (statuses, class, retry_at) in [
        (&[200, 201, 204, 206][..], Class::Ok, None),
        (&[300, 302, 304], Class::Fatal, None),
        (
            &[400, 401, 403, 404, 409, 413, 422, 501, 505],
            Class::Fatal,
            None,
        ),
        (&[408, 425, 500, 502, 504, 520, 599], Class::Transient, at),
        (&[429], Class::Throttled, at),
        (&[503], Class::Overload, at),
    ] {
        for status in statuses {
            let verdict = answer(*status).verdict();
            assert_eq!(
                (verdict.class, verdict.retry_at),
                (class, retry_at),
                "{status}"
            );
            assert_eq!(verdict.sent, Sent::Answered);
        }
    }
}
