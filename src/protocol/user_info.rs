//! The UserInfo endpoint (OpenID Connect Core section 5.3, RFC 6750 sections 2.1 and 3).
//!
//! - The access token goes into the header and nowhere else.
//! - Success is 200 with a JSON object, or with a signed one (`application/jwt`), which the one verifier checks; encrypted answers are refused.
//! - `sub` is exactly the ID token's, else nothing of the answer is used (section 5.3.2).
//! - Claims that somebody else vouches for (`_claim_names`, `_claim_sources`) stay as they are: nobody is called because of them.

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE},
};

use super::{
    channel::empty_request,
    error_answer,
    json::{self, Object},
    metadata::Metadata,
};
use crate::{
    error::{Error, ErrorKind, ProviderError},
    secret::Secret,
};

/// Asks for the claims of the person who stands behind the access token.
///
/// # Errors
///
/// [`ErrorKind::UserInfoFailed`]: the provider has no UserInfo endpoint, or the access token does not fit into a header.
pub(crate) fn request(metadata: &Metadata, access_token: &Secret) -> Result<Request<Bytes>, Error> {
    let endpoint = metadata.userinfo_endpoint.as_ref().ok_or_else(|| failed("the provider has no `userinfo_endpoint`"))?;
    let mut authorization = HeaderValue::from_str(&format!("Bearer {}", access_token.expose()))
        .map_err(|_| failed("the access token has characters that a header cannot hold"))?;
    authorization.set_sensitive(true);
    let mut request = empty_request(Method::GET, endpoint)?;
    request.headers_mut().insert(AUTHORIZATION, authorization);
    Ok(request)
}

/// An answer, before `sub` is compared.
pub(crate) enum UserInfoAnswer {
    Plain(Object),
    /// A JWT that has to be verified first.
    Signed(String),
}

/// Reads the answer.
///
/// # Errors
///
/// [`ErrorKind::UserInfoFailed`], with [`Error::provider`] if the provider refused the access token; [`ErrorKind::ProviderUnreachable`].
pub(crate) fn read_answer(answer: &Response<Bytes>) -> Result<UserInfoAnswer, Error> {
    if answer.status() != StatusCode::OK {
        return Err(refusal(answer));
    }
    let content_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/jwt") {
        let token = std::str::from_utf8(answer.body()).map_err(|_| failed("the answer is not a JWT"))?;
        return Ok(UserInfoAnswer::Signed(token.trim().to_owned()));
    }
    json::object(answer.body()).map(UserInfoAnswer::Plain).map_err(|refused| failed(format!("the answer: {}", refused.as_str())))
}

/// The claims, if they are about the expected person.
///
/// # Errors
///
/// [`ErrorKind::UserInfoSubject`].
pub(crate) fn check_subject(claims: Object, expected: &str) -> Result<Object, Error> {
    if json::text(&claims, "sub").is_some_and(|sub| !sub.is_empty() && sub == expected) {
        return Ok(claims);
    }
    Err(Error::new(ErrorKind::UserInfoSubject, "`sub` is missing or not the ID token's"))
}

/// What is wrong, from the status and the challenge (RFC 6750 section 3.1).
fn refusal(answer: &Response<Bytes>) -> Error {
    let status = answer.status();
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return error_answer::http_error(answer);
    }
    let challenge = answer.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let error = challenge.filter_map(|value| parameter(value, "error")).next().unwrap_or_default();
    let mut provider = ProviderError { status: Some(status.as_u16()), ..ProviderError::default() };
    provider.error = error_answer::code(&error);
    Error::from_provider(ErrorKind::UserInfoFailed, provider)
}

/// The value of `name="value"` in a challenge (RFC 9110 section 11.2).
fn parameter(challenge: &str, name: &str) -> Option<String> {
    let mut quoted = false;
    let mut parameters = challenge.split(|letter| {
        quoted ^= letter == '"';
        !quoted && matches!(letter, ',' | ' ')
    });
    let value = parameters.find_map(|part| part.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim_matches('"').to_owned())
}

fn failed(detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::UserInfoFailed, detail)
}
