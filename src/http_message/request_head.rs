//! The head of a request, and the kind of client that sent it. Headers choose the shape of a
//! response, never admission.

use std::borrow::Cow;

use http::{
    Extensions, HeaderMap, HeaderValue, Method, Request, Uri, Version,
    header::{self, HeaderName},
    request::Parts,
    uri::PathAndQuery,
};

use super::{
    failure::GrpcProtocol,
    initiator::{Initiator, OtherPage, SEC_FETCH_SITE, has_effects},
    original_uri,
};
use crate::{config::CrossSiteRules, media_type, session::RequestCookies};

/// The headers that decide [`ClientKind`], [`RequestSummary`] and the language of a page: a copy of
/// a request's head keeps them.
pub(crate) const SHAPE_HEADERS: [HeaderName; 13] = [
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::CONTENT_TYPE,
    header::ORIGIN,
    header::REFERER,
    header::UPGRADE,
    HeaderName::from_static("sec-fetch-dest"),
    SEC_FETCH_MODE,
    SEC_FETCH_SITE,
    HeaderName::from_static("sec-purpose"),
    HeaderName::from_static("purpose"),
    HeaderName::from_static("hx-request"),
    HeaderName::from_static("hx-current-url"),
];

/// The header of Fetch Metadata that says how the response will be used.
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// The head of a request that one of the walks answers.
pub(crate) struct RequestHead<'a> {
    pub(crate) method: &'a Method,
    /// As the browser wrote it.
    pub(crate) uri: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
    /// This application's cookies among the headers, read once per request. The session that was
    /// loaded for them is in them, so that every step of a walk can ask for it.
    pub(crate) cookies: RequestCookies<'a>,
    version: Version,
    /// The extensions from outer layers; `None` for a request that is answered afterwards.
    extensions: Option<&'a Extensions>,
}

impl<'a> RequestHead<'a> {
    pub(crate) fn new(
        method: &'a Method,
        uri: &'a Uri,
        headers: &'a HeaderMap,
        cookies: RequestCookies<'a>,
    ) -> Self {
        Self { method, uri, headers, cookies, version: Version::default(), extensions: None }
    }

    pub(crate) fn of<B>(request: &'a Request<B>, cookies: RequestCookies<'a>) -> Self {
        let uri = original_uri(request.uri(), request.extensions());
        Self {
            version: request.version(),
            extensions: Some(request.extensions()),
            ..Self::new(request.method(), uri, request.headers(), cookies)
        }
    }

    /// The same, of the head of a request.
    pub(crate) fn of_parts(parts: &'a Parts, cookies: RequestCookies<'a>) -> Self {
        let uri = original_uri(&parts.uri, &parts.extensions);
        Self {
            version: parts.version,
            extensions: Some(&parts.extensions),
            ..Self::new(&parts.method, uri, &parts.headers, cookies)
        }
    }

    /// A copy for the application.
    pub(crate) fn parts(&self) -> Parts {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = self.method.clone();
        parts.uri = self.uri.clone();
        parts.version = self.version;
        parts.headers = self.headers.clone();
        parts.extensions = self.extensions.cloned().unwrap_or_default();
        parts
    }

    /// The same for the layer's own paths, whose query is left out: the provider's code is in it.
    pub(crate) fn parts_without_query(&self) -> Parts {
        let mut parts = self.parts();
        parts.uri = self.uri.path().parse().unwrap_or_default();
        parts
    }

    pub(crate) fn client_kind(&self) -> ClientKind {
        ClientKind::of(self.method, self.headers)
    }

    /// The page in front of the person.
    pub(crate) fn page_in_view(&self) -> Option<PageInView> {
        let shape = ShapeHeaders::of(self.headers);
        shape.page_in_view(shape.client_kind(self.method, self.headers), || self.uri)
    }

    /// Whether a sign-in may be started. An image, a frame, a script or a prefetch cannot sign in
    /// anybody, and must use up neither the attempts of a person in the same browser nor a device
    /// code.
    pub(crate) fn may_start(&self) -> bool {
        self.client_kind() == ClientKind::Navigation
    }

    /// The first parameter of this name in the query.
    pub(crate) fn parameter(&self, name: &str) -> Option<Cow<'a, str>> {
        let query = self.uri.query().unwrap_or_default().as_bytes();
        url::form_urlencoded::parse(query).find(|(own, _)| own == name).map(|(_, value)| value)
    }
}

