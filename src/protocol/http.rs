//! The interface to the network: [`HttpClient`] sends a request to the provider, [`ReqwestClient`]
//! is the default implementation.
//!
//! The rest of the protocol code builds requests and parses responses without any I/O. An
//! implementation follows these rules:
//!
//! - Redirects are not followed: a request may carry credentials, a code or a token (RFC 9700
//!   section 4.12 describes the leak).
//! - A POST request is sent once: it is repeated only if no connection could be made for it. A
//!   retried code or refresh token may be taken for a replay, and the provider then revokes its
//!   tokens (RFC 6749 section 4.1.2, RFC 9700 section 4.14.2).
//! - The response is bounded in size and time.
//! - Certificates are verified.

use std::{borrow::Cow, fmt, future::Future, net::IpAddr, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING},
};

use super::{pinned, tls_fault};
use crate::error::{ConfigError, Error, ErrorKind};

/// The future that [`HttpClient::send`] returns.
pub type HttpFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>;

/// An HTTP client that sends requests to the provider.
///
/// Implement it to use another HTTP library, to go through a proxy of your own, or to answer
/// requests in a test. For a private certificate authority
/// [`ReqwestClient::with_root_certificates`] is enough.
///
/// # Security
///
/// An implementation must verify certificates. It must not follow redirects and must not send a
/// POST request twice: requests carry codes, tokens and credentials. Only one whose connection
/// could not be made may be tried again. It should limit the time of a request and the size of a
/// response.
///
/// # Example
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use tower_identity::{HttpClient, HttpFuture};
///
/// /// Answers every request with an empty key set.
/// #[derive(Debug)]
/// struct NoKeys;
///
/// impl HttpClient for NoKeys {
///     fn send(&self, _request: Request<Bytes>) -> HttpFuture<'_> {
///         Box::pin(async { Ok(Response::new(Bytes::from_static(br#"{"keys":[]}"#))) })
///     }
/// }
/// ```
pub trait HttpClient: fmt::Debug + Send + Sync + 'static {
    /// Sends the request and reads the whole response, whatever its status.
    ///
    /// # Errors
    ///
    /// There is no complete response: no connection, an untrusted certificate, a timeout, or a body
    /// that is too large. An error status is no error here.
    fn send(&self, request: Request<Bytes>) -> HttpFuture<'_>;
}

/// A client that is shared, for example by the layer and
/// [`ValidConfig::check_with`](crate::ValidConfig::check_with).
impl<C: HttpClient + ?Sized> HttpClient for Arc<C> {
    fn send(&self, request: Request<Bytes>) -> HttpFuture<'_> {
        (**self).send(request)
    }
}

/// The error of a request without a complete response.
///
/// Its text goes to the log. It names the cause and holds nothing of the request or the response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpError {
    cause: Cow<'static, str>,
    failure: HttpFailure,
    /// What the operator can do, if the cause says more than that there is no response.
    remedy: Option<&'static str>,
}

/// The causes that are treated in a way of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HttpFailure {
    /// The response exceeded the size limit.
    TooLarge,
    /// Nothing listens at the address.
    Refused,
    Other,
}

impl HttpError {
    /// An error with its cause, as text for the log. Leave out URLs with a query, headers and
    /// bodies: they may hold secrets. A cause in the words of rustls about TLS gets its remedy.
    #[must_use]
    pub fn new(cause: impl Into<Cow<'static, str>>) -> Self {
        let cause = cause.into();
        let remedy = tls_fault::remedy(&cause);
        Self { cause, failure: HttpFailure::Other, remedy }
    }

    /// The error of a response that exceeds the size limit. It is reported as
    /// [`ErrorKind::AnswerTooLarge`](crate::ErrorKind::AnswerTooLarge), other errors as
    /// [`ErrorKind::ProviderUnreachable`](crate::ErrorKind::ProviderUnreachable).
    #[must_use]
    pub fn too_large() -> Self {
        let cause = Cow::Borrowed("the response is larger than 1 MiB");
        Self { cause, failure: HttpFailure::TooLarge, remedy: None }
    }

    /// The error of reqwest.
    fn of(error: &reqwest::Error) -> Self {
        let failure = if is_refused(error) { HttpFailure::Refused } else { HttpFailure::Other };
        Self { failure, ..Self::new(cause(error)) }
    }

