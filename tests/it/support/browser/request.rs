//! The request that a browser sends, with the headers that follow from its cause.

use http::{HeaderMap, HeaderValue, Method, header};
use url::Url;

use super::{page::Page, site};

const NAVIGATION: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,\
                          image/webp,image/apng,*/*;q=0.8";

pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
    pub(super) credentials: bool,
}

/// The page that causes a request, and the kind of the request.
#[derive(Clone)]
pub(super) struct Cause {
    /// The page it comes from; none if a person typed the address.
    pub(super) page: Option<Page>,
    pub(super) mode: &'static str,
    pub(super) destination: &'static str,
}

impl Cause {
    /// The request with the headers that Chromium would send, after redirects through `via`.
    pub(super) fn request(
        &self,
        method: &Method,
        url: &Url,
        via: &[Url],
        body: &str,
        mut headers: HeaderMap,
    ) -> Outgoing {
        let is_json = headers.contains_key(header::CONTENT_TYPE);
        let mut set = |name: &'static str, value: &str| {
            headers.insert(name, HeaderValue::from_str(value).unwrap())
        };
        let page = self.page.as_ref().map(|page| &page.url);
        let relations = page.into_iter().chain(via).map(|from| site::relation(from, url));
        let relation = match self.page {
            None => "none",
            Some(_) => relations
                .max_by_key(|name| {
                    ["same-origin", "same-site", "cross-site"].iter().position(|own| own == name)
                })
                .unwrap(),
        };
        set("sec-fetch-site", relation);
        set("sec-fetch-mode", self.mode);
        set("sec-fetch-dest", self.destination);
        if self.mode == "navigate" {
            set("sec-fetch-user", "?1");
            set("upgrade-insecure-requests", "1");
            set("accept", NAVIGATION);
        } else {
            set("accept", "*/*");
        }
        if !body.is_empty() && !is_json {
            set("content-type", "application/x-www-form-urlencoded");
        }
        if let Some(from) = &self.page {
            let silent = if let Some(referrer) = referrer(from, url) {
                set("referer", &referrer);
                false
            } else {
                true
            };
            let unsafe_method = method != Method::GET && method != Method::HEAD;
            if unsafe_method || (self.mode == "cors" && from.url.origin() != url.origin()) {
                // A redirect to another origin makes the origin opaque, and so does a navigation
                // from a page without `Referer`.
                let opaque = (silent && self.mode != "cors")
                    || via.iter().any(|passed| passed.origin() != from.url.origin());
                let own = from.url.origin().ascii_serialization();
                set("origin", if opaque { "null" } else { &own });
            }
        }
        let credentials =
            self.mode == "navigate" || page.is_none_or(|page| page.origin() == url.origin());
        Outgoing {
            method: method.clone(),
            url: url.clone(),
            headers,
            body: body.to_owned(),
            credentials,
        }
    }
}

/// The `Referer` of a request from a page to a URL, by the page's `Referrer-Policy`.
fn referrer(page: &Page, to: &Url) -> Option<String> {
    let same_origin = page.url.origin() == to.origin();
    match page.header("referrer-policy") {
        "no-referrer" => None,
        "same-origin" if !same_origin => None,
        "origin" | "strict-origin" => Some(origin_of(&page.url)),
        _ if !same_origin => Some(origin_of(&page.url)),
        _ => {
            let mut url = page.url.clone();
            url.set_fragment(None);
            Some(url.into())
        }
    }
}

fn origin_of(url: &Url) -> String {
    format!("{}/", url.origin().ascii_serialization())
}
