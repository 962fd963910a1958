use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tidegate::{Opts, Scope, scope};
use tidegate_http::{Client, DeadlineHeader, Request};

use crate::server::Server;

/// Answers with the time that the request says it has left.
async fn echo() -> Server {
    Server::start(|request, _| {
        let left = DeadlineHeader::envoy().read(request.headers());
        let left = left.map(|left| left.as_millis().to_string());
        Response::new(Full::new(Bytes::from(left.unwrap_or_default())))
    })
    .await
}

/// What arrives of a deadline of 60 s.
async fn arrives(client: Client, server: &Server) -> Bytes {
    let request = Request::get(server.uri("/"));
    let opts = Opts::named("caller").timeout(Duration::from_secs(60));
    let answer = scope(opts, async |_: &Scope<tidegate_http::HttpError>| {
        client.send(request).await
    });
    answer.await.expect("the server answers").body
}

#[tokio::test]
async fn a_client_that_was_told_to_says_how_much_time_is_left() {
    let server = echo().await;
    let client = Client::builder().deadline_header(DeadlineHeader::envoy());
    let client = client.build().expect("nothing is configured that can fail");
    let left = arrives(client, &server).await;
    let left = std::str::from_utf8(&left).expect("digits");
    let left: u64 = left.parse().expect("milliseconds");
    assert!((50_000..=60_000).contains(&left), "{left}");
}

#[tokio::test]
async fn by_itself_a_client_says_nothing_of_deadlines() {
    let server = echo().await;
    let client = Client::with_defaults().expect("the defaults work");
    assert_eq!(arrives(client, &server).await, "");
}
