//! A sign-in from the authorization request to the session, with the development provider.

use async_trait::async_trait;
use http::header;
use url::{Url, form_urlencoded};

use crate::{dev::DevProvider, error::ConfigError};

/// The setting that errors name.
pub(super) const SIGN_IN: &str = "sign_in";
/// The greatest number of redirects within the provider.
const MAX_REDIRECTS: usize = 8;
/// How much of a page an error repeats, in characters.
const SHOWN: usize = 300;

pub(super) fn failed(problem: impl Into<String>) -> ConfigError {
    ConfigError::new(SIGN_IN, problem.into())
}

/// The application's side of a sign-in.
#[async_trait]
pub(super) trait ApplicationSide: Send {
    /// Begins a sign-in; the URL of the authorization request.
    async fn begin(&mut self) -> Result<Url, ConfigError>;

    /// Brings the authorization response.
    async fn finish(&mut self, response: AuthorizationResponse) -> Result<(), ConfigError>;
}

/// An authorization response on its way to the application.
pub(super) struct AuthorizationResponse {
    pub(super) redirect_uri: String,
    /// Form-encoded.
    pub(super) parameters: String,
    /// Whether the application asked for a form (`response_mode=form_post`).
    pub(super) is_form: bool,
}

/// Signs the person of a browser of the provider in at an application; the URL of the authorization
/// request.
pub(super) async fn sign_in(
    provider: &DevProvider,
    browser: String,
    application: &mut impl ApplicationSide,
) -> Result<Url, ConfigError> {
    let request = application.begin().await?;
    let response = authorize(provider, &browser, &request).await?;
    application.finish(response).await?;
    Ok(request)
}

/// Whether a URL is that of an authorization request.
pub(super) fn is_authorization_request(url: &Url) -> bool {
    ["client_id", "redirect_uri"]
        .iter()
        .all(|wanted| url.query_pairs().any(|(name, _)| name == *wanted))
}

/// Follows an authorization request until the provider sends the browser back.
async fn authorize(
    provider: &DevProvider,
    browser: &str,
    request: &Url,
) -> Result<AuthorizationResponse, ConfigError> {
    let is_ours = request.port_or_known_default()
        == Url::parse(provider.issuer()).ok().and_then(|url| url.port_or_known_default());
    if !is_ours {
        return Err(failed(format!(
            "the application sends people to {}, expected {}: configure it with \
             DevProvider::config",
            request.origin().ascii_serialization(),
            provider.issuer()
        )));
    }
    let (mut url, redirect_uri, is_form) = in_the_query(request);
    let http = client(provider, request, reqwest::redirect::Policy::none())?
        .build()
        .map_err(|error| failed(error.to_string()))?;
    for _ in 0..MAX_REDIRECTS {
        let answer = http
            .get(url.clone())
            .header(header::COOKIE, browser)
            .send()
            .await
            .map_err(|error| failed(format!("no response from the provider: {error}")))?;
        let status = answer.status();
        let Some(next) = location(answer.headers(), &url) else {
            let page = answer.text().await.unwrap_or_default();
            return Err(failed(format!("the provider answered {status}: {}", text_of(&page))));
        };
        if let Some(parameters) = next.as_str().strip_prefix(&redirect_uri) {
            let parameters = parameters.trim_start_matches(['?', '&']).to_owned();
            return Ok(AuthorizationResponse { redirect_uri, parameters, is_form });
        }
        url = next;
    }
    Err(failed("the provider does not stop redirecting"))
}

/// The request with its response in the query, which can be read from a redirect; with the redirect
/// URI, and whether the application expects a form.
fn in_the_query(request: &Url) -> (Url, String, bool) {
    let mut redirect_uri = String::new();
    let mut is_form = false;
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in request.query_pairs() {
        if name == "response_mode" {
            is_form = value == "form_post";
            continue;
        }
        if name == "redirect_uri" {
            redirect_uri = value.clone().into_owned();
        }
        query.append_pair(&name, &value);
    }
    let mut url = request.clone();
    url.set_query(Some(&query.finish()));
    (url, redirect_uri, is_form)
}

/// The settings of an HTTP client that reaches this provider at the host of `url`.
pub(super) fn client(
    provider: &DevProvider,
    url: &Url,
    redirects: reqwest::redirect::Policy,
) -> Result<reqwest::ClientBuilder, ConfigError> {
    let mut builder = reqwest::Client::builder().no_proxy().redirect(redirects);
    if let Some(root) = provider.root_certificate() {
        let root = reqwest::Certificate::from_pem(root.as_bytes())
            .map_err(|error| failed(error.to_string()))?;
        builder = builder.tls_certs_merge([root]);
    }
    // Not every resolver knows the names below `localhost` (RFC 6761 section 6.3).
    if let Some(host) = url.host_str().filter(|host| host.ends_with(".localhost")) {
        builder = builder.resolve(host, provider.address());
    }
    Ok(builder)
}

/// The absolute URL of a redirect.
pub(super) fn location(headers: &http::HeaderMap, base: &Url) -> Option<Url> {
    base.join(headers.get(header::LOCATION)?.to_str().ok()?).ok()
}

/// The beginning of the text of a page, without its markup and style.
pub(super) fn text_of(page: &str) -> String {
    let body = page.rsplit_once("</style>").map_or(page, |(_, body)| body);
    let text = body.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text));
    let words = text.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
    words.chars().take(SHOWN).collect()
}
