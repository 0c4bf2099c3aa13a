//! The two ways to reach the application: the layer in this process, and a running server.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, COOKIE, SET_COOKIE},
};
use http_body_util::{BodyExt as _, Full};
use tower_layer::Layer as _;
use tower_service::Service;
use url::Url;

use super::walk::{
    ApplicationSide, AuthorizationResponse, client, failed, is_authorization_request, location,
    text_of,
};
use crate::{
    Error, IdentityBody, IdentityLayer, IdentityService, LazyUser, User, config::PathPrefix,
    dev::DevProvider, error::ConfigError,
};

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const HTML: HeaderValue = HeaderValue::from_static("text/html");
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");
/// The header in which a browser states the relation of the page that caused a request.
const FETCH_SITE: &str = "sec-fetch-site";

/// An application of which only the layer is there.
#[derive(Debug)]
pub(super) struct InProcess<'a> {
    layer: &'a IdentityLayer,
    service: IdentityService<Probe>,
    cookies: BTreeMap<String, String>,
}

type AppResponse = Response<IdentityBody<Full<Bytes>>>;

impl<'a> InProcess<'a> {
    pub(super) fn new(layer: &'a IdentityLayer) -> Self {
        Self { layer, service: layer.layer(Probe), cookies: BTreeMap::new() }
    }

    /// The cookies that the browser has now.
    pub(super) fn cookie_header(&self) -> String {
        let pairs = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }

    /// The user of the session.
    pub(super) async fn user(&mut self) -> Result<User, ConfigError> {
        let config = self.layer.config();
        let page = match config.path_prefix() {
            PathPrefix::Kept => format!("{}/", config.external_prefix()),
            PathPrefix::Stripped => "/".to_owned(),
        };
        let answer = self.send(Method::GET, &page, None).await?;
        match answer.extensions().get::<User>() {
            Some(user) => Ok(user.clone()),
            None => Err(refused("the application has no user after the sign-in", answer).await),
        }
    }

