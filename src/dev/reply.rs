//! Responses other than pages: JSON, redirects, OAuth errors.

use axum::{body::Body, response::Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::switches::Failure;

pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Adds a header, also beside one of the same name. An invalid value is left out; this provider
/// makes none.
pub(super) fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().append(name, value);
    }
}

pub(super) fn text(status: StatusCode, content_type: &str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    set(&mut response, header::CONTENT_TYPE, content_type);
    response
}

/// JSON that must not be cached (RFC 6749 section 5.1).
pub(super) fn private_json(status: StatusCode, body: &Value) -> Response {
    let mut response = text(status, "application/json", body.to_string());
    set(&mut response, header::CACHE_CONTROL, "no-store");
    // RFC 6749 section 5.1 asks for both headers.
    set(&mut response, header::PRAGMA, "no-cache");
    response
}

/// The error response of the token endpoint and similar ones (RFC 6749 section 5.2).
pub(super) fn oauth_error(status: StatusCode, error: &str, description: &str) -> Response {
    private_json(status, &json!({ "error": error, "error_description": description }))
}

/// A redirect with status 303, after which the next request is always a GET (RFC 9110 section
/// 15.4.4).
pub(super) fn redirect(to: &str) -> Response {
    let mut response = empty(StatusCode::SEE_OTHER);
    set(&mut response, header::LOCATION, to);
    set(&mut response, header::CACHE_CONTROL, "no-store");
    set(&mut response, header::REFERRER_POLICY, "strict-origin");
    response
}

/// The error response of UserInfo (RFC 6750 section 3: the scheme has at least one parameter).
pub(super) fn bearer_error(status: StatusCode, error: Option<&str>) -> Response {
    let mut response = empty(status);
    let error = error.map_or_else(String::new, |error| format!(", error=\"{error}\""));
    let challenge = format!("Bearer realm=\"userinfo\"{error}");
    set(&mut response, header::WWW_AUTHENTICATE, &challenge);
    response
}

/// The response of an ordered failure.
pub(super) fn failure(failure: &Failure) -> Response {
    let status =
        |status: u16| StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match failure {
        Failure::Status(code) => empty(status(*code)),
        Failure::Body { status: code, content_type, body } => {
            text(status(*code), content_type, body.clone())
        }
        Failure::RetryAfter { status: code, pause } => {
            let mut response = empty(status(*code));
            set(&mut response, header::RETRY_AFTER, &pause.as_secs().to_string());
            response
        }
        Failure::Redirect(to) => {
            let mut response = empty(StatusCode::FOUND);
            set(&mut response, header::LOCATION, to);
            response
        }
        Failure::OAuthError(error) => {
            oauth_error(StatusCode::BAD_REQUEST, error, "as the test asked for")
        }
        // White space may precede a JSON value (RFC 8259 section 2), so only a limit of size ends
        // the reading.
        Failure::Endless(bytes) => text(StatusCode::OK, "application/json", " ".repeat(*bytes)),
        Failure::Disconnect | Failure::LoseAnswer => empty(StatusCode::INTERNAL_SERVER_ERROR),
    }
}
