use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;

use http::Method;
use http::header::{AUTHORIZATION, HOST, HeaderValue};
use tidegate::policy::{Class, Classify, Sent};
use tidegate_http::Request;
use tokio::task::JoinSet;

use crate::server::{Server, client, failure, ok, uri};

#[tokio::test]
async fn requests_one_after_the_other_use_one_connection() {
    let server = Server::start(|_, _| ok("x")).await;
    let client = client();
    for _ in 0..5 {
        let answer = client
            .send(Request::get(server.uri("/")))
            .await
            .expect("an answer");
        assert_eq!(answer.body, "x");
    }
    assert_eq!((server.requests(), server.connections()), (5, 1));
}

#[tokio::test]
async fn clones_share_the_pool_and_idle_connections_are_kept_for_all_in_flight() {
    let server = Server::start(|_, _| ok("x")).await;
    let client = client();
    for _ in 0..3 {
        let mut requests = JoinSet::new();
        for _ in 0..16 {
            let (client, uri) = (client.clone(), server.uri("/"));
            requests.spawn(async move { client.send(Request::get(uri)).await });
        }
        while let Some(answer) = requests.join_next().await {
            assert!(answer.expect("no panic").is_ok());
        }
    }
    assert_eq!(server.requests(), 48);
    assert!(
        server.connections() <= 16,
        "{} connections",
        server.connections()
    );
}

#[tokio::test]
async fn method_headers_host_and_body_arrive_as_given() {
    let server = Server::start(|request, body| {
        let header = |name| {
            request
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        ok(format!(
            "{} {} {} {} {}",
            request.method(),
            request.uri(),
            header(HOST).unwrap_or("-"),
            header(AUTHORIZATION).unwrap_or("-"),
            String::from_utf8_lossy(&body),
        ))
    })
    .await;
    let mut request = Request::new(Method::PUT, server.uri("/a%2Fb?q=1"));
    request
        .headers
        .insert(AUTHORIZATION, HeaderValue::from_static("Bearer t"));
    request.body = "hello".into();
    let answer = client().send(request).await.expect("an answer");
    assert_eq!(
        answer.body,
        format!("PUT /a%2Fb?q=1 {} Bearer t hello", server.address())
    );
}

#[tokio::test]
async fn a_connection_that_ends_with_its_answer_is_not_used_again() {
    let server =
        Server::says("HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\nx").await;
    let client = client();
    for _ in 0..2 {
        let answer = client
            .send(Request::get(server.uri("/")))
            .await
            .expect("an answer");
        assert_eq!(answer.body, "x");
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_request_that_meets_the_end_of_an_idle_connection_is_not_sent_again() {
    // The server is a thread, so that this one can stand still: the pool must not notice the end of the connection.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (close, may_close) = mpsc::channel();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the client connects");
        // A second connection would be another test: it is refused.
        drop(listener);
        let mut head = [0; 1024];
        assert!(stream.read(&mut head).expect("a request") > 0);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx")
            .expect("the client reads");
        may_close.recv().expect("the test goes on");
    });
    let client = client();
    let target = uri(&format!("http://{address}/"));
    client
        .send(Request::get(target.clone()))
        .await
        .expect("an answer");
    // The tasks of the pool put the connection back.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    close.send(()).expect("the server waits");
    server.join().expect("no panic");

    let error = failure(client.send(Request::get(target)).await);
    // hyper writes before it reads: nobody can know whether the server took the request.
    assert!(error.is_connection_lost(), "{error}");
    assert_eq!(
        (error.verdict().class, error.verdict().sent),
        (Class::Transient, Sent::Maybe)
    );
}

#[tokio::test]
async fn dropping_the_request_closes_its_connection() {
    let (ended, mut has_ended) = tokio::sync::mpsc::channel(1);
    let server = Server::raw(move |mut stream| {
        let ended = ended.clone();
        async move {
            crate::server::read_head(&mut stream).await;
            ended.send("request").await.expect("the test waits");
            let mut rest = [0; 1];
            let read = tokio::io::AsyncReadExt::read(&mut stream, &mut rest).await;
            assert_eq!(read.unwrap_or(0), 0);
            ended.send("closed").await.expect("the test waits");
        }
    })
    .await;
    let client = client();
    let mut request = Box::pin(client.send(Request::get(server.uri("/"))));
    tokio::select! {
        answer = &mut request => panic!("no answer was sent: {answer:?}"),
        event = has_ended.recv() => assert_eq!(event, Some("request")),
    }
    drop(request);
    assert_eq!(has_ended.recv().await, Some("closed"));
}
