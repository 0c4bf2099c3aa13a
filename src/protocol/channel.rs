//! [`Channel`] sends every request to the provider: with a time limit, a size limit, and through
//! the back channel if one is configured. [`observed`] records the outcome of a step in its span.

use std::{borrow::Cow, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{ACCEPT, AUTHORIZATION, HOST, LOCATION},
};
use tracing::{Instrument as _, Span};
use url::Url;

use super::{
    correlation::RequestId,
    error_answer::{self, EndpointName},
    http::{HttpClient, HttpError, MAX_RESPONSE_BYTES, ask_for_no_coding, is_compressed},
    sent_secrets::SentSecrets,
};
use crate::{
    authority::{Authority, at_origin_of},
    error::{Error, ErrorKind, shown},
    measure::Stopwatch,
    secret::Secret,
};

/// Sends requests through an [`HttpClient`] and turns its failures into errors that name the
/// endpoint.
#[derive(Clone, Debug)]
pub(super) struct Channel {
    http: Arc<dyn HttpClient>,
    timeout: Duration,
    /// The public URL of the provider, and the URL by which this machine reaches it.
    route: Option<Arc<(Url, Url)>>,
}

/// The time limit of one request, for HTTP clients without one: all requests that wait for the same
/// response would hang with it. The default client gives up earlier.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The response with the document of an authority.
pub(super) struct DiscoveryAnswer<'a> {
    /// The URL of the response.
    pub(super) url: Cow<'a, Url>,
    pub(super) answer: Response<Bytes>,
    /// Whether it is the metadata of an authorization server (RFC 8414).
    pub(super) is_oauth: bool,
    /// The URL of that metadata, if it was requested.
    pub(super) oauth_url: Option<Url>,
}

/// Whether a status says that there is no document. Not every server answers 404 for that.
fn is_absent(status: StatusCode) -> bool {
    status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS
}

impl Channel {
    pub(super) fn new(http: Arc<dyn HttpClient>) -> Self {
        Self { http, timeout: TIMEOUT, route: None }
    }

    /// The channel to this authority, through its back channel if it has one.
    pub(super) fn to(http: Arc<dyn HttpClient>, authority: &Authority) -> Self {
        let route = authority
            .back_channel()
            .map(|back| Arc::new((authority.metadata_url().clone(), back.clone())));
        Self { route, ..Self::new(http) }
    }

    /// The request with its URL moved to the back channel. `Host` stays the public one, because
    /// many providers derive their issuer from it.
    fn routed(&self, request: Request<Bytes>) -> Request<Bytes> {
        let Some((public, back)) = self.route.as_deref() else { return request };
        let Ok(url) = Url::parse(&request.uri().to_string()) else { return request };
        // Endpoints at another origin (UserInfo at Graph, for example) have no back channel.
        if url.origin() != public.origin() {
            return request;
        }
        let moved = at_origin_of(&url, back).and_then(|moved| moved.as_str().parse::<Uri>().ok());
        let host = request
            .uri()
            .authority()
            .and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
        let (Some(moved), Some(host)) = (moved, host) else { return request };
        let (mut head, body) = request.into_parts();
        head.uri = moved;
        head.headers.insert(HOST, host);
        // The back channel may be http. Providers behind a proxy derive the scheme of their issuer
        // from this header.
        if public.scheme() == "https" {
            head.headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
        }
        Request::from_parts(head, body)
    }

    #[cfg(test)]
    pub(super) fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Fetches a document by GET; any status but 200 is an error.
    ///
    /// A web server in front of the provider may redirect from the well-known URL to that of the
    /// provider (Nextcloud does). The request carries no secret, so up to [`MAX_REDIRECTS`]
    /// redirects within the origin are followed. A POST is never redirected.
    pub(super) async fn document(
        &self,
        what: &'static str,
        url: &Url,
    ) -> Result<Response<Bytes>, Error> {
        let (url, answer) = self.follow(what, url).await?;
        document_of(what, &url, answer)
    }

