use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;
use tidegate::policy::{Class, Classify, Sent};
use tidegate_http::{BadClient, Client, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use crate::server::{Server, client, failure, ok, serve, uri};

/// An authority of the test's own, its certificate in a file.
struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let folder = TempDir::new().expect("a folder");
        fs::write(folder.path().join("ca.pem"), certificate.pem()).expect("a file");
        Self {
            folder,
            issuer: Issuer::new(params, key),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A server that has a certificate for `name`.
    async fn server(&self, name: &str) -> Server {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let chain = vec![CertificateDer::from(certificate)];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("ring supports them")
                .with_no_client_auth()
                .with_single_cert(chain, key)
                .expect("key and certificate match");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let answer = Arc::new(|_: &_, _| ok("secret"));
        Server::raw(move |stream| {
            let (acceptor, answer) = (acceptor.clone(), answer.clone());
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(TokioIo::new(stream), answer, Arc::default()).await;
                }
            }
        })
        .await
    }
}

fn over_tls(server: &Server) -> Request {
    Request::get(uri(&format!("https://{}/", server.address())))
}

#[tokio::test]
async fn a_server_of_an_extra_authority_is_trusted_and_its_connection_kept() {
    let authority = Authority::new();
    let server = authority.server("127.0.0.1").await;
    let client = Client::builder()
        .extra_ca(authority.path())
        .build()
        .expect("a good file");
    for _ in 0..2 {
        let answer = client.send(over_tls(&server)).await.expect("an answer");
        assert_eq!(answer.body, "secret");
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_server_of_an_unknown_authority_is_refused_for_good() {
    let server = Authority::new().server("127.0.0.1").await;
    let error = failure(client().send(over_tls(&server)).await);
    assert!(error.is_connect() && error.is_tls());
    assert_eq!(
        (error.verdict().class, error.verdict().sent),
        (Class::Fatal, Sent::No)
    );
    let start = format!("certificate of {} is not trusted: ", server.address());
    assert!(error.to_string().starts_with(&start), "{error}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_for_good() {
    let authority = Authority::new();
    let server = authority.server("other.example").await;
    let client = Client::builder()
        .extra_ca(authority.path())
        .build()
        .expect("a good file");
    let error = failure(client.send(over_tls(&server)).await);
    assert!(error.is_tls(), "{error}");
    assert_eq!(error.verdict().class, Class::Fatal);
}

#[tokio::test]
async fn a_server_without_tls_is_refused_for_good() {
    let server = Server::raw(|mut stream| async move {
        let mut hello = [0; 4096];
        assert!(stream.read(&mut hello).await.is_ok());
        let answer = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        assert!(answer.is_ok());
    })
    .await;
    let error = failure(client().send(over_tls(&server)).await);
    assert!(error.is_tls(), "{error}");
    assert_eq!(error.verdict().class, Class::Fatal);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_end_is_given_up_after_ten_seconds() {
    let server = Server::raw(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let started = tokio::time::Instant::now();
    let error = failure(client().send(over_tls(&server)).await);
    assert!(error.is_connect() && !error.is_tls());
    assert_eq!(
        (error.verdict().class, error.verdict().sent),
        (Class::NeverSent, Sent::No)
    );
    assert_eq!(
        error.to_string(),
        format!("no connection to {} within 10 s", server.address())
    );
    assert_eq!(started.elapsed().as_secs(), 10);
}

#[test]
fn a_file_without_certificates_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("empty.pem");
    let build = || Client::builder().extra_ca(&path).build();
    assert!(matches!(build(), Err(BadClient::ExtraCa { .. })), "missing");
    fs::write(&path, "").expect("a file");
    let error = build().expect_err("no certificate");
    assert!(
        error.to_string().contains("no certificate in it"),
        "{error}"
    );
}
