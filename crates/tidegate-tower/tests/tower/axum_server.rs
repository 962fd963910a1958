//! axum over real sockets.

use std::{
    future::pending,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, routing::get};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tidegate::{
    Opts, Reason, Scope, cancelled,
    policy::{CallError, Classify, Op, Policy, Queue, StopReason, Verdict},
    scope,
};
use tidegate_tower::{AdmissionLayer, DeadlineLayer, Drain};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
};

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn connect(address: SocketAddr, headers: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Head and body of an answer on a connection that is closed after it.
async fn ask(address: SocketAddr, headers: &str) -> String {
    read(connect(address, &format!("{headers}Connection: close\r\n")).await).await
}

async fn read(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.to_ascii_lowercase()
}

/// Serves as most programs do, with connections that are nobody's children.
fn serve(listener: TcpListener, app: Router) -> tokio::task::JoinHandle<io::Result<()>> {
    tokio::spawn(async { axum::serve(listener, app).await })
}

#[tokio::test]
async fn when_a_client_goes_away_what_its_request_has_started_is_told() {
    let (started, mut is_started) = mpsc::channel(1);
    let (told, mut is_told) = mpsc::channel(1);
    let handler = move || {
        let (started, told) = (started.clone(), told.clone());
        async move {
            let work = scope("handler", async move |s: &Scope<io::Error>| {
                let child = async move {
                    started.send(()).await.unwrap();
                    told.send(cancelled().await).await.unwrap();
                    Ok(())
                };
                let grace = Duration::from_secs(5);
                drop(s.spawn_with_grace("child", grace, child).await);
                pending::<io::Result<()>>().await
            });
            drop(work.await);
        }
    };
    let app = Router::new()
        .route("/", get(handler))
        .layer(DeadlineLayer::new());
    let (listener, address) = listen().await;
    let server = serve(listener, app);

    let client = connect(address, "").await;
    is_started.recv().await.unwrap();
    drop(client);
    assert_eq!(is_told.recv().await, Some(Reason::OwnerDropped));
    server.abort();
}

#[tokio::test]
async fn a_server_without_room_says_when_to_come_again() {
    let (entered, mut is_inside) = mpsc::channel(1);
    let (release, released) = oneshot::channel();
    let released = Arc::new(Mutex::new(Some(released)));
    let handler = move || {
        let (entered, released) = (entered.clone(), released.lock().unwrap().take());
        async move {
            entered.send(()).await.unwrap();
            released.expect("one request gets in").await.unwrap();
            "done"
        }
    };
    let policy = Policy::named("house").in_flight(1).queue(Queue::none());
    let admission = AdmissionLayer::new(policy.build().unwrap()).hold_until_body_ends();
    let app = Router::new().route("/", get(handler)).layer(admission);
    let (listener, address) = listen().await;
    let server = serve(listener, app);

    let first = tokio::spawn(ask(address, ""));
    is_inside.recv().await.unwrap();
    let refused = ask(address, "").await;
    assert!(refused.starts_with("http/1.1 503"), "{refused}");
    assert!(
        ["1", "2"]
            .iter()
            .any(|s| refused.contains(&format!("retry-after: {s}\r\n"))),
        "{refused}"
    );
    release.send(()).unwrap();
    let first = first.await.unwrap();
    assert!(
        first.starts_with("http/1.1 200") && first.ends_with("done"),
        "{first}"
    );
    server.abort();
}

struct Down;

impl Classify for Down {
    fn verdict(&self) -> Verdict {
        Verdict::transient()
    }
}

#[tokio::test]
async fn a_policy_in_the_handler_has_no_more_time_than_the_client() {
    let (seen, mut is_seen) = mpsc::channel(1);
    let handler = move || {
        let seen = seen.clone();
        async move {
            let policy = Policy::named("db").build().unwrap();
            let call = policy.call(Op::idempotent(), async |attempt| {
                let time = attempt.ends - attempt.started;
                seen.send(time).await.unwrap();
                pending::<Result<(), Down>>().await
            });
            // The scope ends at the same instant; whichever of the two is first, nothing is repeated.
            if let Err(CallError { why, .. }) = call.await {
                assert_eq!(why, StopReason::DeadlineTooClose);
            }
            pending::<()>().await;
        }
    };
    let app = Router::new()
        .route("/", get(handler))
        .layer(DeadlineLayer::new());
    let (listener, address) = listen().await;
    let server = serve(listener, app);

    let answer = ask(address, "X-Envoy-Expected-Rq-Timeout-Ms: 200\r\n").await;
    assert!(answer.starts_with("http/1.1 504"), "{answer}");
    assert!(is_seen.recv().await.unwrap() <= Duration::from_millis(200));
    assert!(is_seen.try_recv().is_err());
    server.abort();
}

/// A route that says when it is entered, and is done when it is released.
fn slow(entered: mpsc::Sender<()>, release: Arc<tokio::sync::Notify>) -> Router {
    Router::new().route(
        "/",
        get(move || {
            let (entered, release) = (entered.clone(), release.clone());
            async move {
                entered.send(()).await.unwrap();
                release.notified().await;
                "done"
            }
        }),
    )
}

#[tokio::test]
async fn a_server_of_axum_drains_by_hand() {
    let (entered, mut is_inside) = mpsc::channel(1);
    let release = Arc::new(tokio::sync::Notify::new());
    let drain = Drain::new();
    let policy = Policy::named("house").build().unwrap();
    let admission = AdmissionLayer::new(policy).drain(drain.clone());
    let app = slow(entered, release.clone()).layer(admission);
    let (listener, address) = listen().await;
    let closed = drain.clone();
    let server = axum::serve(listener, app)
        .with_graceful_shutdown(async move { closed.wait_closed().await });
    let server = tokio::spawn(async { server.await });

    let inside = connect(address, "").await;
    is_inside.recv().await.unwrap();
    drain.close();
    release.notify_one();
    let inside = read(inside).await;
    assert!(
        inside.starts_with("http/1.1 200") && inside.ends_with("done"),
        "{inside}"
    );
    assert!(inside.contains("connection: close"), "{inside}");
    server.await.unwrap().unwrap();
}

/// Accepts until `stop`, then tells the scope and says that it has.
async fn accept(
    s: &Scope<io::Error>,
    listener: TcpListener,
    app: Router,
    mut stop: oneshot::Receiver<oneshot::Sender<()>>,
) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted.unwrap().0,
            stopping = &mut stop => {
                s.cancel(Reason::User("shutdown"), GRACE);
                return stopping.unwrap().send(()).unwrap();
            }
        };
        let service = TowerToHyperService::new(app.clone());
        let connection = async move {
            // One that breaks is its own affair.
            drop(
                http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
            Ok(())
        };
        drop(s.spawn_with_grace("connection", GRACE, connection).await);
    }
}

