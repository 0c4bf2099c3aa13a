//! The page that caused a request, as the browser names it: Fetch Metadata first, `Origin` after
//! (D13).

use std::fmt;

use http::{
    HeaderMap, HeaderValue, Method,
    header::{self, HeaderName},
};

use super::request_head::{is_prefetch, path_at_origin};
use crate::{
    config::CrossSiteRules,
    error::{Error, ErrorKind},
};

/// The header of Fetch Metadata that says how the page relates to the site.
pub(super) const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How much of a header an error repeats, in bytes.
const SHOWN: usize = 120;

/// The headers in which a browser names the page that caused a request. No page can write them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Initiator<'a> {
    pub(super) site: Option<&'a HeaderValue>,
    pub(super) origin: Option<&'a HeaderValue>,
}

/// The relation between that page and the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    /// A page of this origin.
    Own,
    /// The person and no page, for example by sending a form again.
    Person,
    /// A page of another site, or of a sibling origin.
    Other,
    /// Neither header is there: a program, or a browser of before 2020.
    Unknown,
}

impl<'a> Initiator<'a> {
    pub(super) fn of(headers: &'a HeaderMap) -> Self {
        Self { site: headers.get(SEC_FETCH_SITE), origin: headers.get(header::ORIGIN) }
    }

    /// - `Sec-Fetch-Site` is written by the browser alone: `same-origin` is enough, also where a
    ///   referrer policy made `Origin` the word `null`; `same-site` and `cross-site` are other
    ///   origins, whatever else is said.
    /// - Otherwise `Origin` decides, which browsers send with every POST and every WebSocket.
    fn relation(self, is_own: impl Fn(&HeaderValue) -> bool) -> Relation {
        let is_person = match self.site.map(HeaderValue::as_bytes) {
            Some(b"same-origin") => return Relation::Own,
            Some(b"none") => true,
            None | Some(b"") => false,
            Some(_) => return Relation::Other,
        };
        match self.origin.filter(|origin| !origin.is_empty()) {
            Some(origin) if is_own(origin) => Relation::Own,
            _ if is_person => Relation::Person,
            Some(_) => Relation::Other,
            None => Relation::Unknown,
        }
    }

    /// The page as one that must not cause effects, if it is none of this application and none of
    /// a trusted origin.
    pub(super) fn other_page(self, rules: &CrossSiteRules) -> Option<OtherPage> {
        let is_trusted = |origin: &HeaderValue| rules.is_trusted(origin);
        let is_other = self.relation(is_trusted) == Relation::Other
            // Browsers send `same-site` and `cross-site` for trusted origins as well.
            && !self.origin.is_some_and(is_trusted);
        is_other.then(|| OtherPage { site: self.site.cloned(), origin: self.origin.cloned() })
    }
}

/// Whether it is the preflight request of a browser (CORS), which never has credentials.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Whether a page of this origin caused the request, and not one of another site or of a
/// neighbouring host. `Referer` counts only for browsers that say nothing else.
pub(crate) fn is_from_own_page(headers: &HeaderMap, origin: &str) -> bool {
    let initiator = Initiator::of(headers);
    match initiator.relation(|said| said == origin) {
        Relation::Own => true,
        Relation::Other => false,
        Relation::Person | Relation::Unknown => {
            let referer = headers.get(header::REFERER).and_then(|page| page.to_str().ok());
            initiator.origin.is_none()
                && referer.is_some_and(|page| path_at_origin(page, origin).is_some())
        }
    }
}

/// The page of another origin that caused a request, if it is none of a trusted one.
pub(crate) fn page_of_another_origin(
    headers: &HeaderMap,
    rules: &CrossSiteRules,
) -> Option<OtherPage> {
    Initiator::of(headers).other_page(rules)
}

/// Whether the browser itself says that a person follows a link of a page of this origin.
pub(crate) fn follows_own_link(headers: &HeaderMap) -> bool {
    let is = |name: &str, value: &str| headers.get(name).is_some_and(|header| header == value);
    is("sec-fetch-site", "same-origin") && is("sec-fetch-dest", "document") && !is_prefetch(headers)
}

