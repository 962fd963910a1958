use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use tidegate::policy::{Class, Classify, Sent};
use tidegate_http::{Client, Request};

use crate::server::{Server, client, failure, ok};

fn to(status: u16, location: &str) -> Response<Full<Bytes>> {
    let mut answer = ok("moved");
    *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
    let location = HeaderValue::from_str(location).expect("a header value");
    answer.headers_mut().insert(LOCATION, location);
    answer
}

/// `/start` redirects with `status`; `/end` says what arrived.
async fn one_step(status: u16) -> Server {
    Server::start(move |request, body| match request.uri().path() {
        "/a/start" => to(status, "../end?x=1"),
        _ => ok(format!(
            "{} {} {} {}",
            request.method(),
            request.uri(),
            request
                .headers()
                .get(CONTENT_TYPE)
                .map_or("-", |kind| kind.to_str().expect("text")),
            String::from_utf8_lossy(&body),
        )),
    })
    .await
}

#[tokio::test]
async fn redirects_within_the_origin_are_followed_on_the_same_connection() {
    let server = one_step(302).await;
    let answer = client()
        .send(Request::get(server.uri("/a/start")))
        .await
        .expect("an answer");
    assert_eq!(answer.body, "GET /end?x=1 - ");
    assert_eq!((server.requests(), server.connections()), (2, 1));
}

#[tokio::test]
async fn post_becomes_get_but_for_307_and_308() {
    for (status, arrived) in [
        (301, "GET /end?x=1 - "),
        (302, "GET /end?x=1 - "),
        (303, "GET /end?x=1 - "),
        (307, "POST /end?x=1 text/plain hi"),
        (308, "POST /end?x=1 text/plain hi"),
    ] {
        let server = one_step(status).await;
        let mut request = Request::new(Method::POST, server.uri("/a/start"));
        request
            .headers
            .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        request.body = "hi".into();
        let answer = client().send(request).await.expect("an answer");
        assert_eq!(answer.body, arrived, "{status}");
    }
}

#[tokio::test]
async fn a_redirect_to_another_origin_is_an_error_that_names_it_and_not_its_query() {
    for elsewhere in [
        "http://other.example:81/x?token=secret",
        "//other.example:81/x?token=secret",
    ] {
        let server = Server::start(move |_, _| to(302, elsewhere)).await;
        let error = failure(client().send(Request::get(server.uri("/"))).await);
        assert!(error.is_redirect());
        assert_eq!(
            (error.verdict().class, error.verdict().sent),
            (Class::Fatal, Sent::Answered)
        );
        assert_eq!(
            error.to_string(),
            format!(
                "http://{} redirects to http://other.example:81, which is another origin and not followed",
                server.address()
            )
        );
    }
}

#[tokio::test]
async fn a_loop_ends_after_the_allowed_redirects() {
    let server = Server::start(|_, _| to(302, "/")).await;
    let client = Client::builder().redirects(3).build().expect("sound");
    let error = failure(client.send(Request::get(server.uri("/"))).await);
    assert!(error.is_redirect(), "{error}");
    assert_eq!(server.requests(), 4);
}

#[tokio::test]
async fn without_redirects_allowed_one_is_an_answer() {
    let server = Server::start(|_, _| to(302, "/")).await;
    let client = Client::builder().redirects(0).build().expect("sound");
    let answer = client
        .send(Request::get(server.uri("/")))
        .await
        .expect("an answer");
    assert_eq!(
        (answer.status, answer.verdict().class),
        (StatusCode::FOUND, Class::Fatal)
    );
}

#[tokio::test]
async fn redirects_that_lead_nowhere_are_answers_or_errors() {
    let server = Server::start(|request, _| match request.uri().path() {
        "/no-location" => {
            let mut answer = ok("");
            *answer.status_mut() = StatusCode::FOUND;
            answer
        }
        "/not-modified" => to(304, "/"),
        _ => to(302, "/a b"),
    })
    .await;
    let client = client();
    for path in ["/no-location", "/not-modified"] {
        let answer = client
            .send(Request::get(server.uri(path)))
            .await
            .expect("an answer");
        assert!(answer.status.is_redirection());
    }
    assert!(failure(client.send(Request::get(server.uri("/bad"))).await).is_redirect());
}