    /// Posts to the sign-out path, as a form of the application does.
    pub(super) async fn sign_out(&mut self) -> Result<(), ConfigError> {
        let path = self.layer.config().paths().sign_out.clone();
        let answer = self.send(Method::POST, &path, Some(String::new())).await?;
        if answer.status().is_redirection() {
            return Ok(());
        }
        Err(refused("the sign-out failed", answer).await)
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        form: Option<String>,
    ) -> Result<AppResponse, ConfigError> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(ACCEPT, HTML)
            .header(FETCH_SITE, SAME_ORIGIN)
            .header(COOKIE, self.cookie_header());
        if form.is_some() {
            request = request.header(CONTENT_TYPE, FORM);
        }
        let request = request
            .body(Full::new(Bytes::from(form.unwrap_or_default())))
            .map_err(|error| failed(error.to_string()))?;
        let Ok(answer) = self.service.call(request).await;
        self.keep_cookies(answer.headers());
        Ok(answer)
    }

    /// Keeps the cookies that a response sets. An empty value, or `Max-Age=0`, deletes (RFC 6265
    /// section 5.3).
    fn keep_cookies(&mut self, headers: &HeaderMap) {
        let set = headers.get_all(SET_COOKIE).iter().filter_map(|cookie| cookie.to_str().ok());
        for cookie in set {
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            let Some((name, value)) = pair.split_once('=') else { continue };
            let is_deleted = value.is_empty()
                || attributes.split(';').any(|own| own.trim().eq_ignore_ascii_case("max-age=0"));
            if is_deleted {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

#[async_trait]
impl ApplicationSide for InProcess<'_> {
    async fn begin(&mut self) -> Result<Url, ConfigError> {
        let config = self.layer.config().clone();
        let answer = self.send(Method::GET, &config.paths().sign_in, None).await?;
        match location(answer.headers(), config.redirect_url()) {
            Some(url) if is_authorization_request(&url) => Ok(url),
            _ => Err(refused("the layer did not redirect to the provider", answer).await),
        }
    }

    async fn finish(&mut self, response: AuthorizationResponse) -> Result<(), ConfigError> {
        let callback = self.layer.config().paths().callback.clone();
        let AuthorizationResponse { parameters, is_form, .. } = response;
        let answer = if is_form {
            self.send(Method::POST, &callback, Some(parameters)).await?
        } else {
            self.send(Method::GET, &format!("{callback}?{parameters}"), None).await?
        };
        if answer.status().is_redirection() {
            return Ok(());
        }
        Err(refused("the sign-in failed", answer).await)
    }
}

/// The error of an answer that a sign-in cannot go on after.
async fn refused(problem: &str, answer: AppResponse) -> ConfigError {
    let status = answer.status();
    if let Some(error) = answer.extensions().get::<Error>() {
        // The text of the error begins with its reason.
        return failed(format!("{problem} ({status}): {error}"));
    }
    let page = answer.into_body().collect().await.map(http_body_util::Collected::to_bytes);
    let page = page.unwrap_or_default();
    failed(format!("{problem} ({status}): {}", text_of(&String::from_utf8_lossy(&page))))
}

/// The application inside the layer: its response has the user in its extensions.
#[derive(Clone, Copy, Debug)]
struct Probe;

impl Service<Request<Full<Bytes>>> for Probe {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        Box::pin(async move {
            let mut answer = Response::new(Full::default());
            let user = match request.extensions().get::<User>() {
                Some(user) => Some(user.clone()),
                // On a public page the layer has not looked yet.
                None => match request.extensions().get::<LazyUser>().cloned() {
                    Some(lazy) => lazy.user(&request).await.ok().flatten(),
                    None => None,
                },
            };
            if let Some(user) = user {
                answer.extensions_mut().insert(user);
            }
            Ok(answer)
        })
    }
}

/// An application that answers on a port.
pub(super) struct RunningApplication {
    base: Url,
    jar: Arc<reqwest::cookie::Jar>,
    http: reqwest::Client,
}

impl RunningApplication {
    pub(super) fn new(provider: &DevProvider, base: &str) -> Result<Self, ConfigError> {
        let base = Url::parse(base).map_err(|error| failed(format!("{base:?}: {error}")))?;
        let jar = Arc::new(reqwest::cookie::Jar::default());
        let http = client(provider, &base, reqwest::redirect::Policy::none())?
            .cookie_provider(Arc::clone(&jar))
            .default_headers(headers())
            .build()
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self { base, jar, http })
    }

    /// A client with the cookies of the session, and that of the browser at the provider.
    pub(super) fn into_client(
        self,
        provider: &DevProvider,
        browser: &str,
        request: &Url,
    ) -> Result<reqwest::Client, ConfigError> {
        self.jar.add_cookie_str(&format!("{browser}; Path=/; HttpOnly"), request);
        client(provider, request, reqwest::redirect::Policy::default())?
            .cookie_provider(self.jar)
            .default_headers(headers())
            .build()
            .map_err(|error| failed(error.to_string()))
    }

    async fn send(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<reqwest::Response, ConfigError> {
        let sent = request.send().await;
        sent.map_err(|error| failed(format!("no response from the application: {error}")))
    }
}

/// The headers of a browser in which a person clicks on a page of the application.
fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HTML);
    headers.insert(FETCH_SITE, SAME_ORIGIN);
    headers
}

#[async_trait]
impl ApplicationSide for RunningApplication {
    async fn begin(&mut self) -> Result<Url, ConfigError> {
        let mut base = self.base.clone();
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let login = base.join("auth/login").map_err(|error| failed(error.to_string()))?;
        let mut last = StatusCode::OK;
        // Where the sign-in path is another, the URL is that of a protected page.
        for url in [login, self.base.clone()] {
            let answer = self.send(self.http.get(url.clone())).await?;
            last = answer.status();
            let to = location(answer.headers(), &url);
            if let Some(to) = to.filter(is_authorization_request) {
                return Ok(to);
            }
        }
        Err(failed(format!(
            "neither auth/login below {base} nor {} redirects to the provider (status {last}): \
             expected the base URL of the application, the URL of its sign-in path, or that of a \
             protected page",
            self.base
        )))
    }

    async fn finish(&mut self, response: AuthorizationResponse) -> Result<(), ConfigError> {
        let AuthorizationResponse { redirect_uri, parameters, is_form } = response;
        let request = if is_form {
            self.http.post(&redirect_uri).header(CONTENT_TYPE, FORM).body(parameters)
        } else {
            self.http.get(format!("{redirect_uri}?{parameters}"))
        };
        let answer = self.send(request).await?;
        let status = answer.status();
        if status.is_redirection() {
            return Ok(());
        }
        let page = answer.text().await.unwrap_or_default();
        Err(failed(format!("the sign-in failed ({status}): {}", text_of(&page))))
    }
}