    /// The error of this kind, with a detail that names the cause, and the remedy for the cause if
    /// there is one.
    pub(crate) fn to_error(&self, kind: ErrorKind, detail: String) -> Error {
        let error = Error::new(kind, detail);
        match self.remedy {
            Some(remedy) => error.with_remedy(remedy),
            None => error,
        }
    }

    /// Whether nothing listens at the address.
    pub(super) fn is_refused_connection(&self) -> bool {
        self.failure == HttpFailure::Refused
    }

    /// Whether the response exceeded the size limit.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        self.failure == HttpFailure::TooLarge
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

impl std::error::Error for HttpError {}

/// Whether the body has a content coding. It is not decoded: a small one could become a large one.
pub(crate) fn is_compressed(answer: &Response<Bytes>) -> bool {
    let coding = answer.headers().get(CONTENT_ENCODING);
    coding.is_some_and(|coding| {
        !coding.is_empty() && !coding.as_bytes().eq_ignore_ascii_case(b"identity")
    })
}

/// Asks for a response without a content coding, unless the request names those that are read.
/// Without the header every coding would be acceptable (RFC 9110 section 12.5.3).
pub(super) fn ask_for_no_coding(request: &mut Request<Bytes>) {
    let header = request.headers_mut().entry(ACCEPT_ENCODING);
    header.or_insert(HeaderValue::from_static("identity"));
}

/// The largest response body that is read, in bytes.
pub(crate) const MAX_RESPONSE_BYTES: usize = 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The time limit of a whole exchange, connecting included.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The greatest number of idle connections to one host, and how long each stays open.
///
/// The servers of Node, Apache and uvicorn close an idle connection after five seconds. A request
/// that is on its way then is lost, and only a GET may be sent again (RFC 9112 section 9.3.1).
const IDLE_CONNECTIONS: (usize, Duration) = (16, Duration::from_secs(4));

/// The default [`HttpClient`]: reqwest with rustls and the certificates of the operating system.
///
/// - Timeouts: 5 s to connect, 10 s for the whole exchange.
/// - Size: responses of up to 1 MiB. Compression is not requested, so that a small response cannot
///   expand to a large one.
/// - Redirects are not followed.
/// - A request whose connection could not be made is tried once more: nothing of it was sent.
/// - Up to 16 idle connections to a host stay open for four seconds, less than the five after which
///   many servers close theirs. A GET request that meets one which the provider has just closed is
///   sent once more. Other requests are never sent twice.
/// - Certificates are verified with those of the operating system's store. On Linux and other
///   systems without a verifier of their own, `SSL_CERT_FILE` and `SSL_CERT_DIR` name a file or
///   folders in place of that store.
/// - The proxy of the environment (`HTTPS_PROXY`, `NO_PROXY`) is used, except for loopback and
///   link-local hosts such as Azure's metadata service.
#[derive(Clone, Debug)]
pub struct ReqwestClient {
    clients: Result<Clients, HttpError>,
}

#[derive(Clone, Debug)]
struct Clients {
    remote: reqwest::Client,
    loopback: reqwest::Client,
}

impl ReqwestClient {
    /// A client with the limits above.
    ///
    /// This never fails. If the certificates of the operating system cannot be loaded, every
    /// request fails with that cause, so that the application starts and its log says what is
    /// wrong.
    #[must_use]
    pub fn new() -> Self {
        Self { clients: Clients::build(&[]).map_err(|error| HttpError::of(&error)) }
    }

    /// A client with the limits above that also trusts the given certificates: one or more in PEM,
    /// for example that of a company's certificate authority.
    ///
    /// # Errors
    ///
    /// The text holds no certificate, or one that cannot be parsed.
    pub fn with_root_certificates(pem: &str) -> Result<Self, ConfigError> {
        let wrong = |problem: String| ConfigError::new("with_root_certificates", problem);
        let roots = reqwest::Certificate::from_pem_bundle(pem.as_bytes())
            .map_err(|error| wrong(cause(&error)))?;
        if roots.is_empty() {
            return Err(wrong(
                "the text has no certificate; expected PEM, `-----BEGIN CERTIFICATE-----`"
                    .to_owned(),
            ));
        }
        Ok(Self { clients: Ok(Clients::build(&roots).map_err(|error| wrong(cause(&error)))?) })
    }
}

impl ReqwestClient {
    /// A client with the limits above that takes the certificate with this SHA-1 thumbprint from
    /// every server, and no other. It uses no proxy.
    ///
    /// Like [`new`](Self::new) it never fails.
    pub(crate) fn pinned(thumbprint: [u8; 20]) -> Self {
        let failed = |error: &rustls::Error| HttpError::new(error.to_string());
        let client = pinned::tls(thumbprint).map_err(|error| failed(&error)).and_then(|tls| {
            let client = Clients::builder().no_proxy().tls_backend_preconfigured(tls).build();
            client.map_err(|error| HttpError::of(&error))
        });
        Self { clients: client.map(|one| Clients { remote: one.clone(), loopback: one }) }
    }
}

impl Default for ReqwestClient {
    fn default() -> Self {
        Self::new()
    }
}

impl Clients {
    /// The settings that do not concern TLS.
    fn builder() -> reqwest::ClientBuilder {
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS.0)
            .pool_idle_timeout(IDLE_CONNECTIONS.1)
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
    }