/// The kind of client that sent a request, which decides the response that asks for a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientKind {
    /// A person's browser opens a page: it can be sent to the provider.
    Navigation,
    /// A browser shows the answer, but must not be sent away: frames, submitted forms.
    Document,
    /// htmx follows `HX-Redirect`.
    Htmx,
    /// A gRPC client reads `grpc-status`.
    Grpc(GrpcProtocol),
    /// `fetch`, XHR, an event source, a prefetch, a program: it reads a status and a
    /// machine-readable body.
    Program,
    /// A program that reads status and headers alone.
    Head,
}

impl ClientKind {
    /// Decides by the Fetch Metadata headers where there are any, otherwise by `Accept`.
    pub(crate) fn of(method: &Method, headers: &HeaderMap) -> Self {
        ShapeHeaders::of(headers).client_kind(method, headers)
    }
}

/// Path, query and fragment of an address, if it is one of this origin.
pub(crate) fn path_at_origin<'a>(address: &'a str, origin: &str) -> Option<&'a str> {
    address.strip_prefix(origin).filter(|path| path.starts_with('/'))
}

/// The part of a request that the layer keeps while the service answers it, in case that it has to
/// answer instead: the kind of client, and the page to return to. The same pass over the headers
/// finds a page of another origin, which is needed before.
#[derive(Clone, Debug)]
pub(crate) struct RequestSummary {
    pub(crate) client: ClientKind,
    pub(crate) page: Option<PageInView>,
    /// The page of another origin that caused the request, if that can have effects and is not
    /// accepted from everywhere.
    pub(crate) other_page: Option<Box<OtherPage>>,
    /// Of a client that gets a page.
    pub(crate) accept_language: Option<HeaderValue>,
}

/// The page in front of the person.
#[derive(Clone, Debug)]
pub(crate) enum PageInView {
    /// It was opened: path and query.
    Opened(PathAndQuery),
    /// It asked for something else: its URL, which any site may have written.
    Behind(HeaderValue),
}

impl RequestSummary {
    /// Copies nothing but references. `shape` is of the request's headers.
    pub(crate) fn of<B>(
        request: &Request<B>,
        shape: &ShapeHeaders<'_>,
        rules: &CrossSiteRules,
    ) -> Self {
        let uri = || original_uri(request.uri(), request.extensions());
        Self::new(request.method(), uri, request.headers(), shape, rules)
    }

    /// The same, of the head of a request.
    pub(crate) fn of_parts(parts: &Parts, rules: &CrossSiteRules) -> Self {
        let uri = || original_uri(&parts.uri, &parts.extensions);
        Self::new(&parts.method, uri, &parts.headers, &ShapeHeaders::of(&parts.headers), rules)
    }

    pub(crate) fn of_head(head: &RequestHead<'_>, rules: &CrossSiteRules) -> Self {
        Self::new(head.method, || head.uri, head.headers, &ShapeHeaders::of(head.headers), rules)
    }

    fn new<'a>(
        method: &Method,
        uri: impl FnOnce() -> &'a Uri,
        headers: &HeaderMap,
        shape: &ShapeHeaders<'_>,
        cross_site: &CrossSiteRules,
    ) -> Self {
        let client = shape.client_kind(method, headers);
        let page = shape.page_in_view(client, uri);
        let is_checked = has_effects(method, shape.upgrade) && cross_site.is_refused();
        let other_page = match is_checked {
            true => shape.initiator.other_page(cross_site).map(Box::new),
            false => None,
        };
        let accept_language = match client {
            ClientKind::Navigation | ClientKind::Document => shape.language.cloned(),
            _ => None,
        };
        Self { client, page, other_page, accept_language }
    }

    /// The path that a person opened.
    pub(crate) fn opened_path(&self) -> Option<&str> {
        match &self.page {
            Some(PageInView::Opened(page)) => Some(page.path()),
            _ => None,
        }
    }
}

/// The headers that every request with a session is asked for: the first `Cookie`, and those that
/// decide the kind of client. They are found in one pass, which is cheaper than a look-up for each.
#[derive(Default)]
pub(crate) struct ShapeHeaders<'a> {
    pub(crate) cookie: Option<&'a HeaderValue>,
    content_type: Option<&'a HeaderValue>,
    htmx: Option<&'a HeaderValue>,
    destination: Option<&'a HeaderValue>,
    mode: Option<&'a HeaderValue>,
    language: Option<&'a HeaderValue>,
    is_prefetch: bool,
    page: Option<&'a HeaderValue>,
    referer: Option<&'a HeaderValue>,
    says_what_it_accepts: bool,
    upgrade: Option<&'a HeaderValue>,
    initiator: Initiator<'a>,
}