/// Whether a request can have effects: its method is not safe (RFC 9110 section 9.2.1), or it opens
/// a WebSocket (RFC 6455 section 4.1), which is a GET that both sides write to. Over HTTP/2 that is
/// a CONNECT (RFC 8441).
pub(super) fn has_effects(method: &Method, upgrade: Option<&HeaderValue>) -> bool {
    let is_safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let names_web_socket = |value: &HeaderValue| {
        let mut protocols = value.as_bytes().split(|byte| *byte == b',');
        protocols.any(|protocol| protocol.trim_ascii().eq_ignore_ascii_case(b"websocket"))
    };
    !is_safe || upgrade.is_some_and(names_web_socket)
}

/// A page of another origin that caused a request with effects, as the browser names it.
#[derive(Clone, Debug)]
pub(crate) struct OtherPage {
    site: Option<HeaderValue>,
    origin: Option<HeaderValue>,
}

impl OtherPage {
    /// The refusal of its request.
    pub(crate) fn refusal(&self) -> Error {
        let detail = format!(
            "a page of another origin caused this request, which can have effects: {self}. If \
             that page is yours, add its origin by `add_trusted_origin` \
             (IDENTITY_TRUSTED_ORIGINS); if the path is for every site, name it by \
             `add_cross_site_path` (IDENTITY_CROSS_SITE_PATHS)"
        );
        Error::new(ErrorKind::CrossSite, detail)
    }
}

impl fmt::Display for OtherPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<HeaderValue>| match value {
            Some(value) => {
                let bytes = value.as_bytes();
                format!("{:?}", String::from_utf8_lossy(bytes.get(..SHOWN).unwrap_or(bytes)))
            }
            None => "missing".to_owned(),
        };
        let (site, origin) = (shown(&self.site), shown(&self.origin));
        write!(f, "Sec-Fetch-Site is {site}, Origin is {origin}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "https://app.example";

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn an_own_page_is_recognised_by_fetch_metadata_first_and_by_origin_after() {
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

    #[test]
    fn every_page_of_another_origin_is_recognised_and_other_clients_have_no_page() {
        let rules = CrossSiteRules::trusting(&[OURS, "https://admin.example"]);
        for accepted in [
            &[][..],
            &[("origin", "")],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "same-origin"), ("origin", "null")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", ""), ("origin", OURS)],
            &[("origin", OURS)],
            &[("origin", "https://admin.example")],
            &[("sec-fetch-site", "same-site"), ("origin", "https://admin.example")],
            &[("sec-fetch-site", "cross-site"), ("origin", "https://admin.example")],
            &[("referer", "https://evil.example/")],
        ] {
            let page =
                Initiator::of(&map(accepted)).other_page(&rules).map(|page| page.to_string());
            assert_eq!(page, None, "{accepted:?}");
        }
        for refused in [
            &[("sec-fetch-site", "same-site")][..],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "cross-site"), ("origin", "null")],
            &[("sec-fetch-site", "SAME-ORIGIN")],
            &[("sec-fetch-site", "same-origin, none")],
            &[("origin", "null")],
            &[("origin", "http://app.example")],
            &[("origin", "https://app.example:8443")],
            &[("origin", "https://app.example.evil.example")],
            &[("origin", "https://APP.example")],
            &[("origin", "https://admin.example.evil.example")],
        ] {
            assert!(Initiator::of(&map(refused)).other_page(&rules).is_some(), "{refused:?}");
        }
    }

    #[test]
    fn effects_follow_from_the_method_and_from_the_upgrade_to_a_web_socket() {
        let upgrade = |value: &'static str| HeaderValue::from_static(value);
        for safe in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert!(!has_effects(&safe, None) && !has_effects(&safe, Some(&upgrade("h2c"))));
            for value in ["websocket", "WebSocket", "h2c, websocket", " websocket ,x"] {
                assert!(has_effects(&safe, Some(&upgrade(value))), "{value}");
            }
        }
        for method in ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE", "get", "PROPFIND"] {
            assert!(has_effects(&Method::from_bytes(method.as_bytes()).unwrap(), None), "{method}");
        }
    }
}
