//! The token endpoint: requests and responses (RFC 6749 sections 4.1.3, 4.1.4, 5 and 6; OpenID
//! Connect Core sections 3.1.3 and 12).
//!
//! - Success is 200 with a JSON object. Every other status is an error, including redirects and
//!   204.
//! - Unknown members are ignored (RFC 6749 section 5.1). An optional member of the wrong type
//!   counts as absent ([`OptionalMembers`]), so that it does not cost a good access token.
//! - `scope` absent means that the requested scopes were granted (section 5.1), empty that none
//!   was. The two are kept apart. Some providers send an array.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::{
    channel::{empty_request, redirect_target},
    client_auth::ClientAuth,
    correlation::RequestId,
    error_answer,
    json::{self, Object, OptionalMembers},
    metadata::Metadata,
    sent_secrets::SentSecrets,
};
use crate::{
    error::{Error, ErrorKind},
    secret::Secret,
};

/// The parameters of a form-encoded request. Any value may be a secret.
pub(super) type Form<'a> = Vec<(&'a str, Secret)>;

/// A request to the token endpoint: the parameters of a grant ([`grant`](super::grant)) with the
/// authentication of the client added.
pub(super) fn request(
    metadata: &Metadata,
    client: ClientAuth<'_>,
    mut form: Form<'_>,
) -> Result<Request<Bytes>, Error> {
    if metadata.has_client_info {
        form.push(("client_info", "1".into()));
    }
    form_request(metadata.token_endpoint()?, metadata, client, form)
}

/// The parameters whose values an error may show. The value of every other parameter is a secret.
const PUBLIC_PARAMETERS: &[&str] = &[
    "claims",
    "client_assertion_type",
    "client_id",
    "client_info",
    "grant_type",
    "redirect_uri",
    "requested_token_use",
    "resource",
    "scope",
    "token_type_hint",
];

/// A form-encoded request to an endpoint at which clients authenticate as at the token endpoint.
/// Its extensions have the secrets that it sends ([`SentSecrets`]).
pub(super) fn form_request(
    endpoint: &Url,
    metadata: &Metadata,
    client: ClientAuth<'_>,
    mut form: Form<'_>,
) -> Result<Request<Bytes>, Error> {
    let authorization = client.authenticate(metadata, &mut form)?;
    let secret = |(name, _): &&(&str, Secret)| !PUBLIC_PARAMETERS.contains(name);
    let mut sent: Vec<_> = form.iter().filter(secret).map(|(_, value)| value.clone()).collect();
    sent.extend(client.secret().cloned());
    // With `Basic` the header has the secret in base64.
    let basic = authorization.as_ref().and_then(|header| header.to_str().ok()?.split_once(' '));
    sent.extend(basic.map(|(_, credentials)| Secret::from(credentials)));
    let mut body = form_urlencoded::Serializer::new(String::new());
    for (name, value) in &form {
        body.append_pair(name, value.expose());
    }
    let mut request = empty_request(Method::POST, endpoint)?;
    request.extensions_mut().insert(SentSecrets::new(sent));
    request
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    if let Some(authorization) = authorization {
        request.headers_mut().insert(AUTHORIZATION, authorization);
    }
    *request.body_mut() = body.finish().into();
    // Only Microsoft's endpoints know the header.
    if metadata.has_client_info {
        RequestId::add_to(&mut request)?;
    }
    Ok(request)
}

/// The members of a successful token response (RFC 6749 section 5.1). None of the tokens is
/// verified.
#[derive(Clone, Default)]
pub(crate) struct TokenAnswer {
    /// Absent only at B2C, if no scope of an API was requested.
    pub(crate) access_token: Option<Secret>,
    /// As the provider wrote it. If present beside an access token: `Bearer` in any letter case.
    pub(crate) token_type: Option<String>,
    /// The lifetime of the access token from now on.
    pub(crate) expires_in: Option<Duration>,
    /// The time from now on after which Entra recommends to refresh the access token.
    pub(crate) refresh_in: Option<Duration>,
    pub(crate) refresh_token: Option<Secret>,
    /// The granted scopes, separated by spaces. `None`: those of an earlier request, which this one
    /// did not name. Empty: none.
    pub(crate) scope: Option<String>,
    pub(crate) id_token: Option<Secret>,
    pub(crate) client_info: Option<String>,
}

impl TokenAnswer {
    /// The ID token of a response to a request with `openid` (OpenID Connect Core section 3.1.3.3).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TokenResponseInvalid`].
    pub(crate) fn required_id_token(&self) -> Result<&Secret, Error> {
        let scope = self.scope.as_deref();
        let is_granted = scope.is_none_or(|scope| scope.split(' ').any(|one| one == "openid"));
        self.id_token.as_ref().ok_or_else(|| {
            let detail = "the token answer has no ID token, although `openid` was requested";
            let detail = if is_granted {
                detail.to_owned()
            } else {
                let scope = error_answer::code(scope.unwrap_or_default());
                format!("{detail}; the granted scopes are {scope:?}, without `openid`")
            };
            Error::new(ErrorKind::TokenResponseInvalid, detail).with_remedy(
                "allow the scope `openid` to this application at the provider, or switch OpenID \
                 Connect on for it there; a provider of OAuth 2.0 alone signs nobody in",
            )
        })
    }

