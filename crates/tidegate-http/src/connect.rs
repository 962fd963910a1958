//! From a host to an open connection: DNS, TCP and TLS, with one time limit over all three.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::GaiResolver;
use hyper_util::rt::TokioIo;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tower::Service;
use tower::util::{MapErr, ServiceExt};

use crate::builder::BadClient;

/// How long name, TCP and TLS together may take.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Resolver = MapErr<GaiResolver, fn(io::Error) -> NoAddress>;

/// The host's name has no address: marks DNS failures, which hyper-util only tells apart by text.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NoAddress(io::Error);

/// The connection was not ready for a request in time.
#[derive(Debug, thiserror::Error)]
#[error("not connected within {} s", CONNECT_TIMEOUT.as_secs())]
pub(crate) struct ConnectTimedOut;

/// Opens connections for the pool.
///
/// `HttpConnector` has a connect timeout of its own, but it covers TCP alone and is divided among the addresses:
/// a server that accepts and then says nothing would hold a TLS handshake, and with it a permit, for ever.
#[derive(Clone)]
pub(crate) struct Connector {
    https: HttpsConnector<HttpConnector<Resolver>>,
}

impl Connector {
    pub(crate) fn new(tls: ClientConfig) -> Self {
        let resolver: Resolver =
            GaiResolver::new().map_err(NoAddress as fn(io::Error) -> NoAddress);
        let mut tcp = HttpConnector::new_with_resolver(resolver);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(Duration::from_secs(30)));
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.enforce_http(false);
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Self { https }
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.https.call(uri);
        Box::pin(async move {
            match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
                Ok(connected) => connected,
                Err(_) => Err(ConnectTimedOut.into()),
            }
        })
    }
}

/// Trust in the roots of webpki and, beside them, the certificates of `extra_ca`.
pub(crate) fn tls_config(extra_ca: Option<&Path>) -> Result<ClientConfig, BadClient> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = extra_ca {
        add_certificates(&mut roots, path)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

fn add_certificates(roots: &mut RootCertStore, path: &Path) -> Result<(), BadClient> {
    let bad = |cause: String| BadClient::ExtraCa {
        path: PathBuf::from(path),
        cause,
    };
    let pem = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
    let mut found = false;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| bad(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| bad(error.to_string()))?;
        found = true;
    }
    if found {
        Ok(())
    } else {
        Err(bad(
            "no certificate in it; it must hold PEM blocks `BEGIN CERTIFICATE`".into(),
        ))
    }
}