    fn build(roots: &[reqwest::Certificate]) -> Result<Self, reqwest::Error> {
        let builder = || Self::builder().tls_certs_merge(roots.iter().cloned());
        Ok(Self { remote: builder().build()?, loopback: builder().no_proxy().build()? })
    }
}

impl HttpClient for ReqwestClient {
    fn send(&self, request: Request<Bytes>) -> HttpFuture<'_> {
        Box::pin(async move {
            let clients = self.clients.as_ref().map_err(HttpError::clone)?;
            let client = if is_direct(request.uri().host().unwrap_or_default()) {
                &clients.loopback
            } else {
                &clients.remote
            };
            // Not a limit of the client's own, which would begin again where a request is sent once
            // more.
            tokio::time::timeout(TIMEOUT, exchange(client, request))
                .await
                .unwrap_or_else(|_| Err(HttpError::new("too slow")))
        })
    }
}

async fn exchange(
    client: &reqwest::Client,
    mut request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    ask_for_no_coding(&mut request);
    let failed = |error: reqwest::Error| HttpError::of(&error);
    let request = reqwest::Request::try_from(request).map_err(failed)?;
    // RFC 9110 section 9.2.2: an idempotent request may be sent again by itself, any other only if
    // nothing of it was sent. `is_connect` is an error of the name, the socket, the proxy's tunnel
    // or TLS. After these, and on a connection of the pool, an error is one of the request. TLS
    // has no early data here, which would be sent before it is established.
    let is_get = request.method() == Method::GET;
    let may_repeat = |error: &reqwest::Error| error.is_connect() || (is_get && was_closed(error));
    let again = request.try_clone();
    let mut answer = match (client.execute(request).await, again) {
        (Err(error), Some(again)) if may_repeat(&error) => client.execute(again).await,
        (sent, _) => sent,
    }
    .map_err(failed)?;
    let mut body = Vec::new();
    // `Content-Length` is not relied on: it may be absent or wrong.
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        if body.len().saturating_add(chunk.len()) > MAX_RESPONSE_BYTES {
            return Err(HttpError::too_large());
        }
        body.extend_from_slice(&chunk);
    }
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = answer.status();
    std::mem::swap(response.headers_mut(), answer.headers_mut());
    Ok(response)
}

/// Whether the connection ended before the response began, as an idle one does that the provider
/// closes while the request is on its way.
fn was_closed(error: &reqwest::Error) -> bool {
    error.is_request() && !error.is_connect() && !error.is_timeout()
}

/// Whether the host is loopback or link-local. A proxy would resolve it to itself.
fn is_direct(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_local = |address: IpAddr| {
        address.is_loopback() || matches!(address, IpAddr::V4(address) if address.is_link_local())
    };
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_local)
}

/// The error and its sources in one line. The URL, which `Display` of the error has, is left out:
/// its query may hold secrets.
fn cause(error: &reqwest::Error) -> String {
    let mut text = match error {
        error if error.is_timeout() => "too slow".to_owned(),
        error if error.is_connect() => "no connection".to_owned(),
        error if error.is_builder() => "the request or the client cannot be built".to_owned(),
        _ => "the exchange failed".to_owned(),
    };
    for source in sources(error) {
        text.push_str(": ");
        text.push_str(&source.to_string());
    }
    text
}

/// Whether one of the sources is that the operating system refused the connection.
fn is_refused(error: &reqwest::Error) -> bool {
    sources(error).any(|source| {
        source
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
    })
}

fn sources(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    let first = std::error::Error::source(error);
    std::iter::successors(first, |error| error.source())
}

#[cfg(test)]
#[path = "http_tls_tests.rs"]
mod tls_tests;

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
