//! The parameters and headers of a request to an endpoint.

use axum::{
    body::{Body, to_bytes},
    extract::Request,
};
use http::{HeaderMap, Method, StatusCode, header};
use url::form_urlencoded;

use super::{fault::Fault, realm::Realm, server::Server, switches::RecordedRequest};
use crate::media_type;

/// The maximum size of a form, in bytes.
const BODY_LIMIT: usize = 256 * 1024;

/// Parameters in the order of the request, decoded.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters(pub(super) Vec<(String, String)>);

impl Parameters {
    fn parse(encoded: &[u8]) -> Self {
        Self(form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// A parameter's value. Parameters without a value are treated as omitted (RFC 6749 section
    /// 3.1).
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// The values of a parameter that is a list separated by spaces, without duplicates.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let mut list: Vec<String> = Vec::new();
        for value in
            self.first(name).unwrap_or_default().split(' ').filter(|value| !value.is_empty())
        {
            if !list.iter().any(|known| known == value) {
                list.push(value.to_owned());
            }
        }
        list
    }

    /// The name of a repeated parameter, which RFC 6749 section 3.1 forbids. Only `resource` may be
    /// repeated (RFC 8707).
    pub(super) fn repeated(&self) -> Option<&str> {
        let mut rest = self.0.iter();
        while let Some((name, _)) = rest.next() {
            if name != "resource" && rest.clone().any(|(other, _)| other == name) {
                return Some(name);
            }
        }
        None
    }
}

/// A request to an endpoint.
#[derive(Clone, Debug)]
pub(super) struct EndpointRequest {
    /// The authority in the path.
    pub(super) realm: Realm,
    /// GET also for HEAD: the response is the same, and its body is not sent (RFC 9110 section
    /// 9.3.2).
    pub(super) method: Method,
    sent_method: Method,
    pub(super) path: String,
    path_and_query: String,
    pub(super) query: Parameters,
    pub(super) form: Parameters,
    pub(super) has_form: bool,
    pub(super) headers: HeaderMap,
}

impl EndpointRequest {
    pub(super) async fn read(request: Request<Body>) -> Result<Self, StatusCode> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, BODY_LIMIT).await.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
        let has_form = parts
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| media_type::is(value, "application/x-www-form-urlencoded"));
        Ok(Self {
            realm: Realm::Plain,
            method: if parts.method == Method::HEAD { Method::GET } else { parts.method.clone() },
            sent_method: parts.method,
            path: parts.uri.path().to_owned(),
            path_and_query: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            query: Parameters::parse(parts.uri.query().unwrap_or_default().as_bytes()),
            // RFC 6749 appendix B: parameters come as a form. A body of another type has none.
            form: if has_form { Parameters::parse(&body) } else { Parameters::default() },
            has_form,
            headers: parts.headers,
        })
    }

    /// The parameters of a request that clients post, not browsers: a form (RFC 6749 section 4.1.3,
    /// RFC 7009 and RFC 7662 section 2.1, RFC 8628 section 3.1) in which each parameter occurs once
    /// (RFC 6749 section 3.2).
    pub(super) fn posted_form(&self) -> Result<&Parameters, Fault> {
        if !self.has_form {
            return Err(Fault::new("invalid_request", "the body has to be a form"));
        }
        if self.form.repeated().is_some() {
            let fault = Fault::new("invalid_request", "a parameter is there twice");
            return Err(fault.entra(9_002_313));
        }
        Ok(&self.form)
    }

    pub(super) fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether a page of another origin sent the request. Browsers send `Origin` with every form; a
    /// request without it does not come from a current browser.
    pub(super) fn is_from_elsewhere(&self, server: &Server) -> bool {
        let host = self.header(header::HOST).unwrap_or_default();
        self.header(header::ORIGIN).is_some_and(|origin| !server.is_own_origin(origin, host))
    }

    /// The access token of the `Authorization` header (RFC 6750 section 2.1).
    pub(super) fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header(header::AUTHORIZATION)?.split_once(' ')?;
        // The scheme is case-insensitive (RFC 9110 section 11.1).
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// The parameters at an endpoint for GET and POST: those of the form for POST, otherwise those
    /// of the query.
    pub(super) fn parameters(&self) -> &Parameters {
        if self.method == Method::POST { &self.form } else { &self.query }
    }

    /// The same where `+` in a query stands for itself, as in the generic syntax of URLs (RFC 3986
    /// section 2.2): only forms have it stand for a space.
    pub(super) fn parameters_with_plus(&self) -> Parameters {
        match self.path_and_query.split_once('?') {
            Some((_, query)) if self.method != Method::POST => {
                Parameters::parse(query.replace('+', "%2B").as_bytes())
            }
            _ => self.parameters().clone(),
        }
    }

    /// The first value of a cookie.
    pub(super) fn cookie(&self, name: &str) -> Option<&str> {
        self.headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    pub(super) fn record(&self) -> RecordedRequest {
        RecordedRequest {
            method: self.sent_method.to_string(),
            path_and_query: self.path_and_query.clone(),
            parameters: self.query.0.iter().chain(&self.form.0).cloned().collect(),
            headers: self
                .headers
                .iter()
                .map(|(name, value)| {
                    (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
                })
                .collect(),
        }
    }
}
