//! [`JsonOrJwt`]: responses that are claims as JSON or, signed, as a JWT. UserInfo (OpenID Connect
//! Core section 5.3.2) and introspection (RFC 9701 section 5) have both.

use std::borrow::Cow;

use bytes::Bytes;
use http::{Response, header::CONTENT_TYPE};

use super::json::{self, Object};
use crate::media_type;

/// A successful response before its checks.
pub(crate) enum JsonOrJwt {
    /// The claims, from the provider over TLS.
    Json(Object),
    /// A JWT whose signature has to be verified first.
    Jwt(String),
}

impl JsonOrJwt {
    /// Reads the body of a response; `signed` is the media type of the JWT.
    ///
    /// # Errors
    ///
    /// What the body is not. No value of it is in the text.
    pub(super) fn read(answer: &Response<Bytes>, signed: &str) -> Result<Self, Cow<'static, str>> {
        let content_type = answer.headers().get(CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
        if media_type::is(content_type, signed) {
            let token = std::str::from_utf8(answer.body()).map_err(|_| "not a JWT")?;
            return Ok(Self::Jwt(token.trim().to_owned()));
        }
        json::document(answer.body()).map(Self::Json).map_err(|error| error.as_str())
    }
}
