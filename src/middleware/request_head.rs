//! Who is asking: headers choose the shape of an answer, never admission.

use http::{
    HeaderMap, HeaderValue, Method, Uri,
    header::{self, HeaderName},
    uri::PathAndQuery,
};

/// The headers by which [`Caller`] and [`Head`] are told: what a copy of a request's head has to
/// keep.
pub(crate) const TELLING: [HeaderName; 8] = [
    header::ACCEPT,
    header::CONTENT_TYPE,
    header::REFERER,
    HeaderName::from_static("sec-fetch-dest"),
    HeaderName::from_static("sec-purpose"),
    HeaderName::from_static("purpose"),
    HeaderName::from_static("hx-request"),
    HeaderName::from_static("hx-current-url"),
];

/// How the caller of a request wants to be told that it must sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// A person's browser opens a page: it can be sent to the provider.
    Navigation,
    /// A browser shows the answer, but must not be sent away: frames, submitted forms.
    Document,
    /// htmx follows `HX-Redirect`.
    Htmx,
    /// A gRPC client reads `grpc-status`.
    Grpc,
    /// `fetch`, XHR, an event source, a prefetch, a program: it reads a status and a
    /// machine-readable body.
    Program,
}

impl Caller {
    /// Decides by the Fetch Metadata headers where there are any, otherwise by `Accept`.
    pub(crate) fn of(method: &Method, headers: &HeaderMap) -> Self {
        Told::by(headers).caller(method, headers)
    }

    /// Whether a sign-in may be started. An image, a frame, a script or a prefetch cannot sign
    /// anybody in, and must use up neither the attempts of a person in the same browser nor a
    /// device code.
    pub(crate) fn may_start(method: &Method, headers: &HeaderMap) -> bool {
        Self::of(method, headers) == Self::Navigation
    }
}

/// Whether a page of this origin caused the request, and not one of another site or of a
/// neighbouring host.
///
/// - `Sec-Fetch-Site` is written by the browser alone: `same-origin` is enough, also where a
///   referrer policy made `Origin` the word `null`; `same-site` and `cross-site` are not ours,
///   whatever else is said. `none` is a person's own doing, such as a form that is sent again, and
///   says nothing about the page.
/// - Otherwise `Origin` decides, which browsers send with every POST.
/// - `Referer` counts only for browsers that send neither.
pub(crate) fn is_from_own_page(headers: &HeaderMap, origin: &str) -> bool {
    match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
        Some(b"same-origin") => return true,
        Some(b"none") | None => {}
        Some(_) => return false,
    }
    if let Some(said) = headers.get(header::ORIGIN) {
        return said == origin;
    }
    headers
        .get(header::REFERER)
        .and_then(|page| page.to_str().ok())
        .is_some_and(|page| own_path(page, origin).is_some())
}

/// Path, query and fragment of an address, if it is one of this origin.
pub(crate) fn own_path<'a>(address: &'a str, origin: &str) -> Option<&'a str> {
    address.strip_prefix(origin).filter(|path| path.starts_with('/'))
}

/// Whether the browser itself says that a person follows a link of a page of this origin.
pub(crate) fn follows_own_link(headers: &HeaderMap) -> bool {
    let is = |name: &str, value: &str| headers.get(name).is_some_and(|header| header == value);
    is("sec-fetch-site", "same-origin") && is("sec-fetch-dest", "document") && !is_prefetch(headers)
}

/// What has to be known of a request when its answer turns out to be another than the service's:
/// who asks, and what page to come back to.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) caller: Caller,
    pub(crate) page: Option<AskedPage>,
}

/// The page in front of the person.
#[derive(Clone, Debug)]
pub(crate) enum AskedPage {
    /// It was opened: path and query.
    Opened(PathAndQuery),
    /// It asked for something else: its address, which any site may have written.
    Behind(HeaderValue),
}

impl Head {
    /// Copies nothing but references.
    pub(crate) fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        Self::of_page(method, uri.path_and_query(), headers)
    }

    /// The same, where only path and query are known of the address.
    pub(crate) fn of_page(
        method: &Method,
        page: Option<&PathAndQuery>,
        headers: &HeaderMap,
    ) -> Self {
        let told = Told::by(headers);
        let caller = told.caller(method, headers);
        let page = match caller {
            Caller::Navigation => page.cloned().map(AskedPage::Opened),
            _ => told.page.or(told.referer).cloned().map(AskedPage::Behind),
        };
        Self { caller, page }
    }
}

/// The headers that tell who asks, found in one pass: that is cheaper than a look-up for each.
#[derive(Default)]
struct Told<'a> {
    content_type: Option<&'a HeaderValue>,
    htmx: Option<&'a HeaderValue>,
    destination: Option<&'a HeaderValue>,
    is_prefetch: bool,
    page: Option<&'a HeaderValue>,
    referer: Option<&'a HeaderValue>,
    says_what_it_accepts: bool,
}

impl<'a> Told<'a> {
    fn by(headers: &'a HeaderMap) -> Self {
        let mut told = Self::default();
        for (name, value) in headers {
            match name.as_str() {
                "accept" => told.says_what_it_accepts = true,
                "content-type" => told.content_type = told.content_type.or(Some(value)),
                "hx-request" => told.htmx = told.htmx.or(Some(value)),
                "hx-current-url" => told.page = told.page.or(Some(value)),
                "referer" => told.referer = told.referer.or(Some(value)),
                "sec-fetch-dest" => told.destination = told.destination.or(Some(value)),
                "sec-purpose" | "purpose" => told.is_prefetch |= says_prefetch(value),
                _ => {}
            }
        }
        told
    }

