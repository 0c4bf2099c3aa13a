//! The first half of a sign-in, without cookies: the authorization request.

use std::sync::Arc;

use super::{
    attempt::{Attempt, Purpose},
    b2c::policy_of,
    relying_party::RelyingParty,
};
use crate::{
    clock::UnixTime,
    config::{Prompt, SignInMethod, SignInOptions, ValidConfig},
    error::{Error, ErrorKind},
    languages,
    protocol::{
        AuthorizationRequest, DeviceAnswer, Metadata, Provider, TokenParams, claims_of,
        code_challenge, first_resource_scopes,
    },
};

pub(crate) const NONCE: &str = "nonce";
pub(crate) const VERIFIER: &str = "code verifier";

/// What a request leaves out because the provider has refused the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fallback {
    /// Nothing: it is the first request, or the same again.
    None,
    /// `prompt=none`, whatever the configuration says: a silent sign-in was declined.
    WithPages,
    /// The scopes that neither the configuration nor a page names: the provider has refused the
    /// request with the default ones.
    WithNamedScopes,
}

/// What to ask the provider for: `own` over the configured options.
fn options_for(
    purpose: Purpose,
    fallback: Fallback,
    own: &SignInOptions,
    config: &SignInOptions,
) -> SignInOptions {
    // Of the options of a sign-in, only those about its pages mean something to other policies.
    if purpose.is_policy() {
        return SignInOptions {
            ui_locales: config.ui_locales.clone(),
            parameters: config.parameters.clone(),
            ..SignInOptions::new()
        };
    }
    let mut options = own.over(config);
    match fallback {
        Fallback::None if purpose == Purpose::ReadClaims => options.prompt = vec![Prompt::None],
        Fallback::None => {}
        Fallback::WithPages => options.prompt.clear(),
        // With pages: a request that was refused silently would otherwise be followed by one with
        // pages and all scopes, and that by this one again, in a circle.
        Fallback::WithNamedScopes => options.prompt.retain(|prompt| *prompt != Prompt::None),
    }
    options
}

/// The authorization request of one sign-in, before it has an attempt.
pub(crate) struct Request<'a> {
    config: &'a ValidConfig,
    provider: &'a Provider,
    metadata: Arc<Metadata>,
    purpose: Purpose,
    fallback: Fallback,
    own: SignInOptions,
    options: SignInOptions,
    claims: Option<String>,
}

impl RelyingParty {
    /// The request for a purpose with these options of its own. `account` is that of the person who
    /// is asked for more than to sign in.
    pub(crate) async fn request(
        &self,
        purpose: Purpose,
        fallback: Fallback,
        own: SignInOptions,
        account: Option<&AccountHint>,
    ) -> Result<Request<'_>, Error> {
        let config = self.config();
        let provider = self.provider_for(purpose)?;
        let mut options = options_for(purpose, fallback, &own, config.sign_in());
        if let Some(account) = account {
            account.add_to(&mut options);
        }
        options.check().map_err(|error| Error::new(ErrorKind::NotConfigured, error.to_string()))?;
        if config.sign_in_method() == SignInMethod::DeviceCode {
            if let Some(option) =
                options.unsupported_by_device_code(config.authority().is_microsoft())
            {
                let detail = format!(
                    "{option} cannot be asked for with a device code (RFC 8628 section 3.1)"
                );
                return Err(Error::new(ErrorKind::SignInNotOffered, detail));
            }
            // The provider always shows a page there, with the choice of an account.
            options.prompt.clear();
        }
        let claims = claims_of(&mut options, config.authority().is_microsoft());
        let metadata = provider.metadata().await?;
        Ok(Request { config, provider, metadata, purpose, fallback, own, options, claims })
    }
}

/// How many languages are handed on: browsers rarely name more, and the URL has a limit.
const MOST_LANGUAGES: usize = 5;