    /// Sends a GET for the discovery document of this authority, and where there is none, for the
    /// metadata of an authorization server (RFC 8414). Servers that issue no ID tokens publish that
    /// alone, and an API needs no ID tokens. Returns the response, whatever its status.
    ///
    /// # Errors
    ///
    /// Those of [`follow`](Self::follow).
    pub(super) async fn discovery<'a>(
        &self,
        authority: &'a Authority,
    ) -> Result<DiscoveryAnswer<'a>, Error> {
        let (url, answer) = self.follow(DISCOVERY_DOCUMENT, authority.metadata_url()).await?;
        let is_absent = is_absent(answer.status());
        let Some(other) = authority.oauth_metadata_url().filter(|_| is_absent) else {
            return Ok(DiscoveryAnswer { url, answer, is_oauth: false, oauth_url: None });
        };
        let (url, answer, is_oauth) = match self.follow(DISCOVERY_DOCUMENT, &other).await {
            Ok((url, answer)) if answer.status() == StatusCode::OK => {
                (Cow::Owned(url.into_owned()), answer, true)
            }
            _ => (url, answer, false),
        };
        Ok(DiscoveryAnswer { url, answer, is_oauth, oauth_url: Some(other) })
    }

    /// Sends a GET and follows redirects as [`document`](Self::document) does. Returns the URL of
    /// the last response and the response, whatever its status.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send), and [`ErrorKind::ProviderMisconfigured`] for a redirect that
    /// is not followed.
    pub(super) async fn follow<'a>(
        &self,
        what: &'static str,
        url: &'a Url,
    ) -> Result<(Cow<'a, Url>, Response<Bytes>), Error> {
        let mut url = Cow::Borrowed(url);
        let mut redirects = 0;
        loop {
            let answer = self.send(what, empty_request(Method::GET, &url)?).await?;
            let Some(next) = redirected(&answer, &url) else {
                return Ok((url, answer));
            };
            // Another origin could publish the keys of another party for this issuer.
            if next.origin() != url.origin() || redirects == MAX_REDIRECTS {
                let status = answer.status().as_u16();
                let problem = if redirects == MAX_REDIRECTS {
                    "the fourth redirect"
                } else {
                    "a redirect to another origin"
                };
                let detail = format!(
                    "{what}: the status is {status}, {problem}, to {:?}: configure the URL at \
                     which the document is published (`with_discovery_url`, \
                     IDENTITY_DISCOVERY_URL), or the authority whose document it is \
                     (IDENTITY_OIDC_AUTHORITY)",
                    without_query(&next)
                );
                return Err(Error::new(ErrorKind::ProviderMisconfigured, detail));
            }
            redirects += 1;
            url = Cow::Owned(next);
        }
    }

    /// Sends a request once and returns the response, whatever its status. `what` names the
    /// endpoint in errors.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProviderUnreachable`], [`ErrorKind::AnswerTooLarge`].
    pub(super) async fn send(
        &self,
        what: &'static str,
        mut request: Request<Bytes>,
    ) -> Result<Response<Bytes>, Error> {
        // The HTTP client may be the application's.
        ask_for_no_coding(&mut request);
        let secrets = SentSecrets::sent_with(&request);
        let id = RequestId::of(request.extensions()).cloned();
        if let Some(id) = &id {
            Span::current().record("client_request_id", id.as_str());
        }
        let stopwatch = Stopwatch::start();
        let request = self.routed(request);
        let url = request.uri().clone();
        let sending = tokio::time::timeout(self.timeout, self.http.send(request));
        let answer = match sending.await.unwrap_or_else(|_| Err(HttpError::new("too slow"))) {
            // The application's own HTTP client may not limit the size.
            Ok(answer) if answer.body().len() > MAX_RESPONSE_BYTES => Err(HttpError::too_large()),
            Ok(answer) if is_compressed(&answer) => Err(HttpError::new(
                "the response is compressed, although the request has `Accept-Encoding: identity`: \
                 switch the compression off in the web server or storage that serves it",
            )),
            Ok(mut answer) => {
                answer.extensions_mut().insert(EndpointName(what));
                if let Some(secrets) = secrets {
                    answer.extensions_mut().insert(secrets);
                }
                if let Some(id) = &id {
                    answer.extensions_mut().insert(id.clone());
                }
                Ok(answer)
            }
            Err(error) => Err(error),
        };
        stopwatch.provider(what, answer.as_ref().ok().map(|answer| answer.status().as_u16()));
        answer.map_err(|error| not_sent(what, &url, id.as_ref(), &error))
    }
}

/// The error of a request without a response.
fn not_sent(what: &str, url: &Uri, id: Option<&RequestId>, error: &HttpError) -> Error {
    let detail = with_id(format!("{what}: {error}"), id);
    if error.is_too_large() {
        return error.to_error(ErrorKind::AnswerTooLarge, detail);
    }
    let kind = ErrorKind::ProviderUnreachable;
    // Its port can be that of another server by now.
    if error.is_refused_connection()
        && let Some(provider) = stopped_provider(url)
    {
        return Error::new(kind, format!("{detail}. {provider}")).with_remedy(
            "keep the handle (`DevProvider`) as long as the application runs: with \
             `let (_provider, config) = …` it lives to the end of the block, with \
             `let (_, config) = …` it is dropped at once",
        );
    }
    error.to_error(kind, detail)
}

fn with_id(detail: String, id: Option<&RequestId>) -> String {
    match id {
        Some(id) => format!("{detail} (client-request-id {})", id.as_str()),
        None => detail,
    }
}

/// A sentence about the development provider of this process that listened at this URL, if it has
/// stopped: no network is to blame then.
#[cfg(feature = "dev-provider")]
fn stopped_provider(url: &Uri) -> Option<String> {
    let address = crate::authority::stopped::stopped_at(url)?;
    Some(format!(
        "The development provider at {address} has stopped, because its handle was dropped or \
         shut down"
    ))
}

