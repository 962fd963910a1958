//! The misbehaving API, asked over a socket.

#![expect(
    clippy::disallowed_methods,
    reason = "a delay of the API is one of real time"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tidegate_test::{Api, Builder, Down, orders};

/// An API on a thread of its own, so that the test can block.
fn api(builder: Builder) -> Api {
    builder.spawn_thread().expect("loopback has a free port")
}

/// Sends one request; the whole answer, or nothing when the connection was closed.
fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the API accepts");
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("the time is not zero");
    let (head, body) = request.split_once("\r\n\r\n").unwrap_or((request, ""));
    // A connection that is cut off on purpose may fail at either of these.
    let sent = write!(
        stream,
        "{head}\r\nhost: x\r\nconnection: close\r\n\r\n{body}"
    );
    let mut answer = String::new();
    match sent.and_then(|()| stream.read_to_string(&mut answer)) {
        Ok(_) => answer,
        Err(_) => String::new(),
    }
}

fn get(api: &Api, path: &str) -> String {
    ask(api.addr(), &format!("GET {path} HTTP/1.1"))
}

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or("none")
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

#[test]
fn users_and_orders_are_answered_from_the_id() {
    let api = api(Api::builder());
    assert_eq!(
        body(&get(&api, "/users/17")),
        r#"{"id":17,"name":"User 17","active":true}"#
    );
    assert_eq!(
        body(&get(&api, "/users/a%20%22b%2F")),
        r#"{"id":"a \"b/","name":"User a \"b/","active":true}"#
    );
    let answer = get(&api, "/orders/17");
    assert!(body(&answer).starts_with(r#"[{"number":1,"total":"#));
    assert_eq!(answer.matches("total").count(), orders("17").len());
    assert_eq!(status(&get(&api, "/other")), "404");
    assert_eq!(status(&ask(api.addr(), "DELETE /users/1 HTTP/1.1")), "405");
}

#[test]
fn echo_returns_the_body_and_the_headers() {
    let api = api(Api::builder());
    let answer = ask(
        api.addr(),
        "POST /echo HTTP/1.1\r\nx-key: 9\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello",
    );
    assert_eq!(body(&answer), "hello");
    assert!(answer.contains("echo-x-key: 9"));
    assert!(answer.contains("content-type: text/plain"));
}

#[test]
fn faults_are_counted_and_the_same_for_the_same_seed() {
    let run = || {
        let api = api(Api::builder()
            .seed(3)
            .unavailable(0.2)
            .throttled(0.2, 7)
            .gone(0.2));
        let answers: Vec<_> = (0..100)
            .map(|id| get(&api, &format!("/users/{id}")))
            .collect();
        let stats = api.stats();
        let count = |wanted: &str| {
            answers
                .iter()
                .filter(|answer| status(answer) == wanted)
                .count() as u64
        };
        assert_eq!(count("503"), stats.unavailable);
        assert_eq!(count("429"), stats.throttled);
        assert_eq!(count("404"), stats.gone);
        assert_eq!(count("200"), stats.ok);
        assert_eq!(stats.requests, 100);
        assert!(stats.unavailable > 0 && stats.throttled > 0 && stats.gone > 0);
        let throttled = answers.iter().find(|answer| status(answer) == "429");
        assert!(throttled.is_some_and(|answer| answer.contains("retry-after: 7")));
        answers
            .iter()
            .map(|answer| status(answer).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn a_hanging_request_is_open_until_its_client_leaves() {
    let api = api(Api::builder().hangs(1.0));
    let mut client = TcpStream::connect(api.addr()).expect("the API accepts");
    client
        .write_all(b"GET /users/1 HTTP/1.1\r\nhost: x\r\n\r\n")
        .expect("the connection is open");
    until(|| api.stats().open == 1);
    drop(client);
    until(|| api.stats().open == 0);
    assert_eq!((api.stats().hung, api.stats().open_max), (1, 1));
}

#[test]
fn an_api_that_is_down_closes_or_refuses_until_it_comes_up() {
    let api = api(Api::builder());
    api.go_down(Down::Close);
    assert_eq!(get(&api, "/users/1"), "");
    api.go_down(Down::Unavailable);
    assert_eq!(status(&get(&api, "/users/1")), "503");
    api.come_up();
    assert_eq!(status(&get(&api, "/users/1")), "200");
    api.auth_required(true);
    assert_eq!(status(&get(&api, "/users/1")), "401");
}

#[test]
fn a_connection_that_is_open_is_cut_when_the_api_goes_down() {
    let api = api(Api::builder());
    let mut client = TcpStream::connect(api.addr()).expect("the API accepts");
    let mut buffer = [0; 1024];
    let request = b"GET /users/1 HTTP/1.1\r\nhost: x\r\n\r\n";
    client.write_all(request).expect("the connection is open");
    assert!(client.read(&mut buffer).expect("an answer") > 0);
    api.go_down(Down::Close);
    client.write_all(request).expect("the connection is open");
    assert_eq!(client.read(&mut buffer).unwrap_or(0), 0);
    assert_eq!(api.stats().while_down, 1);
}

#[test]
fn overruns_of_the_rate_are_counted_and_refused_when_strict() {
    let api = api(Api::builder().rate_limit(5).strict(true));
    // Well within a second on any machine; were it not, fewer would be refused and the test would say so.
    let answers: Vec<_> = (0..8)
        .map(|id| get(&api, &format!("/users/{id}")))
        .collect();
    let refused: Vec<_> = answers
        .iter()
        .filter(|answer| status(answer) == "429")
        .collect();
    assert_eq!(refused.len(), 3);
    assert!(
        refused
            .iter()
            .all(|answer| answer.contains("retry-after: 1"))
    );
    assert_eq!((api.stats().over_limit, api.stats().rate_max_1s), (3, 8));
}

#[test]
fn remembered_paths_show_repeats() {
    let api = api(Api::builder().remember(true));
    for path in ["/users/1", "/users/2", "/users/1", "/stats"] {
        get(&api, path);
    }
    assert_eq!(api.stats().repeats, 1);
    assert_eq!(
        api.paths().into_iter().collect::<Vec<_>>(),
        [("/users/1".to_owned(), 2), ("/users/2".to_owned(), 1)]
    );
    assert!(body(&get(&api, "/stats")).contains(r#""by_route":{"users":3}"#));
}

#[test]
fn shares_above_one_are_refused() {
    let started = Api::builder()
        .unavailable(0.6)
        .throttled(0.6, 1)
        .spawn_thread();
    assert!(started.is_err_and(|error| error.kind() == std::io::ErrorKind::InvalidInput));
}

#[tokio::test(start_paused = true)]
async fn latency_passes_in_the_time_of_the_runtime_and_shutdown_ends_everything() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let minute = Duration::from_secs(60);
    let api = Api::builder()
        .latency(minute, minute)
        .start()
        .await
        .expect("a free port");
    let started = tokio::time::Instant::now();
    let mut client = tokio::net::TcpStream::connect(api.addr())
        .await
        .expect("the API accepts");
    client
        .write_all(b"GET /users/1 HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .expect("the connection is open");
    let mut buffer = [0; 1024];
    assert!(client.read(&mut buffer).await.expect("an answer") > 0);
    assert!(started.elapsed() >= minute);

    let address = api.addr();
    api.shutdown().await;
    assert_eq!(client.read(&mut buffer).await.unwrap_or(0), 0);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

/// Waits for a condition of another thread that stays true.
#[track_caller]
fn until(condition: impl Fn() -> bool) {
    let started = std::time::Instant::now();
    while !condition() {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "not within 10 s"
        );
        std::thread::yield_now();
    }
}
