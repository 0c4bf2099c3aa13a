//! The one way out: [`HttpClient`] sends a request to the provider, [`ReqwestClient`] is the one
//! that is used by default.
//!
//! The protocol code builds requests and reads answers; only what implements [`HttpClient`] does
//! any I/O. Whatever implements it keeps to these rules (RFC 9700 sections 2.6 and 4.12):
//!
//! - redirects are not followed: a request may carry credentials, a code or a token;
//! - a request is sent once; a code must not be posted twice behind the caller's back;
//! - the answer is bounded in size and time;
//! - certificates are verified.

use std::{borrow::Cow, fmt, future::Future, net::IpAddr, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};

use crate::error::ConfigError;

/// What [`HttpClient::send`] returns.
pub type HttpFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>;

/// Sends requests to the provider.
///
/// Implement it to go through a proxy, to trust a private certificate authority, or to answer in a
/// test.
///
/// # Security
///
/// An implementation does not follow redirects, does not repeat a request, verifies certificates,
/// gives up after some seconds, and reads no more than it is ready to keep in memory.
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
    /// Sends the request and reads the whole answer, whatever its status.
    ///
    /// # Errors
    ///
    /// There is no answer: no connection, no trust in the certificate, too slow, too large.
    fn send(&self, request: Request<Bytes>) -> HttpFuture<'_>;
}

/// A client that several share, for example the layer and a
/// [check](crate::ValidConfig::check_with).
impl<C: HttpClient + ?Sized> HttpClient for Arc<C> {
    fn send(&self, request: Request<Bytes>) -> HttpFuture<'_> {
        (**self).send(request)
    }
}

/// There is no answer to a request.
///
/// Its text goes to the log: it tells the fault and holds neither the request nor the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpError {
    fault: Cow<'static, str>,
    too_large: bool,
}

impl HttpError {
    /// An error with what to write to the log. Leave out addresses with a query, headers and
    /// bodies: they may hold secrets.
    #[must_use]
    pub fn new(fault: impl Into<Cow<'static, str>>) -> Self {
        Self { fault: fault.into(), too_large: false }
    }

    /// The error of an answer that came but is larger than what is read, so that nobody is told
    /// that the provider cannot be reached.
    #[must_use]
    pub fn too_large() -> Self {
        Self { fault: Cow::Borrowed("the answer is larger than 1 MiB"), too_large: true }
    }

    /// Whether the fault is an answer that is larger than what is read.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        self.too_large
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fault)
    }
}

impl std::error::Error for HttpError {}

/// The largest answer that is read: 1 MiB.
pub(crate) const LARGEST_ANSWER: usize = 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(10);
/// Connections to one host that are kept open for the next request, and for how long.
const IDLE_CONNECTIONS: (usize, Duration) = (16, Duration::from_secs(60));

/// The default [`HttpClient`]: reqwest with rustls and the operating system's certificates.
///
/// - 5 s to connect, 10 s for everything; 1 MiB for the answer, which is never asked for
///   compressed;
/// - no redirects, no repetitions;
/// - at most 16 connections to a host are kept open when they are not used, for a minute;
/// - the proxy of the environment (`HTTPS_PROXY`, `NO_PROXY`), but never for a loopback or
///   link-local host, such as Azure's metadata service.
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
    /// The client with the limits above.
    ///
    /// Where the machine's certificates cannot be loaded it is made all the same, and every request
    /// fails with the reason: the application starts, and the sign-in page says what is wrong.
    #[must_use]
    pub fn new() -> Self {
        Self { clients: Clients::build(&[]).map_err(|error| HttpError::new(fault(&error))) }
    }

    /// The client with the limits above that trusts these certificates, too: one or more in PEM,
    /// for example of a company's own certificate authority.
    ///
    /// # Errors
    ///
    /// The text holds no certificate, or one that cannot be read.
    pub fn with_root_certificates(pem: &str) -> Result<Self, ConfigError> {
        let wrong = |problem: String| ConfigError::new("with_root_certificates", problem);
        let roots = reqwest::Certificate::from_pem_bundle(pem.as_bytes())
            .map_err(|error| wrong(fault(&error)))?;
        if roots.is_empty() {
            return Err(wrong(
                "there is no certificate in it; expected PEM, `-----BEGIN CERTIFICATE-----`"
                    .to_owned(),
            ));
        }
        Ok(Self { clients: Ok(Clients::build(&roots).map_err(|error| wrong(fault(&error)))?) })
    }
}

impl Default for ReqwestClient {
    fn default() -> Self {
        Self::new()
    }
}

impl Clients {
    fn build(roots: &[reqwest::Certificate]) -> Result<Self, reqwest::Error> {
        let builder = || {
            reqwest::Client::builder()
                .tls_certs_merge(roots.iter().cloned())
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(TIMEOUT)
                .pool_max_idle_per_host(IDLE_CONNECTIONS.0)
                .pool_idle_timeout(IDLE_CONNECTIONS.1)
                .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
        };
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
            exchange(client, request).await
        })
    }
}

