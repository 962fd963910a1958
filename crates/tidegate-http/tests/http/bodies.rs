use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HeaderValue};
use http::{Method, Response};
use http_body_util::Full;
use tidegate::policy::{Class, Classify, Sent};
use tidegate_http::{Client, Request};

use crate::server::{Server, client, failure, ok};

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).expect("memory");
    encoder.finish().expect("memory")
}

fn zipped(body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = ok(body);
    answer
        .headers_mut()
        .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    answer
}

fn limited(max_body: usize) -> Client {
    Client::builder().max_body(max_body).build().expect("sound")
}

#[tokio::test]
async fn gzip_is_asked_for_and_decoded() {
    let server = Server::start(|request, _| {
        assert_eq!(request.headers()[ACCEPT_ENCODING], "gzip");
        zipped(gzip(b"hello"))
    })
    .await;
    let answer = client()
        .send(Request::get(server.uri("/")))
        .await
        .expect("an answer");
    assert_eq!(answer.body, "hello");
    assert!(!answer.headers.contains_key(CONTENT_ENCODING));
    assert!(!answer.headers.contains_key(CONTENT_LENGTH));
}

#[tokio::test]
async fn the_answer_to_head_has_nothing_to_decode() {
    let server = Server::start(|_, _| zipped(gzip(b"hello"))).await;
    let request = Request::new(Method::HEAD, server.uri("/"));
    let answer = client().send(request).await.expect("an answer");
    assert_eq!(answer.body, "");
}

#[tokio::test]
async fn gzip_that_is_none_or_cut_short_is_a_bad_answer() {
    let whole = gzip(&[b'x'; 1000]);
    for body in [b"hello".to_vec(), whole[..whole.len() - 9].to_vec()] {
        let server = Server::start(move |_, _| zipped(body.clone())).await;
        let error = failure(client().send(Request::get(server.uri("/"))).await);
        assert!(error.is_bad_answer(), "{error}");
        assert!(error.to_string().contains("is not valid gzip"), "{error}");
        assert_eq!(error.verdict().class, Class::Transient);
    }
}

#[tokio::test]
async fn a_body_may_be_as_long_as_the_limit_and_not_longer() {
    let server = Server::start(|_, _| ok(vec![b'x'; 1000])).await;
    let answer = limited(1000)
        .send(Request::get(server.uri("/")))
        .await
        .expect("an answer");
    assert_eq!(answer.body.len(), 1000);

    let error = failure(limited(999).send(Request::get(server.uri("/"))).await);
    assert!(error.is_body_too_large());
    assert_eq!(
        (error.verdict().class, error.verdict().sent),
        (Class::Fatal, Sent::Answered)
    );
    assert_eq!(
        error.to_string(),
        format!("body from {} is longer than 999 bytes", server.address())
    );
}

#[tokio::test]
async fn the_limit_counts_what_a_body_unfolds_to() {
    let server = Server::start(|_, _| zipped(gzip(&vec![0; 1 << 20]))).await;
    let error = failure(limited(100_000).send(Request::get(server.uri("/"))).await);
    assert!(error.is_body_too_large(), "{error}");
}

#[tokio::test]
async fn chunks_are_joined_and_counted() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let server = Server::says(format!(
        "{head}3\r\nabc\r\n4\r\ndefg\r\n1\r\nh\r\n0\r\n\r\n"
    ))
    .await;
    let answer = limited(8)
        .send(Request::get(server.uri("/")))
        .await
        .expect("an answer");
    assert_eq!(answer.body, "abcdefgh");
    let error = failure(limited(7).send(Request::get(server.uri("/"))).await);
    assert!(error.is_body_too_large(), "{error}");
}

#[tokio::test]
async fn a_long_body_arrives_whole() {
    let body: Bytes = (0..3_000_000_u32)
        .map(|n| n as u8)
        .collect::<Vec<_>>()
        .into();
    let sent = body.clone();
    let server = Server::start(move |_, _| ok(sent.clone())).await;
    let answer = client()
        .send(Request::get(server.uri("/")))
        .await
        .expect("an answer");
    assert!(answer.body == body);
}

#[tokio::test]
async fn a_body_that_ends_with_its_connection_is_whole() {
    let server = Server::says("HTTP/1.1 200 OK\r\n\r\nuntil the end").await;
    let answer = client()
        .send(Request::get(server.uri("/")))
        .await
        .expect("an answer");
    assert_eq!(answer.body, "until the end");
}