    /// The response to a request for these scopes. Without `scope` it grants exactly them (RFC 6749
    /// section 5.1), as they were sent: the configured ones can be more. `sent` is empty if the
    /// request named none.
    pub(crate) fn for_scopes(mut self, sent: &str) -> Self {
        if self.scope.is_none() && !sent.is_empty() {
            self.scope = Some(sent.to_owned());
        }
        self
    }
}

/// Whether a token response must have an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccessTokenRule {
    /// Required (RFC 6749 section 5.1).
    Required,
    /// An ID token alone is enough.
    OrIdToken,
}

/// Parses a token response.
///
/// # Errors
///
/// - [`ErrorKind::TokenResponseInvalid`]: the response claims success and is malformed.
/// - For an error response (RFC 6749 section 5.2) the kind of the provider's error, with
///   [`Error::provider`].
pub(crate) fn read_answer(
    answer: &Response<Bytes>,
    rule: AccessTokenRule,
) -> Result<TokenAnswer, Error> {
    match answer.status() {
        StatusCode::OK => {}
        status if status.is_success() || status.is_redirection() || status.is_informational() => {
            let target = redirect_target(answer).map_or_else(String::new, |target| {
                format!(
                    ": a redirect to {target}, which a request with credentials does not follow; \
                     in the provider's document that has to be the URL of the endpoint (`http` for \
                     `https` and a missing slash are common mistakes)"
                )
            });
            return Err(invalid(format!(
                "the status is {}, expected 200{target}",
                status.as_u16()
            )));
        }
        _ => return Err(error_answer::http_error(answer)),
    }
    let object = json::document(answer.body()).map_err(|refused| {
        invalid(format!("{} ({})", refused.as_str(), error_answer::body_format(answer)))
    })?;
    let members = OptionalMembers::of(&object, "token answer");
    // Some providers send error responses with the status 200.
    if members.text("error").is_some() {
        return Err(error_answer::http_error(answer));
    }
    let tokens = TokenAnswer {
        access_token: members.read("access_token", token),
        token_type: members.text("token_type").map(str::to_owned),
        expires_in: members.seconds("expires_in"),
        refresh_in: members.seconds("refresh_in"),
        refresh_token: members.read("refresh_token", token),
        scope: members.words("scope").map(|scopes| scopes.join(" ")),
        id_token: members.read("id_token", token),
        client_info: members.text("client_info").map(str::to_owned),
    };
    match (&tokens.access_token, &tokens.token_type) {
        (Some(_), Some(token_type)) if token_type.eq_ignore_ascii_case("bearer") => Ok(tokens),
        (Some(_), Some(token_type)) => Err(invalid(format!(
            "`token_type` is {:?}, expected \"Bearer\"",
            error_answer::code(token_type)
        ))
        .with_remedy(OTHER_TYPE)),
        // RFC 6749 section 5.1 requires `token_type`. LinkedIn and older versions of Rancher leave
        // it out, and a token of another type (such as DPoP) is always labelled.
        (Some(_), None) => Ok(tokens),
        (None, _) if rule == AccessTokenRule::OrIdToken && tokens.id_token.is_some() => Ok(tokens),
        (None, _) if json::present(&object, "access_token").is_some() => Err(invalid(
            "`access_token` is empty, not a string, or has characters other than printable ASCII",
        )),
        (None, _) => {
            let members = member_names(answer, &object);
            let detail = format!("`access_token` is missing; the response {members}");
            Err(invalid(detail).with_remedy(NO_ACCESS_TOKEN))
        }
    }
}

const OTHER_TYPE: &str = "this crate sends bearer tokens (RFC 6750): switch tokens that are bound \
     to a key, such as DPoP, off in the application's registration at the provider";
const NO_ACCESS_TOKEN: &str = "the provider may issue an access token only for a scope of an API \
     (`with_scopes`, IDENTITY_SCOPE), or only if a parameter names the API, such as `audience` \
     (`SignInOptions::add_parameter`, IDENTITY_SIGN_IN_PARAMETERS; \
     `TokenRequest::add_parameter`); a response of another form is not one of OAuth 2.0 (RFC 6749 \
     section 5.1): check the token endpoint in the provider's document";

/// The names of the members of a response, in alphabetical order, for an error. Their values may be
/// secrets.
fn member_names(answer: &Response<Bytes>, object: &Object) -> String {
    const MOST: usize = 12;
    let mut names: Vec<&String> = object.keys().collect();
    names.sort_unstable();
    let shown = names.iter().take(MOST).map(|name| {
        let name: String = error_answer::code_in(answer, name).chars().take(40).collect();
        format!("`{name}`")
    });
    match (shown.collect::<Vec<_>>().join(", "), names.len() > MOST) {
        (shown, _) if shown.is_empty() => "has no members".to_owned(),
        (shown, false) => format!("has {shown}"),
        (shown, true) => format!("has {shown}, …"),
    }
}

/// A token: a string of printable ASCII (RFC 6749 appendix A), which can be sent in a header.
fn token(value: &Value) -> Option<Secret> {
    let token = value.as_str().filter(|token| {
        !token.is_empty() && token.bytes().all(|byte| matches!(byte, b' '..=b'~'))
    })?;
    Some(token.into())
}

fn invalid(detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::TokenResponseInvalid, detail)
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
