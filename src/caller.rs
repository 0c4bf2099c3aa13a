//! Who is asking: headers choose the shape of an answer, never admission.

use http::{HeaderMap, HeaderValue, Method, Uri, header, uri::PathAndQuery};

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
    /// `fetch`, XHR, an event source, a prefetch, a program: it reads a status and a machine-readable body.
    Program,
}

impl Caller {
    /// Decides by the Fetch Metadata headers where there are any, otherwise by `Accept`.
    pub(crate) fn of(method: &Method, headers: &HeaderMap) -> Self {
        Told::by(headers).caller(method, headers)
    }
}

/// What has to be known of a request when its answer turns out to be another than the service's: who asks, and what page to come back to.
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
    pub(crate) fn of_page(method: &Method, page: Option<&PathAndQuery>, headers: &HeaderMap) -> Self {
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
            Some(b"document") => return if method == Method::GET { Caller::Navigation } else { Caller::Document },
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
        accept.split(',').any(|range| range.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/html")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(method: &Method, headers: &[(&'static str, &'static str)]) -> Caller {
        let map = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        Caller::of(method, &map)
    }

    #[test]
    fn only_a_person_opening_a_page_is_redirected() {
        assert_eq!(caller(&Method::GET, &[("sec-fetch-dest", "document")]), Caller::Navigation);
        assert_eq!(caller(&Method::GET, &[("accept", "text/html,application/xhtml+xml")]), Caller::Navigation);
        assert_eq!(
            caller(&Method::GET, &[("sec-fetch-dest", "document"), ("sec-purpose", "prefetch;prerender")]),
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
        assert_eq!(caller(&Method::GET, &[("sec-fetch-dest", "empty"), ("accept", "text/html")]), Caller::Program);
        assert_eq!(caller(&Method::GET, &[("accept", "text/event-stream")]), Caller::Program);
        assert_eq!(caller(&Method::GET, &[("hx-request", "true"), ("sec-fetch-dest", "empty")]), Caller::Htmx);
        assert_eq!(caller(&Method::POST, &[("content-type", "application/grpc+proto")]), Caller::Grpc);
    }
}
