//! The authorization request (OpenID Connect Core section 3.1.2.1, RFC 6749 section 4.1.1, RFC
//! 7636, Form Post Response Mode).
//!
//! - The response type is `code`, always with PKCE and `S256`: there is no way to ask for less (RFC
//!   9700 section 2.1.1).
//! - `state` and `nonce` are always sent.
//! - `offline_access` is said as `access_type=offline` where the provider has no such scope
//!   (Google).
//! - Every parameter occurs once, also where the endpoint's address already has a query.

use std::collections::HashSet;

use aws_lc_rs::digest::{self, SHA256};
use url::Url;

use super::{claims, metadata::Metadata};
use crate::{
    config::{Prompt, ResponseMode, SignInOptions},
    error::{Error, ErrorKind},
    secret::base64url,
};

/// What an authorization request says. `options` are the configuration's and the sign-in's
/// together; their `scopes` are not read, `scopes` are.
#[derive(Clone, Copy)]
pub(crate) struct AuthorizationRequest<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) response_mode: ResponseMode,
    /// Every scope, `openid` included.
    pub(crate) scopes: &'a [&'a str],
    pub(crate) state: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) code_challenge: &'a str,
    pub(crate) options: &'a SignInOptions,
    /// The claims (JSON) that the sign-in has to fulfil.
    pub(crate) claims: Option<&'a str>,
    /// What the client can do, which is said in the `claims` parameter, too (section 5.5).
    pub(crate) capabilities: &'a [String],
    /// An ID token of the person who is expected.
    pub(crate) id_token_hint: Option<&'a str>,
}

impl AuthorizationRequest<'_> {
    /// The address to send the browser to.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`]: `state`, `nonce` or the challenge have characters or a length that
    /// not every provider takes; [`ErrorKind::RequestInvalid`]: the claims are not a JSON object.
    pub(crate) fn url(&self, metadata: &Metadata) -> Result<Url, Error> {
        for (value, lengths) in
            [(self.state, 22..=128), (self.nonce, 22..=128), (self.code_challenge, 43..=43)]
        {
            if !lengths.contains(&value.len()) || !value.bytes().all(is_unreserved) {
                return Err(Error::new(
                    ErrorKind::Internal,
                    "`state`, `nonce` or the code challenge is not as it has to be",
                ));
            }
        }
        let ours = self.parameters(metadata.offline_by_parameter)?;
        let mut names: HashSet<&str> = ours.iter().map(|(name, _)| *name).collect();
        let parameters = &self.options.parameters;
        let extra: Vec<_> = parameters
            .iter()
            .filter(|(name, _)| name == "resource" || names.insert(name.as_str()))
            .collect();
        // What the endpoint's address brings along (B2C: `?p=policy`) stays, unless it would be
        // there twice.
        let endpoint = &metadata.authorization_endpoint;
        let kept: Vec<_> = endpoint
            .query_pairs()
            .into_owned()
            .filter(|(name, _)| !names.contains(name.as_str()))
            .collect();
        let mut url = endpoint.clone();
        url.query_pairs_mut().clear().extend_pairs(kept).extend_pairs(ours).extend_pairs(extra);
        Ok(url)
    }

    fn parameters(&self, offline_by_parameter: bool) -> Result<Vec<(&'static str, String)>, Error> {
        let options = self.options;
        let is_offline = |scope: &&str| offline_by_parameter && *scope == "offline_access";
        let scopes: Vec<&str> =
            self.scopes.iter().copied().filter(|scope| !is_offline(scope)).collect();
        let named = options.parameters.iter().any(|(name, _)| name == "access_type");
        let offline = self.scopes.iter().any(is_offline) && !named;
        let words = |words: &[String]| (!words.is_empty()).then(|| words.join(" "));
        let prompt: Vec<&str> = options.prompt.iter().copied().map(Prompt::as_str).collect();
        let form_post = self.response_mode == ResponseMode::FormPost;
        let optional = [
            ("response_mode", form_post.then(|| self.response_mode.as_str().to_owned())),
            ("prompt", (!prompt.is_empty()).then(|| prompt.join(" "))),
            ("login_hint", options.login_hint.clone()),
            ("domain_hint", options.domain_hint.clone()),
            ("max_age", options.max_age.map(|age| age.as_secs().to_string())),
            ("acr_values", words(&options.acr_values)),
            ("ui_locales", words(&options.ui_locales)),
            ("claims", claims::merged(self.capabilities, None, self.claims)?),
            ("id_token_hint", self.id_token_hint.map(str::to_owned)),
            ("access_type", offline.then(|| "offline".to_owned())),
        ];
        let mut parameters = vec![
            ("response_type", "code".to_owned()),
            ("client_id", self.client_id.to_owned()),
            ("redirect_uri", self.redirect_uri.to_owned()),
            ("scope", scopes.join(" ")),
            ("state", self.state.to_owned()),
            ("nonce", self.nonce.to_owned()),
            ("code_challenge", self.code_challenge.to_owned()),
            ("code_challenge_method", "S256".to_owned()),
        ];
        parameters.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
        Ok(parameters)
    }
}

/// Letters, digits, `-`, `.`, `_` and `~` (RFC 3986 section 2.3).
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// `S256`: BASE64URL(SHA256(ASCII(code_verifier))) (RFC 7636 section 4.2).
pub(crate) fn code_challenge(verifier: &str) -> String {
    base64url(digest::digest(&SHA256, verifier.as_bytes()).as_ref())
}

#[cfg(test)]
#[path = "authorize_tests.rs"]
mod tests;