#[cfg(not(feature = "dev-provider"))]
fn stopped_provider(_: &Uri) -> Option<String> {
    None
}

/// The greatest number of redirects that are followed for a document.
const MAX_REDIRECTS: u8 = 3;

/// The target of a redirect (RFC 9110 section 15.4); `None` if the response is none or its target
/// cannot be requested.
fn redirected(answer: &Response<Bytes>, from: &Url) -> Option<Url> {
    let leads_on = matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = answer.headers().get(LOCATION).filter(|_| leads_on)?.to_str().ok()?;
    let mut next = from.join(location).ok()?;
    next.set_fragment(None);
    (next.has_host() && next.username().is_empty() && next.password().is_none()).then_some(next)
}

/// The place to which a redirect leads, for a message: a URL without its query, or a path.
pub(super) fn redirect_target(answer: &Response<Bytes>) -> Option<String> {
    let location = answer.headers().get(LOCATION)?.to_str().ok()?;
    let target = match Url::parse(location) {
        Ok(url) => without_query(&url),
        Err(_) => location.split(['?', '#']).next().unwrap_or_default().to_owned(),
    };
    Some(shown(&SentSecrets::of(answer).taken_out_of(&target)))
}

/// A URL without its query, shortened for a message.
fn without_query(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path().get(..200).unwrap_or(url.path()))
}

/// The discovery document in the words of errors.
pub(super) const DISCOVERY_DOCUMENT: &str = "the discovery document";

/// The response, if its status is 200.
pub(super) fn document_of(
    what: &'static str,
    url: &Url,
    answer: Response<Bytes>,
) -> Result<Response<Bytes>, Error> {
    match answer.status() {
        StatusCode::OK => Ok(answer),
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            Err(error_answer::http_error(&answer))
        }
        _ => match error_answer::http_error(&answer).provider() {
            // Entra answers so for a tenant that does not exist.
            Some(said) if said.code.is_some() => {
                Err(Error::from_provider(ErrorKind::ProviderMisconfigured, said.clone()))
            }
            _ => {
                let hidden = match answer.status() {
                    StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                        ": the provider has to publish it for requests without a credential \
                         (Oracle Identity Cloud: *Access Signing Certificate*, *Configure client \
                         access*)"
                    }
                    _ => "",
                };
                let (status, url) = (answer.status().as_u16(), without_query(url));
                let detail =
                    format!("{what}: the status is {status} at {url:?}, expected 200{hidden}");
                Err(Error::new(ErrorKind::ProviderMisconfigured, detail))
            }
        },
    }
}

/// The error of a document that cannot be used, with its URL and the declared format of its body.
pub(super) fn document_error(error: Error, url: &Url, answer: &Response<Bytes>) -> Error {
    let format = error_answer::body_format(answer);
    let detail = format!("{} (from {:?}, {format})", error.detail(), without_query(url));
    error.with_detail(detail)
}

/// Runs a step inside its span and records its outcome there (`outcome`, and `reason` of an error).
pub(super) fn observed<T>(
    span: Span,
    step: impl Future<Output = Result<T, Error>>,
) -> impl Future<Output = Result<T, Error>> {
    let inner = span.clone();
    async move {
        let outcome = step.await;
        match &outcome {
            Ok(_) => span.record("outcome", "ok"),
            Err(error) => {
                tracing::debug!(%error, "the step failed");
                span.record("outcome", "failed").record("reason", error.reason())
            }
        };
        outcome
    }
    .instrument(inner)
}

/// A request without a body that accepts JSON.
///
/// # Errors
///
/// [`ErrorKind::ProviderMisconfigured`]: the URL is not a valid request target.
pub(super) fn empty_request(method: Method, url: &Url) -> Result<Request<Bytes>, Error> {
    let request = Request::builder()
        .method(method)
        .uri(url.as_str())
        .header(ACCEPT, "application/json")
        .body(Bytes::new());
    request.map_err(|_| {
        Error::new(
            ErrorKind::ProviderMisconfigured,
            "the URL of an endpoint is not a valid request target",
        )
    })
}

/// A GET request with an access token in the `Authorization` header (RFC 6750 section 2.1). A token
/// with characters that a header cannot hold is an error of this kind.
pub(super) fn bearer_request(
    url: &Url,
    access_token: &Secret,
    kind: ErrorKind,
) -> Result<Request<Bytes>, Error> {
    let mut authorization = HeaderValue::from_str(&format!("Bearer {}", access_token.expose()))
        .map_err(|_| {
            Error::new(kind, "the access token has characters that a header cannot hold")
        })?;
    authorization.set_sensitive(true);
    let mut request = empty_request(Method::GET, url)?;
    request.headers_mut().insert(AUTHORIZATION, authorization);
    request.extensions_mut().insert(SentSecrets::new(vec![access_token.clone()]));
    Ok(request)
}

#[cfg(test)]
#[path = "channel_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "channel_back_channel_tests.rs"]
mod back_channel_tests;
