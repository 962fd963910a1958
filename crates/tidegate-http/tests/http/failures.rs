use std::net::TcpListener;

use tidegate::policy::{Class, Classify, Sent};
use tidegate_http::{HttpError, Request};
use tokio::io::AsyncReadExt;

use crate::server::{Server, client, failure, uri};

#[track_caller]
fn check(error: &HttpError, class: Class, sent: Sent, message: &str) {
    assert_eq!(error.to_string(), message);
    assert_eq!(
        (error.verdict().class, error.verdict().sent),
        (class, sent),
        "{message}"
    );
}

#[tokio::test]
async fn a_refused_connection_was_never_sent_and_the_query_stays_out_of_the_message() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let request = Request::get(uri(&format!("http://u:p@{address}/x?token=secret")));
    let error = failure(client().send(request).await);
    assert!(error.is_connect());
    check(
        &error,
        Class::NeverSent,
        Sent::No,
        &format!("connection refused by {address}"),
    );
    assert!(!format!("{error:?}").contains("secret"));
}

#[tokio::test]
async fn a_connection_closed_before_the_answer_may_have_been_sent() {
    let server = Server::says("").await;
    let error = failure(client().send(Request::get(server.uri("/"))).await);
    assert!(error.is_connection_lost());
    let message = format!(
        "connection closed by {} before it answered",
        server.address()
    );
    check(&error, Class::Transient, Sent::Maybe, &message);
}

#[tokio::test]
async fn a_connection_reset_before_the_answer_may_have_been_sent() {
    // Closing a socket with unread bytes resets the connection.
    let server = Server::raw(|mut stream| async move {
        assert!(stream.read_u8().await.is_ok());
    })
    .await;
    let error = failure(client().send(Request::get(server.uri("/"))).await);
    let message = format!(
        "connection reset by {} before it answered",
        server.address()
    );
    check(&error, Class::Transient, Sent::Maybe, &message);
}

#[tokio::test]
async fn a_body_cut_short_is_transient() {
    let server = Server::says("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello").await;
    let error = failure(client().send(Request::get(server.uri("/"))).await);
    let message = format!(
        "connection closed by {} in the middle of its answer",
        server.address()
    );
    check(&error, Class::Transient, Sent::Maybe, &message);
}

#[tokio::test]
async fn what_is_not_http_is_a_bad_answer() {
    let server = Server::says("SSH-2.0-OpenSSH_9.9\r\n\r\n").await;
    let error = failure(client().send(Request::get(server.uri("/"))).await);
    assert!(error.is_bad_answer(), "{error}");
    assert_eq!(
        (error.verdict().class, error.verdict().sent),
        (Class::Transient, Sent::Maybe)
    );
}

#[tokio::test]
async fn a_head_without_end_is_a_bad_answer() {
    let long = "x".repeat(1_000_000);
    let server = Server::says(format!("HTTP/1.1 200 OK\r\nlong: {long}\r\n\r\n")).await;
    let error = failure(client().send(Request::get(server.uri("/"))).await);
    assert!(error.is_bad_answer(), "{error}");
}

#[tokio::test]
async fn a_uri_that_is_not_absolute_http_is_refused() {
    for bad in ["/users", "ftp://h/x", "h:80"] {
        let error = failure(client().send(Request::get(uri(bad))).await);
        assert!(error.is_bad_request(), "{bad}");
        assert_eq!(
            (error.verdict().class, error.verdict().sent),
            (Class::Fatal, Sent::No)
        );
    }
}

#[tokio::test]
async fn a_name_without_address_was_never_sent() {
    let error = failure(
        client()
            .send(Request::get(uri("http://no.such.host.invalid/x")))
            .await,
    );
    assert!(error.is_connect());
    assert!(
        error
            .to_string()
            .starts_with("no address for no.such.host.invalid: "),
        "{error}"
    );
    assert_eq!(
        (error.verdict().class, error.verdict().sent),
        (Class::NeverSent, Sent::No)
    );
}