    fn caller(&self, method: &Method, headers: &HeaderMap) -> Caller {
        if self.content_type.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc")) {
            return Caller::Grpc;
        }
        if self.htmx.is_some_and(|htmx| htmx == "true") {
            return Caller::Htmx;
        }
        if self.is_prefetch || method == Method::HEAD {
            return Caller::Program;
        }
        let page = match self.destination.map(HeaderValue::as_bytes) {
            Some(b"document") => {
                return if method == Method::GET { Caller::Navigation } else { Caller::Document };
            }
            Some(b"iframe" | b"frame" | b"embed" | b"object" | b"fencedframe") => true,
            Some(_) => false,
            None if !(self.says_what_it_accepts && accepts_html(headers)) => false,
            None if method == Method::GET => return Caller::Navigation,
            None => true,
        };
        if page { Caller::Document } else { Caller::Program }
    }
}

/// Whether the browser fetches ahead: nobody is looking, so nothing may be started.
pub(crate) fn is_prefetch(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose"].iter().any(|name| headers.get(*name).is_some_and(says_prefetch))
}

fn says_prefetch(value: &HeaderValue) -> bool {
    value.as_bytes().windows(8).any(|word| word == b"prefetch")
}

fn accepts_html(headers: &HeaderMap) -> bool {
    headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).any(|accept| {
        accept.split(',').any(|range| {
            range
                .split(';')
                .next()
                .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/html"))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        headers
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect()
    }

    fn caller(method: &Method, headers: &[(&'static str, &'static str)]) -> Caller {
        Caller::of(method, &map(headers))
    }

    #[test]
    fn a_page_of_our_own_is_told_by_the_browser_first_and_by_addresses_after() {
        const OURS: &str = "https://app.example";
        for own in [
            &[("sec-fetch-site", "same-origin")][..],
            &[("sec-fetch-site", "same-origin"), ("origin", "null")],
            &[("origin", OURS)],
            &[("sec-fetch-site", "none"), ("origin", OURS)],
            &[("referer", "https://app.example/page")],
        ] {
            assert!(is_from_own_page(&map(own), OURS), "{own:?}");
        }
        for foreign in [
            &[][..],
            &[("origin", "null")],
            &[("origin", "null"), ("referer", "https://app.example/page")],
            &[("origin", "https://app.example.evil.example")],
            &[("origin", "https://other.example"), ("referer", "https://app.example/page")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "same-site"), ("origin", OURS)],
            &[("sec-fetch-site", "cross-site"), ("referer", "https://app.example/page")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "Same-Origin")],
            &[("referer", "https://app.example")],
            &[("referer", "https://app.example.evil.example/")],
            &[("referer", "https://app.example@evil.example/")],
        ] {
            assert!(!is_from_own_page(&map(foreign), OURS), "{foreign:?}");
        }
    }

    /// What a copy leaves out changes nothing.
    #[test]
    fn the_telling_headers_tell_all() {
        let ours = |method: &Method, headers: &HeaderMap| {
            format!("{:?}", Head::of(method, &Uri::from_static("/a?b"), headers))
        };
        for headers in [
            &[("accept", "text/html"), ("host", "x"), ("origin", "null")][..],
            &[("sec-fetch-dest", "document"), ("sec-purpose", "prefetch")],
            &[("sec-fetch-dest", "document"), ("purpose", "prefetch")],
            &[
                ("hx-request", "true"),
                ("hx-current-url", "https://app.example/x"),
                ("referer", "https://app.example/y"),
            ],
            &[("content-type", "application/grpc"), ("te", "trailers")],
            &[("referer", "https://app.example/y"), ("accept", "application/json")],
        ] {
            let all = map(headers);
            let copy = all
                .iter()
                .filter(|(name, _)| TELLING.contains(name))
                .map(|(name, value)| (name.clone(), value.clone()));
            let copy = copy.collect();
            for method in [Method::GET, Method::POST] {
                assert_eq!(ours(&method, &all), ours(&method, &copy), "{headers:?}");
            }
        }
    }

    #[test]
    fn only_a_person_opening_a_page_is_redirected() {
        assert_eq!(caller(&Method::GET, &[("sec-fetch-dest", "document")]), Caller::Navigation);
        assert_eq!(
            caller(&Method::GET, &[("accept", "text/html,application/xhtml+xml")]),
            Caller::Navigation
        );
        assert_eq!(
            caller(
                &Method::GET,
                &[("sec-fetch-dest", "document"), ("sec-purpose", "prefetch;prerender")]
            ),
            Caller::Program
        );
        assert_eq!(caller(&Method::HEAD, &[("accept", "text/html")]), Caller::Program);
    }

    #[test]
    fn frames_and_submitted_forms_get_a_page() {
        assert_eq!(caller(&Method::GET, &[("sec-fetch-dest", "iframe")]), Caller::Document);
        assert_eq!(caller(&Method::POST, &[("sec-fetch-dest", "document")]), Caller::Document);
        assert_eq!(caller(&Method::POST, &[("accept", "text/html")]), Caller::Document);
    }

    #[test]
    fn programs_get_a_status() {
        assert_eq!(caller(&Method::GET, &[]), Caller::Program);
        assert_eq!(caller(&Method::GET, &[("accept", "*/*")]), Caller::Program);
        assert_eq!(
            caller(&Method::GET, &[("sec-fetch-dest", "empty"), ("accept", "text/html")]),
            Caller::Program
        );
        assert_eq!(caller(&Method::GET, &[("accept", "text/event-stream")]), Caller::Program);
        assert_eq!(
            caller(&Method::GET, &[("hx-request", "true"), ("sec-fetch-dest", "empty")]),
            Caller::Htmx
        );
        assert_eq!(
            caller(&Method::POST, &[("content-type", "application/grpc+proto")]),
            Caller::Grpc
        );
    }
}