impl<'a> ShapeHeaders<'a> {
    #[inline]
    pub(crate) fn of(headers: &'a HeaderMap) -> Self {
        let mut found = Self::default();
        for (name, value) in headers {
            match name.as_str() {
                "accept" => found.says_what_it_accepts = true,
                "accept-language" => found.language = found.language.or(Some(value)),
                "cookie" => found.cookie = found.cookie.or(Some(value)),
                "content-type" => found.content_type = found.content_type.or(Some(value)),
                "hx-request" => found.htmx = found.htmx.or(Some(value)),
                "hx-current-url" => found.page = found.page.or(Some(value)),
                "origin" => found.initiator.origin = found.initiator.origin.or(Some(value)),
                "referer" => found.referer = found.referer.or(Some(value)),
                "sec-fetch-dest" => found.destination = found.destination.or(Some(value)),
                "sec-fetch-mode" => found.mode = found.mode.or(Some(value)),
                "sec-fetch-site" => found.initiator.site = found.initiator.site.or(Some(value)),
                "upgrade" => found.upgrade = found.upgrade.or(Some(value)),
                "sec-purpose" | "purpose" => found.is_prefetch |= says_prefetch(value),
                _ => {}
            }
        }
        found
    }

    /// The page in front of the person. `uri` is called for a navigation alone: no other request
    /// pays for the look-up.
    #[inline]
    fn page_in_view<'u>(
        &self,
        client: ClientKind,
        uri: impl FnOnce() -> &'u Uri,
    ) -> Option<PageInView> {
        match client {
            ClientKind::Navigation => uri().path_and_query().cloned().map(PageInView::Opened),
            _ => self.page.or(self.referer).cloned().map(PageInView::Behind),
        }
    }

    fn client_kind(&self, method: &Method, headers: &HeaderMap) -> ClientKind {
        if method == Method::HEAD {
            return ClientKind::Head;
        }
        if let Some(protocol) = self.content_type.and_then(GrpcProtocol::of) {
            return ClientKind::Grpc(protocol);
        }
        if self.htmx.is_some_and(|htmx| htmx == "true") {
            return ClientKind::Htmx;
        }
        if self.is_prefetch {
            return ClientKind::Program;
        }
        let page = match self.destination.map(HeaderValue::as_bytes) {
            Some(destination) if is_whole_page(destination, self.mode) => {
                return if method == Method::GET {
                    ClientKind::Navigation
                } else {
                    ClientKind::Document
                };
            }
            Some(b"iframe" | b"frame" | b"embed" | b"object" | b"fencedframe") => true,
            Some(_) => false,
            None if !(self.says_what_it_accepts && accepts_html(headers)) => false,
            None if method == Method::GET => return ClientKind::Navigation,
            None => true,
        };
        if page { ClientKind::Document } else { ClientKind::Program }
    }
}

/// Whether a page is opened in a tab and not in a frame, if the browser names the destination.
pub(crate) fn may_be_whole_page(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-dest").is_none_or(|destination| {
        is_whole_page(destination.as_bytes(), headers.get(SEC_FETCH_MODE))
    })
}

/// Whether the destination of a request is a page in a tab.
///
/// A service worker that hands a navigation on (`fetch(event.request)`) makes another request of
/// it, which has the mode but no destination (Fetch standard, constructor of `Request`). The
/// browser follows its redirects, and no script can choose that mode. Only the frames of this
/// origin look the same.
fn is_whole_page(destination: &[u8], mode: Option<&HeaderValue>) -> bool {
    match destination {
        b"document" => true,
        b"empty" => mode.is_some_and(|mode| mode == "navigate"),
        _ => false,
    }
}

/// Whether the browser fetches ahead: no person has asked for it, so nothing may be started.
pub(crate) fn is_prefetch(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose"].iter().any(|name| headers.get(*name).is_some_and(says_prefetch))
}

fn says_prefetch(value: &HeaderValue) -> bool {
    value.as_bytes().windows(8).any(|word| word == b"prefetch")
}

fn accepts_html(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.any(|accept| media_type::accepts(accept, "text/html"))
}

#[cfg(test)]
#[path = "request_head_tests.rs"]
mod tests;
