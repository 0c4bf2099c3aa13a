//! The authorization request: the URL that the browser is redirected to (OpenID Connect Core
//! section 3.1.2.1, RFC 6749 section 4.1.1, RFC 7636, Form Post Response Mode).
//!
//! - The response type is always `code`, always with PKCE and the method `S256` (RFC 9700 section
//!   2.1.1). There is no setting for less.
//! - `state` is always sent, and `nonce` unless the configuration omits it, which needs a provider
//!   that announces PKCE.
//! - The scope `offline_access` becomes `access_type=offline` at a provider that does not have the
//!   scope (Google).
//! - Every parameter occurs once (RFC 6749 section 3.1), even if the endpoint's URL has a query.

use std::collections::HashSet;

use aws_lc_rs::digest::{self, SHA256};
use url::Url;

use super::{claims, metadata::Metadata};
use crate::{
    config::{Prompt, ResponseMode, SignInOptions, ValidConfig},
    error::{Error, ErrorKind},
    secret::base64url,
};

/// The values that bind an authorization response to its request.
pub(crate) struct RequestBinding<'a> {
    pub(crate) redirect_uri: &'a str,
    pub(crate) state: &'a str,
    /// Sent unless the configuration omits it.
    pub(crate) nonce: &'a str,
    /// The PKCE code verifier. The request carries its hash (RFC 7636 section 4.2).
    pub(crate) verifier: &'a str,
}

impl RequestBinding<'_> {
    /// The URL to redirect the browser to. `scopes` are all scopes, including `openid`; those in
    /// `options` are not read.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::RequestInvalid`]: `state`, `nonce` or the verifier has a length or characters
    ///   that not every provider accepts; the claims are not a JSON object.
    /// - [`ErrorKind::NotConfigured`]: there is no `nonce`, and the provider does not announce
    ///   PKCE.
    pub(crate) fn url(
        &self,
        config: &ValidConfig,
        metadata: &Metadata,
        scopes: &[&str],
        options: &SignInOptions,
        claims: Option<&str>,
    ) -> Result<Url, Error> {
        // 22 characters of base64url are 128 bits, the entropy that RFC 6749 section 10.10 asks
        // for. A provider refuses a verifier with other lengths only when the code is redeemed.
        check_form("`state`", self.state, 22)?;
        if let Some(nonce) = config.nonce().of(self.nonce) {
            check_form("`nonce`", nonce, 22)?;
        }
        check_verifier(self.verifier)?;
        AuthorizationRequest {
            client_id: config.client_id(),
            redirect_uri: self.redirect_uri,
            response_mode: config.response_mode(),
            scopes,
            state: self.state,
            nonce: config.nonce().of(self.nonce),
            code_challenge: &code_challenge(self.verifier),
            options,
            claims,
            capabilities: config.client_capabilities(),
        }
        .url(metadata)
    }
}

/// The values of an authorization request.
#[derive(Clone, Copy)]
struct AuthorizationRequest<'a> {
    client_id: &'a str,
    redirect_uri: &'a str,
    response_mode: ResponseMode,
    /// All scopes, including `openid`. The scopes in `options` are not read.
    scopes: &'a [&'a str],
    state: &'a str,
    /// `None` if the configuration omits it.
    nonce: Option<&'a str>,
    code_challenge: &'a str,
    /// The options of the configuration, merged with those of this sign-in.
    options: &'a SignInOptions,
    /// The requested claims, a JSON object.
    claims: Option<&'a str>,
    /// The client capabilities (Entra), which go into the `claims` parameter as well.
    capabilities: &'a [String],
}