const GRACE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_server_in_a_scope_drains_when_the_scope_is_told() {
    let (entered, mut is_inside) = mpsc::channel(1);
    let release = Arc::new(tokio::sync::Notify::new());
    let policy = Policy::named("house").build().unwrap();
    let app = slow(entered, release.clone())
        .layer(AdmissionLayer::new(policy))
        .layer(DeadlineLayer::new());
    let (listener, address) = listen().await;
    let (stop, stopping) = oneshot::channel();
    let opts = Opts::named("server").grace(GRACE);
    let server = tokio::spawn(scope(opts, async move |s: &Scope<io::Error>| {
        accept(s, listener, app, stopping).await;
        Ok(())
    }));

    // A connection that is kept after an answer, and one with a request inside.
    let mut kept = connect(address, "").await;
    is_inside.recv().await.unwrap();
    release.notify_one();
    let mut seen = Vec::new();
    while !seen.ends_with(b"done") {
        seen.push(kept.read_u8().await.unwrap());
    }
    let inside = connect(address, "").await;
    is_inside.recv().await.unwrap();

    let (told, is_told) = oneshot::channel();
    stop.send(told).unwrap();
    is_told.await.unwrap();
    kept.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let refused = read(kept).await;
    assert!(refused.starts_with("http/1.1 503"), "{refused}");
    assert!(
        refused.contains("retry-after: 0") && refused.contains("connection: close"),
        "{refused}"
    );

    release.notify_one();
    let inside = read(inside).await;
    assert!(
        inside.starts_with("http/1.1 200") && inside.ends_with("done"),
        "{inside}"
    );
    assert!(inside.contains("connection: close"), "{inside}");
    server.await.unwrap().unwrap();
}
