//! The access token of a request: `Authorization: Bearer` (RFC 6750 section 2.1). Tokens in the
//! query or in a form are ignored.

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

use crate::error::{Error, ErrorKind};

/// The length limit of a token, in bytes. Tokens of Entra with two hundred groups have 2 to 4 KB.
const LONGEST: usize = 16 * 1024;

/// The content of the `Authorization` header.
#[derive(Debug)]
pub(crate) enum Authorization<'a> {
    /// No header, or a scheme other than `Bearer`.
    Nothing,
    /// The bytes after the scheme, within the length limit. Their syntax is left to [`token`],
    /// because a check of each byte costs more than the look-up of a verified token.
    Token(&'a [u8]),
    /// A malformed header, which two parsers could read differently.
    Malformed(&'static str),
}

/// Reads the `Authorization` header.
pub(crate) fn presented(headers: &HeaderMap) -> Authorization<'_> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Authorization::Nothing };
    if values.next().is_some() {
        return Authorization::Malformed("there are several `Authorization` headers");
    }
    let bytes = value.as_bytes();
    if !is_bearer(bytes) {
        return match bytes.trim_ascii().is_empty() {
            true => Authorization::Malformed("the `Authorization` header is empty"),
            false => Authorization::Nothing,
        };
    }
    let rest = bytes.get(SCHEME.len()..).unwrap_or_default();
    let token = without_spaces(rest);
    if token.is_empty() {
        return Authorization::Malformed("there is no token after `Bearer`");
    }
    if !rest.starts_with(b" ") {
        return Authorization::Malformed("there is no space between `Bearer` and the token");
    }
    if token.len() > LONGEST {
        return Authorization::Malformed("the token is longer than 16 KiB");
    }
    Authorization::Token(token)
}

/// The token that a request presents, in the syntax of RFC 6750 section 2.1.
///
/// # Errors
///
/// `TokenMissing`; `AuthorizationInvalid`: the header holds something else than one token.
pub(crate) fn token(headers: &HeaderMap) -> Result<&str, Error> {
    match presented(headers) {
        Authorization::Nothing => Err(missing()),
        Authorization::Malformed(detail) => Err(malformed(detail)),
        Authorization::Token(token) => std::str::from_utf8(token)
            .ok()
            .filter(|token| is_token(token))
            .ok_or_else(|| malformed("the value after `Bearer` is not one token")),
    }
}

/// The token in a header that [`presented`] has accepted.
pub(crate) fn token_of(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()?.get(SCHEME.len()..).map(|rest| rest.trim_matches(' '))
}

/// Whether any `Authorization` header has the scheme `Bearer`, so that the API handles the request.
pub(crate) fn is_presented(headers: &HeaderMap) -> bool {
    headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes).any(is_bearer)
}

const SCHEME: &[u8] = b"bearer";

/// Whether the scheme is `Bearer`, in any letter case. A scheme ends before the first character
/// that no `token` of RFC 9110 section 5.6.2 has: with a tab or a colon after it the header is
/// malformed, and not one of another scheme, which would leave the request to its cookie.
fn is_bearer(value: &[u8]) -> bool {
    match value.split_at_checked(SCHEME.len()) {
        Some((scheme, rest)) => {
            scheme.eq_ignore_ascii_case(SCHEME) && !rest.first().is_some_and(|byte| is_tchar(*byte))
        }
        None => false,
    }
}

/// `tchar` of RFC 9110 section 5.6.2.
fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The value without the spaces around it, which RFC 9110 section 11.4 allows in any number. Tabs
/// are not spaces there.
fn without_spaces(mut value: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] | [rest @ .., b' '] = value {
        value = rest;
    }
    value
}

/// `b64token` of RFC 6750 section 2.1.
fn is_token(token: &str) -> bool {
    let is_one = |byte: u8| {
        let is_letter = byte.is_ascii_alphabetic();
        // `-`, `.`, `/` and the digits are one range.
        let is_in_range = (b'-'..=b'9').contains(&byte);
        is_letter | is_in_range | (byte == b'_') | (byte == b'~') | (byte == b'+')
    };
    let body = token.trim_end_matches('=');
    // Neither the fold nor `is_one` has a branch, so that the compiler vectorizes the loop.
    !body.is_empty() && body.bytes().fold(true, |all, byte| all & is_one(byte))
}

/// The error for a request without a token.
pub(crate) fn missing() -> Error {
    Error::new(ErrorKind::TokenMissing, "the request has no access token")
}

/// The error for a request with a malformed `Authorization` header.
pub(crate) fn malformed(detail: &'static str) -> Error {
    Error::new(ErrorKind::AuthorizationInvalid, detail)
}
