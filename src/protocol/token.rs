//! The token endpoint: requests and answers (RFC 6749 sections 4.1.3, 4.1.4, 5 and 6; OpenID Connect Core sections 3.1.3 and 12).
//!
//! - Success is 200 with a JSON object; every other status is an error, redirects and 204 included.
//! - Members that we do not know are ignored; `null` means absent.
//! - `scope` absent means "as asked", empty means "nothing": both are kept apart.
//! - Providers that say lifetimes as text are understood if the text is digits.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use serde_json::Value;
use url::form_urlencoded;

use super::{
    callback::Code,
    channel::empty_request,
    client_auth::Client,
    error_answer,
    json::{self, Object},
    metadata::Metadata,
};
use crate::{
    error::{Error, ErrorKind},
    secret::Secret,
};

/// The form of a request; values may be secrets.
type Form = Vec<(&'static str, Secret)>;

/// Exchanges an authorization code (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
///
/// # Errors
///
/// The client cannot prove who it is to this provider.
pub(crate) fn code_request(
    metadata: &Metadata,
    client: Client<'_>,
    code: &Code,
    verifier: &Secret,
    redirect_uri: &str,
) -> Result<Request<Bytes>, Error> {
    let form = vec![
        ("grant_type", "authorization_code".into()),
        ("code", code.expose().into()),
        ("redirect_uri", redirect_uri.into()),
        ("code_verifier", verifier.clone()),
    ];
    request(metadata, client, form)
}

/// Asks for fresh tokens (RFC 6749 section 6). Without scopes the provider gives those of the grant.
///
/// # Errors
///
/// [`ErrorKind::NoRefreshToken`]: the refresh token is empty; or the client cannot prove who it is to this provider.
pub(crate) fn refresh_request(
    metadata: &Metadata,
    client: Client<'_>,
    refresh_token: &Secret,
    scopes: Option<&[String]>,
) -> Result<Request<Bytes>, Error> {
    if refresh_token.is_empty() {
        return Err(Error::new(ErrorKind::NoRefreshToken, "there is no refresh token to send"));
    }
    let mut form: Form = vec![("grant_type", "refresh_token".into()), ("refresh_token", refresh_token.clone())];
    if let Some(scopes) = scopes.filter(|scopes| !scopes.is_empty()) {
        form.push(("scope", scopes.join(" ").into()));
    }
    request(metadata, client, form)
}

fn request(metadata: &Metadata, client: Client<'_>, mut form: Form) -> Result<Request<Bytes>, Error> {
    let authorization = client.authenticate(metadata, &mut form)?;
    let mut body = form_urlencoded::Serializer::new(String::new());
    for (name, value) in &form {
        body.append_pair(name, value.expose());
    }
    let mut request = empty_request(Method::POST, &metadata.token_endpoint)?;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    if let Some(authorization) = authorization {
        request.headers_mut().insert(AUTHORIZATION, authorization);
    }
    *request.body_mut() = body.finish().into();
    Ok(request)
}

/// What a token answer holds. None of it is verified.
#[derive(Clone, Default)]
pub(crate) struct TokenAnswer {
    /// Missing only where the provider gives none (B2C, if no API's scope was asked).
    pub(crate) access_token: Option<Secret>,
    /// As the provider wrote it; always `Bearer` in some case if there is an access token.
    pub(crate) token_type: Option<String>,
    pub(crate) expires_in: Option<Duration>,
    pub(crate) refresh_in: Option<Duration>,
    pub(crate) refresh_token: Option<Secret>,
    /// `None`: as asked. Empty: nothing.
    pub(crate) scope: Option<String>,
    pub(crate) id_token: Option<Secret>,
    pub(crate) client_info: Option<String>,
}

impl TokenAnswer {
    /// Those of the asked scopes that were not granted. Scopes that steer the provider and name no right (`openid`, `profile`, `email`, `offline_access`, …) are left
    /// out: providers rarely list them.
    pub(crate) fn missing_scopes<'a>(&self, asked: &[&'a str]) -> Vec<&'a str> {
        let Some(granted) = &self.scope else { return Vec::new() };
        let steers = |scope: &str| matches!(scope, "openid" | "profile" | "email" | "address" | "phone" | "offline_access");
        let granted = |scope: &str| granted.split(' ').any(|granted| granted.eq_ignore_ascii_case(scope));
        asked.iter().copied().filter(|scope| !steers(scope) && !granted(scope)).collect()
    }
}

