//! How do spans get to the collector? By one HTTP request a batch, on a runtime that is not the
//! sender's.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use http::header::HOST;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// The most of an answer that is read.
const LONGEST_ANSWER: usize = 64 << 10;

/// Sends requests on a runtime. The threads that wait for it need none themselves.
pub(super) struct Client {
    runtime: Handle,
    patience: Duration,
    tls: Option<TlsConnector>,
    trouble: Arc<Trouble>,
}

/// Why the last request that failed did so.
#[derive(Debug, Default)]
pub(super) struct Trouble(Mutex<Option<String>>);

impl Client {
    /// Sends on this runtime, and gives up on a request after `patience`. `tls` is for https.
    pub(super) fn new(runtime: Handle, patience: Duration, tls: Option<TlsConnector>) -> Self {
        Self {
            runtime,
            patience,
            tls,
            trouble: Arc::default(),
        }
    }

    /// Where it says what went wrong: who asks for a request is told that it failed only.
    pub(super) fn trouble(&self) -> Arc<Trouble> {
        Arc::clone(&self.trouble)
    }
}

/// Which the exporter asks for; there is nothing in it to show.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Trouble {
    fn note(&self, error: &HttpError) {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }

    /// What was noted since this was last asked.
    pub(super) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (patience, tls) = (self.patience, self.tls.clone());
        let sending = self.runtime.spawn(async move {
            timeout(patience, connect_and_send(request, tls))
                .await
                .unwrap_or_else(|_| Err("the collector did not answer in time".into()))
        });
        // A task that is gone without an answer was on a runtime that has ended.
        let answer = sending.await.unwrap_or_else(|gone| Err(gone.into()));
        answer.inspect_err(|error| self.trouble.note(error))
    }
}

/// The way to a collector whose certificate must be good: by the system's authorities, or by those of
/// browsers where the system has none.
pub(super) fn tls() -> Result<TlsConnector, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config).into())
}

async fn connect_and_send(
    request: Request<Bytes>,
    tls: Option<TlsConnector>,
) -> Result<Response<Bytes>, HttpError> {
    let Some(authority) = request.uri().authority().cloned() else {
        return Err("there is no host to send to".into());
    };
    let host = authority.host().trim_matches(['[', ']']);
    let default_port = if tls.is_some() { 443 } else { 80 };
    let port = authority.port_u16().unwrap_or(default_port);
    let stream = TcpStream::connect((host, port)).await?;
    match tls {
        Some(tls) => {
            let name = ServerName::try_from(host.to_owned())?;
            send(request, &authority, tls.connect(name, stream).await?).await
        }
        None => send(request, &authority, stream).await,
    }
}

async fn send(
    request: Request<Bytes>,
    authority: &Authority,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<Response<Bytes>, HttpError> {
    let (mut head, body) = request.into_parts();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with `sender`; what goes wrong on it is told there.
    drop(tokio::spawn(connection));
    let target = head.uri.path_and_query().cloned();
    head.uri = Uri::from(target.unwrap_or(PathAndQuery::from_static("/")));
    let host = HeaderValue::try_from(authority.as_str())?;
    head.headers.insert(HOST, host);
    let request = Request::from_parts(head, Full::new(body));
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = Limited::new(body, LONGEST_ANSWER).collect().await?;
    Ok(Response::from_parts(head, body.to_bytes()))
}