impl Request<'_> {
    /// The request with the languages of the browser, the preferred one first, as far as the
    /// application has them and the provider can use them. Configured ones stay.
    pub(crate) fn with_languages(mut self, preferred: &[&str]) -> Self {
        let authority = self.config.authority();
        // Microsoft documents `ui_locales` for Azure AD B2C alone; its other providers read the
        // browser's own header.
        let is_unknown = authority.is_microsoft() && authority.b2c_policies().is_none();
        if !self.options.ui_locales.is_empty() || is_unknown {
            return self;
        }
        let supported = self.metadata.ui_locales.as_deref();
        self.options.ui_locales = fitting(preferred, self.config.languages(), supported);
        self
    }

    fn scopes(&self) -> Vec<&str> {
        // Nothing of another policy's answer is kept.
        if self.purpose.is_policy() {
            return vec!["openid"];
        }
        let mut scopes = self.provider.scopes_of(&self.metadata, &self.options);
        if self.fallback == Fallback::WithNamedScopes {
            scopes.retain(|scope| !self.config.is_default_scope(scope));
        }
        scopes
    }

    /// The attempt that remembers what was asked for.
    pub(crate) fn attempt(
        &self,
        purpose: Purpose,
        return_path: &str,
        now: UnixTime,
    ) -> Result<Attempt, Error> {
        let mut attempt = Attempt::new(purpose, return_path, now)?;
        attempt.silent = self.options.prompt.contains(&Prompt::None);
        // Another policy is asked for nothing itself: the options are for the sign-in after it.
        let own = &self.own;
        let (kept, scopes) = if self.purpose.is_policy() {
            attempt.policy = policy_of(self.provider).map(str::to_owned);
            (own, own.scopes.join(" "))
        } else {
            (&self.options, self.scopes().join(" "))
        };
        attempt.scopes = (!own.scopes.is_empty()).then_some(scopes);
        attempt.max_age = kept.max_age.map(|age| u32::try_from(age.as_secs()).unwrap_or(u32::MAX));
        attempt.acr = (!own.acr_values.is_empty()).then(|| own.acr_values.join(" "));
        attempt.auth_context.clone_from(&kept.auth_context);
        Ok(attempt)
    }

    /// Asks for a code that the person types at the provider; the second value is the claims that
    /// were asked for.
    pub(crate) async fn device_code(&self) -> Result<(DeviceAnswer, Option<String>), Error> {
        if self.metadata.device_authorization_endpoint.is_none() {
            let missing = self.metadata.missing("device_authorization_endpoint");
            return Err(Error::new(
                ErrorKind::SignInNotOffered,
                format!("{missing}, so sign-in by device code is not possible"),
            ));
        }
        // Microsoft's tokens are for one resource: that of the scopes that a page asks for,
        // otherwise that of the sign-in.
        let scopes = match self.config.authority().is_microsoft() {
            true if self.own.scopes.is_empty() => first_resource_scopes(&self.scopes()),
            true => first_resource_scopes(&self.config.scopes(&self.own)),
            false => self.scopes(),
        };
        let asked = TokenParams {
            scopes: &scopes.join(" "),
            challenge: self.claims.as_deref(),
            ..TokenParams::default()
        };
        let codes = self.provider.device_codes(&asked).await?;
        Ok((codes, self.claims.clone()))
    }

    /// The URL at the provider for an attempt that has begun under `state`.
    pub(crate) fn url(&self, attempt: &Attempt, state: &str) -> Result<String, Error> {
        let nonce = attempt.derive(NONCE)?;
        let verifier = attempt.derive(VERIFIER)?;
        let binding = RequestBinding {
            redirect_uri: self.config.redirect_uri(),
            state,
            nonce: &nonce,
            verifier: &verifier,
        };
        let claims = self.claims.as_deref();
        binding.url(self.provider, &self.metadata, &self.scopes(), &self.options, claims)
    }
}

/// The languages of the browser that are among the application's, if it names any, and among the
/// provider's, if its document lists them (`ui_locales_supported`).
fn fitting(preferred: &[&str], ours: &[String], supported: Option<&[String]>) -> Vec<String> {
    let has = |list: &[String], tag: &str| languages::lookup(tag, list, String::as_str).is_some();
    preferred
        .iter()
        .filter(|tag| ours.is_empty() || has(ours, tag))
        .filter(|tag| supported.is_none_or(|list| has(list, tag)))
        .take(MOST_LANGUAGES)
        .map(|tag| (*tag).to_owned())
        .collect()
}

/// What ties the answer to its request: sent along, and held against what comes back.
pub(crate) struct RequestBinding<'a> {
    pub(crate) redirect_uri: &'a str,
    pub(crate) state: &'a str,
    pub(crate) nonce: &'a str,
    /// Of PKCE (RFC 7636): its hash is sent.
    pub(crate) verifier: &'a str,
}

impl RequestBinding<'_> {
    /// The URL of the authorization request (OpenID Connect Core section 3.1.2.1).
    pub(crate) fn url(
        &self,
        provider: &Provider,
        metadata: &Metadata,
        scopes: &[&str],
        options: &SignInOptions,
        claims: Option<&str>,
    ) -> Result<String, Error> {
        let config = provider.config();
        let url = AuthorizationRequest {
            client_id: config.client_id(),
            redirect_uri: self.redirect_uri,
            response_mode: config.response_mode(),
            scopes,
            state: self.state,
            nonce: self.nonce,
            code_challenge: &code_challenge(self.verifier),
            options,
            claims,
            capabilities: config.client_capabilities(),
            id_token_hint: None,
        }
        .url(metadata)?;
        Ok(url.into())
    }
}

/// The account that a step-up at Entra is for.
#[derive(Debug)]
pub(crate) struct AccountHint {
    pub(crate) login: Option<String>,
    pub(crate) is_personal: bool,
}

impl AccountHint {
    /// Names the account and its kind of tenant, so that Entra does not ask for the account again.
    fn add_to(&self, options: &mut SignInOptions) {
        let chooses = options.prompt.contains(&Prompt::SelectAccount)
            || options.prompt.contains(&Prompt::Create);
        if chooses || options.login_hint.is_some() {
            return;
        }
        options.login_hint = self.login.clone().filter(|hint| !hint.contains(char::is_control));
        if options.login_hint.is_some() && options.domain_hint.is_none() {
            options.domain_hint =
                Some(if self.is_personal { "consumers" } else { "organizations" }.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provider_is_told_languages_that_it_and_the_application_have() {
        let list = |tags: &[&str]| -> Vec<String> { tags.iter().map(|&tag| tag.into()).collect() };
        let fits = |ours: &[&str], supported: Option<&[&str]>| {
            let supported = supported.map(list);
            fitting(&["de-CH", "fr", "en", "it"], &list(ours), supported.as_deref()).join(" ")
        };
        assert_eq!(fits(&[], None), "de-CH fr en it");
        assert_eq!(fits(&["en", "de"], None), "de-CH en");
        assert_eq!(fits(&[], Some(&["fr-FR", "de", "EN"])), "de-CH en");
        assert_eq!(fits(&["fr"], Some(&["de"])), "");
        assert_eq!(fits(&[], Some(&[])), "");
        assert_eq!(fitting(&["de"; 9], &[], None).len(), MOST_LANGUAGES);
    }
}