async fn exchange(
    client: &reqwest::Client,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    let request =
        reqwest::Request::try_from(request).map_err(|error| HttpError::new(fault(&error)))?;
    let mut answer =
        client.execute(request).await.map_err(|error| HttpError::new(fault(&error)))?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| HttpError::new(fault(&error)))? {
        if body.len().saturating_add(chunk.len()) > LARGEST_ANSWER {
            return Err(HttpError::too_large());
        }
        body.extend_from_slice(&chunk);
    }
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = answer.status();
    std::mem::swap(response.headers_mut(), answer.headers_mut());
    Ok(response)
}

/// Whether the host is this machine or on its own link, to which no proxy leads.
fn is_direct(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_local = |address: IpAddr| {
        address.is_loopback() || matches!(address, IpAddr::V4(address) if address.is_link_local())
    };
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_local)
}

/// The error and its causes in one line, without the address: its query may hold more than it
/// should.
fn fault(error: &reqwest::Error) -> String {
    let mut text = match error {
        error if error.is_timeout() => "too slow".to_owned(),
        error if error.is_connect() => "no connection".to_owned(),
        error if error.is_builder() => "the request or the client cannot be built".to_owned(),
        _ => "the exchange failed".to_owned(),
    };
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// Answers every connection with these bytes and counts nothing but on the wire.
    async fn server(answer: Vec<u8>) -> (http::Uri, tokio::sync::mpsc::UnboundedReceiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let mut request = vec![0; 4096];
                let read = connection.read(&mut request).await.unwrap_or(0);
                let _ = sender.send(String::from_utf8_lossy(&request[..read]).into_owned());
                let _ = connection.write_all(&answer).await;
            }
        });
        (format!("http://{address}/token").parse().unwrap(), requests)
    }

    async fn post(uri: http::Uri) -> Result<Response<Bytes>, HttpError> {
        ReqwestClient::new()
            .send(Request::post(uri).body(Bytes::from_static(b"code=c")).unwrap())
            .await
    }

    /// C-152
    #[tokio::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        let (uri, mut requests) = server(
            b"HTTP/1.1 307 Temporary Redirect\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n"
                .to_vec(),
        )
        .await;
        assert_eq!(post(uri).await.unwrap().status(), 307);
        assert!(requests.recv().await.unwrap().starts_with("POST /token "));
        assert!(requests.try_recv().is_err());
    }

    /// C-153, C-230
    #[tokio::test]
    async fn an_endless_answer_is_cut_off() {
        let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        answer.resize(LARGEST_ANSWER + 4096, b' ');
        let (uri, _requests) = server(answer).await;
        assert_eq!(post(uri).await.unwrap_err(), HttpError::too_large());
    }

    /// C-230: what is never asked for compressed cannot unfold in memory.
    #[tokio::test]
    async fn a_compressed_answer_is_neither_asked_for_nor_unpacked() {
        let (uri, mut requests) = server(
            b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\n\x1f\x8b\x08"
                .to_vec(),
        )
        .await;
        assert_eq!(post(uri).await.unwrap().body().as_ref(), b"\x1f\x8b\x08");
        assert!(!requests.recv().await.unwrap().to_ascii_lowercase().contains("accept-encoding"));
    }

    /// C-154
    #[tokio::test]
    async fn a_request_without_an_answer_is_not_repeated() {
        let (uri, mut requests) = server(Vec::new()).await;
        assert!(post(uri).await.is_err());
        assert!(requests.recv().await.is_some());
        assert!(requests.try_recv().is_err());
    }

    /// C-231: the peer offers no certificate that the machine trusts.
    #[tokio::test]
    async fn a_server_that_cannot_prove_itself_is_refused() {
        let (uri, _requests) = server(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()).await;
        let https = uri.to_string().replacen("http://", "https://", 1).parse().unwrap();
        assert!(post(https).await.unwrap_err().to_string().starts_with("no connection"));
    }

    #[tokio::test]
    async fn an_error_does_not_tell_the_address() {
        let error =
            post("http://127.0.0.1:1/token?code=s3cr3t".parse().unwrap()).await.unwrap_err();
        assert!(!error.to_string().contains("s3cr3t"), "{error}");
    }

    #[test]
    fn hosts_without_a_proxy() {
        for host in ["localhost", "LocalHost", "127.0.0.1", "127.9.9.9", "[::1]", "169.254.169.254"]
        {
            assert!(is_direct(host), "{host}");
        }
        for host in ["localhost.example", "128.0.0.1", "[::2]", "", "login.microsoftonline.com"] {
            assert!(!is_direct(host), "{host}");
        }
    }
}
