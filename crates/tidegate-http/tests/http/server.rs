//! Servers to ask: a sound one whose answers a closure makes, and a raw one that may do anything.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tidegate_http::{Answer, Client, HttpError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A server that ends with the test.
pub(crate) struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Answers every request with what `answer` makes of it and its body.
    pub(crate) async fn start<F>(answer: F) -> Self
    where
        F: Fn(&Request<Incoming>, Bytes) -> Response<Full<Bytes>> + Send + Sync + 'static,
    {
        let answer = Arc::new(answer);
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = requests.clone();
        let mut server =
            Self::raw(move |stream| serve(TokioIo::new(stream), answer.clone(), counted.clone()))
                .await;
        server.requests = requests;
        server
    }

    /// Hands every connection to `talk`.
    pub(crate) async fn raw<F, T>(talk: F) -> Self
    where
        F: Fn(TcpStream) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut talks = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                talks.spawn(talk(stream));
            }
        });
        Self {
            address,
            connections,
            requests: Arc::default(),
            _tasks: tasks,
        }
    }

    /// Reads one request from each connection, writes `answer` and closes.
    pub(crate) async fn says(answer: impl Into<Vec<u8>>) -> Self {
        let answer: Arc<[u8]> = answer.into().into();
        Self::raw(move |mut stream| {
            let answer = answer.clone();
            async move {
                read_head(&mut stream).await;
                // The client may have closed first; what it makes of that is what the test looks at.
                drop(tokio::io::AsyncWriteExt::write_all(&mut stream, &answer).await);
            }
        })
        .await
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn uri(&self, path: &str) -> Uri {
        uri(&format!("http://{}{path}", self.address))
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

pub(crate) async fn serve<I, F>(io: TokioIo<I>, answer: Arc<F>, requests: Arc<AtomicUsize>)
where
    I: AsyncRead + AsyncWrite + Unpin,
    F: Fn(&Request<Incoming>, Bytes) -> Response<Full<Bytes>>,
{
    let service = service_fn(|mut request: Request<Incoming>| {
        requests.fetch_add(1, Ordering::SeqCst);
        let answer = answer.clone();
        async move {
            let body = match request.body_mut().collect().await {
                Ok(body) => body.to_bytes(),
                Err(_) => Bytes::new(),
            };
            Ok::<_, Infallible>(answer(&request, body))
        }
    });
    // An error is a client that went away.
    drop(http1::Builder::new().serve_connection(io, service).await);
}

/// Reads up to the end of a request's head.
pub(crate) async fn read_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
}

pub(crate) fn ok(body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    Response::new(Full::new(body.into()))
}

pub(crate) fn client() -> Client {
    Client::with_defaults().expect("the defaults are sound")
}

pub(crate) fn uri(text: &str) -> Uri {
    text.parse().expect("a valid URI")
}

/// The error of a request that must fail.
#[track_caller]
pub(crate) fn failure(result: Result<Answer, HttpError>) -> HttpError {
    result.expect_err("the request fails")
}
