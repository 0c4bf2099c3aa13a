//! Who is asking: headers choose the shape of an answer, never admission.

use http::{HeaderMap, Method, header};

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
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if text("content-type").is_some_and(|kind| kind.starts_with("application/grpc")) {
            return Self::Grpc;
        }
        if text("hx-request") == Some("true") {
            return Self::Htmx;
        }
        if is_prefetch(headers) || method == Method::HEAD {
            return Self::Program;
        }
        let page = match text("sec-fetch-dest") {
            Some("document") => return if method == Method::GET { Self::Navigation } else { Self::Document },
            Some("iframe" | "frame" | "embed" | "object" | "fencedframe") => true,
            Some(_) => false,
            None if !accepts_html(headers) => false,
            None if method == Method::GET => return Self::Navigation,
            None => true,
        };
        if page { Self::Document } else { Self::Program }
    }
}

/// Whether the browser fetches ahead: nobody is looking, so nothing may be started.
pub(crate) fn is_prefetch(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose"]
        .iter()
        .any(|name| headers.get(*name).is_some_and(|value| value.as_bytes().windows(8).any(|word| word == b"prefetch")))
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
