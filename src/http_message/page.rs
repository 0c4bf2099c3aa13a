//! A page as a response.

use http::{
    HeaderValue, Response, StatusCode,
    header::{
        ACCEPT_LANGUAGE, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
        VARY,
    },
};

use super::IdentityBody;
use crate::pages::{Language, RenderedPage};

/// The response with a page; `language` is that of the browser.
pub(crate) fn page<R>(
    status: StatusCode,
    rendered: RenderedPage,
    language: Language,
) -> Response<IdentityBody<R>> {
    let mut response = Response::new(IdentityBody::own(rendered.html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    // Not `no-referrer`: it would turn the Origin of our own sign-out form into `null`.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(CONTENT_SECURITY_POLICY, policy(&rendered.content_security_policy));
    let language = rendered.language.as_deref().unwrap_or(language.tag());
    headers.extend(HeaderValue::try_from(language).map(|language| (CONTENT_LANGUAGE, language)));
    headers.insert(VARY, HeaderValue::from_name(ACCEPT_LANGUAGE));
    response
}

/// The policy of a page, which a renderer may have written over several lines. A header that begins
/// or ends in white space makes strict clients drop the answer (RFC 9113 section 8.2.1).
fn policy(text: &str) -> HeaderValue {
    let line = text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    match HeaderValue::try_from(line) {
        Ok(policy) if !policy.is_empty() => policy,
        // No page of ours may be framed.
        Ok(_) => HeaderValue::from_static("frame-ancestors 'none'"),
        Err(_) => HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    }
}