impl AuthorizationRequest<'_> {
    /// The URL to redirect the browser to.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::RequestInvalid`]: the claims are not a JSON object.
    /// - [`ErrorKind::NotConfigured`]: there is no `nonce`, and the provider does not announce
    ///   PKCE.
    fn url(&self, metadata: &Metadata) -> Result<Url, Error> {
        // RFC 9700 section 2.1.1: PKCE or the nonce protects against an injected code. A provider
        // that does not announce PKCE may ignore the challenge (section 2.1.1, last paragraph).
        if self.nonce.is_none() && !metadata.announces_pkce {
            return Err(without_protection());
        }
        let ours = self.parameters(metadata.offline_by_parameter)?;
        let mut names: HashSet<&str> = ours.iter().map(|(name, _)| *name).collect();
        let parameters = &self.options.parameters;
        // Parameters of the configuration cannot replace ours, such as `state` or `redirect_uri`.
        // `resource` alone may be repeated (RFC 8707 section 2).
        let extra: Vec<_> = parameters
            .iter()
            .filter(|(name, _)| name == "resource" || names.insert(name.as_str()))
            .collect();
        // No user is sent to sign in whose code could not be redeemed, or whose ID token could not
        // be verified.
        metadata.check_sign_in()?;
        // RFC 6749 section 3.1: the query of the endpoint (B2C: `?p=policy`) is retained, except
        // for parameters that would then occur twice.
        let endpoint = metadata.authorization_endpoint()?;
        let kept: Vec<_> = endpoint
            .query_pairs()
            .into_owned()
            .filter(|(name, _)| !names.contains(name.as_str()))
            .collect();
        let mut url = endpoint.clone();
        url.query_pairs_mut().clear().extend_pairs(kept).extend_pairs(ours).extend_pairs(extra);
        escape_spaces(&mut url);
        Ok(url)
    }

    /// The parameters, without those of the configuration and of the endpoint's query.
    fn parameters(&self, offline_by_parameter: bool) -> Result<Vec<(&'static str, String)>, Error> {
        let options = self.options;
        // Google refuses the scope `offline_access` and has a parameter for it.
        let is_offline = |scope: &&str| offline_by_parameter && *scope == "offline_access";
        let scopes: Vec<&str> =
            self.scopes.iter().copied().filter(|scope| !is_offline(scope)).collect();
        let is_configured = options.parameters.iter().any(|(name, _)| name == "access_type");
        let offline = self.scopes.iter().any(is_offline) && !is_configured;
        let words = |words: &[String]| (!words.is_empty()).then(|| words.join(" "));
        let prompt: Vec<&str> = options.prompt.iter().copied().map(Prompt::as_str).collect();
        let form_post = self.response_mode == ResponseMode::FormPost;
        let optional = [
            ("nonce", self.nonce.map(str::to_owned)),
            ("response_mode", form_post.then(|| self.response_mode.as_str().to_owned())),
            ("prompt", (!prompt.is_empty()).then(|| prompt.join(" "))),
            ("login_hint", options.login_hint.clone()),
            ("domain_hint", options.domain_hint.clone()),
            ("max_age", options.max_age.map(|age| age.as_secs().to_string())),
            ("acr_values", words(&options.acr_values)),
            ("ui_locales", words(&options.ui_locales)),
            ("claims", claims::merged(self.capabilities, None, self.claims)?),
            ("access_type", offline.then(|| "offline".to_owned())),
        ];
        let mut parameters = vec![
            ("response_type", "code".to_owned()),
            ("client_id", self.client_id.to_owned()),
            ("redirect_uri", self.redirect_uri.to_owned()),
            ("scope", scopes.join(" ")),
            ("state", self.state.to_owned()),
            ("code_challenge", self.code_challenge.to_owned()),
            ("code_challenge_method", "S256".to_owned()),
        ];
        parameters.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
        Ok(parameters)
    }
}

/// Writes each space of a query as `%20`. RFC 6749 appendix B has `+`, which only readers of forms
/// take for a space: Apple's devices take it for a part of the scope. Every reader takes `%20`.
pub(super) fn escape_spaces(url: &mut Url) {
    // A serialized `+` is always a space: that character itself is `%2B`.
    let escaped =
        url.query().filter(|query| query.contains('+')).map(|query| query.replace('+', "%20"));
    if let Some(query) = escaped {
        url.set_query(Some(&query));
    }
}

/// The refusal of a sign-in without `nonce` at a provider that does not announce PKCE.
fn without_protection() -> Error {
    Error::new(
        ErrorKind::NotConfigured,
        "the configuration omits the `nonce` of sign-ins, so that PKCE alone protects them (RFC \
         9700 section 2.1.1), and the provider's discovery document does not list `S256` in \
         `code_challenge_methods_supported`",
    )
    .with_remedy(
        "have the provider announce and enforce PKCE (Doorkeeper: doorkeeper-openid_connect 1.8.3 \
         or later, and the column for `code_challenge`), or send the nonce (`with_nonce`, \
         IDENTITY_NONCE=send) and have the provider put it into the ID token",
    )
}

/// Checks the form of a code verifier (RFC 7636 section 4.1).
///
/// # Errors
///
/// [`ErrorKind::RequestInvalid`].
pub(crate) fn check_verifier(verifier: &str) -> Result<(), Error> {
    check_form("the code verifier (RFC 7636 section 4.1)", verifier, 43)
}

/// Checks that a value has `shortest` to 128 characters, all unreserved.
fn check_form(name: &str, value: &str, shortest: usize) -> Result<(), Error> {
    if (shortest..=128).contains(&value.len()) && value.bytes().all(is_unreserved) {
        return Ok(());
    }
    let detail = format!("{name} has to have {shortest} to 128 characters of A-Z a-z 0-9 - . _ ~");
    Err(Error::new(ErrorKind::RequestInvalid, detail))
}

/// Whether a byte is an unreserved character of URLs: a letter, a digit, `-`, `.`, `_` or `~` (RFC
/// 3986 section 2.3).
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// The code challenge by the method `S256`: BASE64URL(SHA256(ASCII(code_verifier))) (RFC 7636
/// section 4.2).
pub(crate) fn code_challenge(verifier: &str) -> String {
    base64url(digest::digest(&SHA256, verifier.as_bytes()).as_ref())
}

#[cfg(test)]
#[path = "authorize_tests.rs"]
mod tests;
