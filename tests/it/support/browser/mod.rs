//! A client that behaves as a browser does where sign-in depends on it: cookies, sites, redirects,
//! forms, `Sec-Fetch-*`, `Referer` and `Origin`, history. It speaks real HTTP on loopback;
//! `localhost` and `127.0.0.1` are different sites.
//!
//! It runs no scripts, except that a page which submits its form is followed, as with
//! `response_mode=form_post`.

pub mod html;
pub mod jar;
mod page;
mod request;
pub mod site;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tower_identity::{Clock, SystemClock};
use url::Url;

use crate::raw::assert_well_formed;

pub use self::page::{Hop, Page};
use self::{
    html::Form,
    jar::{Context, Jar, Stored},
    request::{Cause, Outgoing},
};

const MAX_HOPS: usize = 20;

/// A browser profile: its tabs share the cookies.
#[derive(Clone)]
pub struct Browser {
    jar: Arc<Mutex<Jar>>,
    http: reqwest::Client,
    clock: Arc<dyn Clock>,
    proxied: HashMap<String, SocketAddr>,
}

impl Browser {
    pub fn new() -> Self {
        Self::with_clock(SystemClock)
    }

    /// A browser whose cookies expire by this clock.
    pub fn with_clock(clock: impl Clock) -> Self {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        Self { jar: Arc::default(), http, clock: Arc::new(clock), proxied: HashMap::new() }
    }

    /// A browser that trusts this certificate, too.
    pub fn trusting(root: &str) -> Self {
        let root = reqwest::Certificate::from_pem(root.as_bytes()).unwrap();
        let builder =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        Self { http: builder.tls_certs_merge([root]).build().unwrap(), ..Self::new() }
    }

    /// Requests for `origin`, such as `https://app.example.com`, go in plain http to `address`, as
    /// through a proxy that ends TLS.
    #[must_use]
    pub fn with_proxy(mut self, origin: &str, address: SocketAddr) -> Self {
        self.proxied.insert(origin.to_owned(), address);
        self
    }

    #[must_use]
    pub fn without_cookies(self) -> Self {
        self.jar().blocked = true;
        self
    }

    /// An empty tab.
    pub fn tab(&self) -> Tab {
        Tab { browser: self.clone(), history: Vec::new(), hops: Vec::new() }
    }

    pub fn jar(&self) -> MutexGuard<'_, Jar> {
        self.jar.lock().unwrap()
    }

    /// The cookies that this host set, whatever their path.
    pub fn cookies(&self, host: &str) -> Vec<Stored> {
        self.jar().cookies.iter().filter(|cookie| cookie.domain == host).cloned().collect()
    }

    /// Sends one request and follows nothing.
    async fn send(&self, request: &Outgoing, context: Context) -> (Hop, Page) {
        let mut headers = request.headers.clone();
        let cookies = if request.credentials {
            self.jar().header(&request.url, context, self.clock.now())
        } else {
            None
        };
        if let Some(cookies) = &cookies {
            headers.insert(header::COOKIE, HeaderValue::from_str(cookies).unwrap());
        }
        let mut address = request.url.clone();
        if let Some(proxied) = self.proxied.get(&request.url.origin().ascii_serialization()) {
            address.set_scheme("http").unwrap();
            address.set_ip_host(proxied.ip()).unwrap();
            address.set_port(Some(proxied.port())).unwrap();
            headers.insert(
                header::HOST,
                HeaderValue::from_str(request.url.host_str().unwrap()).unwrap(),
            );
        }
        let sending = self
            .http
            .request(request.method.clone(), address)
            .headers(headers)
            .body(request.body.clone())
            .send();
        let answer = sending
            .await
            .unwrap_or_else(|error| panic!("{} {}: {error:?}", request.method, request.url));
        let (status, headers) = (answer.status(), answer.headers().clone());
        assert_well_formed(status, &headers);
        let body = answer.text().await.unwrap();
        if request.credentials {
            for cookie in headers.get_all(header::SET_COOKIE) {
                self.jar().store(&request.url, cookie.to_str().unwrap(), context, self.clock.now());
            }
        }
        let hop = Hop {
            method: request.method.clone(),
            url: request.url.clone(),
            cookies,
            status,
            headers: headers.clone(),
        };
        (
            hop,
            Page {
                url: request.url.clone(),
                status,
                headers,
                body,
                was_post: request.method == Method::POST,
            },
        )
    }
}

/// A browser tab.
pub struct Tab {
    browser: Browser,
    history: Vec<Page>,
    /// The requests of the last navigation.
    pub hops: Vec<Hop>,
}

impl Tab {
    /// The same tab in a browser that reaches other servers.
    pub fn moved_to(&mut self, browser: Browser) -> &mut Self {
        self.browser = browser;
        self
    }

    /// The profile that it belongs to.
    pub fn browser(&self) -> Browser {
        self.browser.clone()
    }

    /// The page it shows.
    pub fn page(&self) -> &Page {
        self.history.last().expect("nothing was opened in this tab")
    }

    /// Another tab that shows the same page.
    pub fn again(&self) -> Self {
        Self {
            browser: self.browser.clone(),
            history: self.history.last().cloned().into_iter().collect(),
            hops: Vec::new(),
        }
    }

    /// Types an address, or opens a bookmark.
    pub async fn open(&mut self, address: impl AsRef<str>) -> &Page {
        let url = Url::parse(address.as_ref()).unwrap();
        self.navigate(Method::GET, url, String::new(), None).await
    }