impl fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenAnswer")
            .field("access_token", &self.access_token)
            .field("expires_in", &self.expires_in)
            .field("refresh_token", &self.refresh_token)
            .field("id_token", &self.id_token)
            .finish_non_exhaustive()
    }
}

/// Whether an answer must have an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccessTokenRule {
    /// As RFC 6749 section 5.1 asks.
    Required,
    /// An ID token alone is enough.
    OrIdToken,
}

/// Reads the token endpoint's answer.
///
/// # Errors
///
/// [`ErrorKind::TokenResponseInvalid`]: a success that is none; otherwise what the provider's error means, with [`Error::provider`].
pub(crate) fn read_answer(answer: &Response<Bytes>, rule: AccessTokenRule) -> Result<TokenAnswer, Error> {
    match answer.status() {
        StatusCode::OK => {}
        status if status.is_success() || status.is_redirection() || status.is_informational() => {
            return Err(invalid(format!("the status is {} instead of 200", status.as_u16())));
        }
        _ => return Err(error_answer::http_error(answer)),
    }
    let object = json::object(answer.body()).map_err(|refused| invalid(refused.as_str()))?;
    if json::text(&object, "error").is_some_and(|error| !error.is_empty()) {
        return Err(error_answer::http_error(answer));
    }
    let tokens = TokenAnswer {
        access_token: secret(&object, "access_token")?,
        token_type: text(&object, "token_type")?.map(str::to_owned),
        expires_in: match json::present(&object, "expires_in") {
            None => None,
            Some(value) => Some(seconds(value).ok_or_else(|| invalid("`expires_in` is not a number of seconds"))?),
        },
        refresh_in: object.get("refresh_in").and_then(seconds),
        refresh_token: secret(&object, "refresh_token")?,
        scope: text(&object, "scope")?.map(str::to_owned),
        id_token: secret(&object, "id_token")?,
        client_info: json::text(&object, "client_info").map(str::to_owned),
    };
    match (&tokens.access_token, &tokens.token_type) {
        (Some(_), Some(token_type)) if token_type.eq_ignore_ascii_case("bearer") => Ok(tokens),
        (Some(_), Some(_)) => Err(invalid("`token_type` is not Bearer")),
        (Some(_), None) => Err(invalid("`token_type` is missing")),
        (None, _) if rule == AccessTokenRule::OrIdToken && tokens.id_token.is_some() => Ok(tokens),
        (None, _) => Err(invalid("`access_token` is missing")),
    }
}

fn text<'a>(object: &'a Object, name: &'static str) -> Result<Option<&'a str>, Error> {
    match json::present(object, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(invalid(format!("`{name}` is not text"))),
    }
}

/// A token: text of visible ASCII characters (RFC 6749 appendix A), which also means that it can be sent in a header.
fn secret(object: &Object, name: &'static str) -> Result<Option<Secret>, Error> {
    match text(object, name)? {
        None => Ok(None),
        Some(token) if !token.is_empty() && token.bytes().all(|byte| matches!(byte, b' '..=b'~')) => Ok(Some(token.into())),
        Some(_) => Err(invalid(format!("`{name}` is empty or has characters that a token cannot have"))),
    }
}

/// A lifetime: a number that is not negative, or its digits as text.
fn seconds(value: &Value) -> Option<Duration> {
    let whole = match value {
        Value::Number(number) => {
            number.as_u64().or_else(|| number.as_f64().filter(|seconds| *seconds >= 0.0).map(|seconds| seconds as u64))
        }
        Value::String(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
        _ => None,
    };
    whole.map(Duration::from_secs)
}

fn invalid(detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::TokenResponseInvalid, detail)
}
