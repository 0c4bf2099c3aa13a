//! A browser with just enough to sign in: it follows redirects and keeps cookies.

use std::{collections::BTreeMap, fmt::Debug};

use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderValue, Request, Response, StatusCode,
        header::{ACCEPT, COOKIE, LOCATION, SET_COOKIE},
    },
};
use tower::{Service, ServiceExt};
use url::Url;

use crate::{app::Fallible, provider::BASE_URL};

/// Visits `path` of the application and goes wherever that leads, until the application shows a
/// page; returns the `Cookie` header from then on.
pub async fn sign_in<S, B>(application: &S, path: &str) -> Fallible<HeaderValue>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone,
    S::Error: Debug,
{
    let network = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let own = Url::parse(BASE_URL)?;
    let mut cookies = Cookies::default();
    let mut url = own.join(path)?;
    for _ in 0..10 {
        let (status, headers) = if url.origin() == own.origin() {
            let request = visit(&url, cookies.header()?)?;
            let answer =
                application.clone().oneshot(request).await.map_err(|error| format!("{error:?}"))?;
            cookies.keep(answer.headers());
            (answer.status(), answer.headers().clone())
        } else {
            let answer = network.get(url.clone()).send().await?;
            (answer.status(), answer.headers().clone())
        };
        match headers.get(LOCATION) {
            Some(location) => url = url.join(location.to_str()?)?,
            None if status == StatusCode::OK && url.origin() == own.origin() => {
                return cookies.header()?.ok_or_else(|| format!("no cookie from {path}").into());
            }
            None => return Err(format!("{status} at {url}").into()),
        }
    }
    Err("too many redirects".into())
}

/// A navigation, as browsers announce it.
fn visit(url: &Url, cookies: Option<HeaderValue>) -> Fallible<Request<Body>> {
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let mut request = Request::get(target)
        .header(ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8")
        .header("sec-fetch-dest", "document")
        .header("sec-fetch-mode", "navigate")
        .body(Body::empty())?;
    if let Some(cookies) = cookies {
        request.headers_mut().insert(COOKIE, cookies);
    }
    Ok(request)
}

/// The application's cookies by name.
#[derive(Default)]
struct Cookies(BTreeMap<String, String>);

impl Cookies {
    fn keep(&mut self, headers: &HeaderMap) {
        for set in headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok()) {
            let (cookie, attributes) = set.split_once(';').unwrap_or((set, ""));
            let (name, value) = cookie.split_once('=').unwrap_or((cookie, ""));
            let removed = attributes
                .split(';')
                .any(|attribute| attribute.trim().eq_ignore_ascii_case("max-age=0"));
            if removed {
                self.0.remove(name);
            } else {
                self.0.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    fn header(&self) -> Fallible<Option<HeaderValue>> {
        let all: Vec<_> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if all.is_empty() { Ok(None) } else { Ok(Some(HeaderValue::try_from(all.join("; "))?)) }
    }
}