    /// Follows a link of the page, or one that the page could have: relative to it, and caused by
    /// it.
    pub async fn follow(&mut self, address: &str) -> &Page {
        let page = self.page().clone();
        let url = page.url.join(address).unwrap();
        self.navigate(Method::GET, url, String::new(), Some(page)).await
    }

    /// Clicks the link with this text.
    pub async fn click(&mut self, text: &str) -> &Page {
        let links = html::links(&self.page().body);
        let link = links
            .iter()
            .find(|(_, own)| own == text)
            .unwrap_or_else(|| panic!("no link {text:?} in {links:?}"));
        let address = link.0.clone();
        self.follow(&address).await
    }

    /// Submits a form of the page, or one that the page could have.
    pub async fn submit(&mut self, form: Form) -> &Page {
        let page = self.page().clone();
        let mut url = page.url.join(&form.action).unwrap();
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&form.fields)
            .finish();
        if form.method == "POST" {
            return self.navigate(Method::POST, url, body, Some(page)).await;
        }
        url.set_query(Some(&body));
        self.navigate(Method::GET, url, String::new(), Some(page)).await
    }

    /// Shows the page before this one: the kept one, or if it may not be stored, the server's
    /// answer now.
    pub async fn back(&mut self) -> &Page {
        self.history.pop();
        let before = self.history.pop().expect("there is no page before this one");
        assert!(!before.was_post, "a browser would ask whether to send the form again");
        if before.is_kept() {
            self.history.push(before);
            return self.page();
        }
        self.navigate(Method::GET, before.url, String::new(), None).await
    }

    pub async fn reload(&mut self) -> &Page {
        let page = self.history.pop().expect("nothing was opened in this tab");
        self.navigate(Method::GET, page.url, String::new(), None).await
    }

    /// The response that a script of the page gets from `fetch`: redirects are followed, cookies go
    /// to the own origin only.
    pub async fn fetch(&mut self, method: Method, address: &str) -> Page {
        self.fetch_with(method, address, &[]).await
    }

    /// [`fetch`](Self::fetch) with headers.
    pub async fn fetch_with(
        &mut self,
        method: Method,
        address: &str,
        headers: &[(&str, &str)],
    ) -> Page {
        let page = self.page().clone();
        let url = page.url.join(address).unwrap();
        let cause = Cause { page: Some(page), mode: "cors", destination: "empty" };
        let extra = headers
            .iter()
            .map(|(name, value)| {
                (HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap())
            })
            .collect();
        self.run(method, url, String::new(), cause, extra).await
    }

    /// The response that a script of the page gets when it sends JSON.
    pub async fn fetch_json(
        &mut self,
        method: Method,
        address: &str,
        body: &serde_json::Value,
    ) -> Page {
        let page = self.page().clone();
        let url = page.url.join(address).unwrap();
        let cause = Cause { page: Some(page), mode: "cors", destination: "empty" };
        let json = HeaderMap::from_iter([(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        )]);
        self.run(method, url, body.to_string(), cause, json).await
    }

    /// The page that an iframe of the page shows.
    pub async fn frame(&mut self, address: &str) -> Page {
        let page = self.page().clone();
        let url = page.url.join(address).unwrap();
        let cause = Cause { page: Some(page), mode: "navigate", destination: "iframe" };
        self.run(Method::GET, url, String::new(), cause, HeaderMap::new()).await
    }

    async fn navigate(
        &mut self,
        method: Method,
        url: Url,
        body: String,
        page: Option<Page>,
    ) -> &Page {
        self.hops.clear();
        let mut cause = Cause { page, mode: "navigate", destination: "document" };
        let mut page = self.run(method, url, body, cause.clone(), HeaderMap::new()).await;
        while html::submits_itself(&page.body) {
            let form = page.form();
            assert_eq!(form.method, "POST", "only POST forms are followed by themselves");
            let url = page.url.join(&form.action).unwrap();
            let body = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(&form.fields)
                .finish();
            cause.page = Some(page);
            page = self.run(Method::POST, url, body, cause.clone(), HeaderMap::new()).await;
        }
        self.history.push(page);
        self.page()
    }

    /// Sends a request and follows its redirects; every hop is added to the trace.
    async fn run(
        &mut self,
        mut method: Method,
        mut url: Url,
        mut body: String,
        cause: Cause,
        extra: HeaderMap,
    ) -> Page {
        let mut via = Vec::new();
        loop {
            assert!(via.len() < MAX_HOPS, "redirected in a circle:\n{:#?}", self.hops);
            let request = cause.request(&method, &url, &via, &body, extra.clone());
            let from_here = cause.page.iter().map(|page| &page.url).chain(&via);
            let context = Context {
                same_site: from_here.clone().all(|from| site::site(from) == site::site(&url)),
                top_level: cause.destination == "document",
                safe: method == Method::GET || method == Method::HEAD,
            };
            let (hop, page) = self.browser.send(&request, context).await;
            self.hops.push(hop.clone());
            let Some(location) = hop.location().filter(|_| hop.status.is_redirection()) else {
                return page;
            };
            let keeps_method = matches!(
                hop.status,
                StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
            ) || method == Method::HEAD;
            if !keeps_method && (method == Method::POST || hop.status == StatusCode::SEE_OTHER) {
                method = Method::GET;
                body.clear();
            }
            let mut next = url.join(location).unwrap_or_else(|error| panic!("{error} in {hop:?}"));
            if next.fragment().is_none() {
                next.set_fragment(url.fragment());
            }
            via.push(std::mem::replace(&mut url, next));
        }
    }
}

mod tests;
